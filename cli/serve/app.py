"""The application: what is answered at which address."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.cli.serve.http import access, problems, schema
from impasto.cli.serve.http.access import Access
from impasto.cli.serve.http.bodies import Picture
from impasto.cli.serve.http.jobs import ALWAYS, picture, routes
from impasto.cli.serve.http.jobs import problems as answers
from impasto.cli.serve.http.limits import Limits
from impasto.cli.serve.http.metrics import Metrics
from impasto.cli.serve.http.problems import Problem, ProblemBody
from impasto.cli.serve.options import Service
from impasto.cli.serve.paintings import PHOTO, Painting, paintings
from impasto.cli.serve.store.store import Store
from impasto.runtime import Manifest

PAGE = Path(__file__).parent / "page"


class Health(BaseModel):
    """That it lives."""

    status: str
    version: str
    local: bool
    """Whether the page that paints in the browser itself is at /local/."""


def make_app(
    store: Store,
    options: Service,
    token: str | None,
    manifest: Manifest,
    local: Mapping[str, Path],
) -> ASGIApp:
    """All of it, within its limits. ``local``: folders of the page that paints by itself."""
    app = FastAPI(
        title="Impasto",
        summary="Paints one picture in the style of another.",
        version=metadata.version("impasto"),
        docs_url=None,  # its page is another origin's
        redoc_url=None,
    )
    metrics = Metrics(store)
    problems.install(app)
    app.include_router(routes(store))
    _add_about(app, store, metrics, manifest, bool(local))
    _add_session(app, token)
    _add_schema(app)
    for path, folder in {**local, "/": PAGE}.items():
        # An editable install is a farm of links.
        app.mount(path, _Fresh(directory=folder, html=True, follow_symlink=True))
    if options.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[origin.rstrip("/") for origin in options.origins],
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
        )
    return _Counted(Access(Limits(app, options), options, token), metrics)


def _add_about(
    app: FastAPI, store: Store, metrics: Metrics, manifest: Manifest, local: bool
) -> None:
    """The server itself: its state, its settings, its paintings."""
    health = Health(status="ok", version=metadata.version("impasto"), local=local)

    @app.get("/health", response_model=Health, responses=ALWAYS, tags=["server"])
    async def alive() -> Health:
        """Whether the server lives."""
        return health

    @app.get("/ready", response_model=Health, responses=ALWAYS | _SOON, tags=["server"])
    async def ready() -> Health:
        """Whether jobs are taken and painted."""
        if store.problem:
            raise Problem(503, store.problem, Retry_After=problems.AGAIN)
        return health

    @app.get("/metrics", response_class=Response, responses=ALWAYS | _TEXT, tags=["server"])
    def figures() -> Response:
        """Figures for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    described = schema.settings_schema(manifest)

    @app.get("/settings", response_model=dict[str, Any], responses=ALWAYS, tags=["server"])
    async def settings() -> JSONResponse:
        """All that can be set of a picture, as JSON schema."""
        return JSONResponse(described)

    @app.get("/styles", response_model=list[Painting], responses=ALWAYS, tags=["server"])
    async def styles() -> list[Painting]:
        """The paintings that are here; a job names one as ``painting:NAME``."""
        return [painting for painting, _ in paintings().values()]

    @app.get(
        "/styles/{name}.jpg",
        response_class=Response,
        responses=ALWAYS | answers(404) | picture("image/jpeg"),
        tags=["server"],
    )
    async def style(name: str) -> Response:
        """One of the paintings."""
        known = paintings()
        if name not in known:
            raise Problem(
                404, f"there is no painting {name[:60]!r}: /styles has {', '.join(known)}"
            )
        return FileResponse(known[name][1], media_type="image/jpeg", headers=_LASTING)

    @app.get(
        "/styles/example/photo.jpg",
        response_class=Response,
        responses=ALWAYS | picture("image/jpeg"),
        tags=["server"],
    )
    async def photo() -> Response:
        """A photograph to try them on."""
        return FileResponse(PHOTO, media_type="image/jpeg", headers=_LASTING)


def _add_session(app: FastAPI, token: str | None) -> None:
    """A cookie for the token: pictures and events of a page send no headers."""

    @app.post(
        "/session", status_code=204, response_class=Response, responses=ALWAYS, tags=["session"]
    )
    async def begin(request: Request) -> Response:
        """Give the token as ``Authorization: Bearer``, and have it kept as a cookie."""
        response = Response(status_code=204)
        if token is None:
            return response
        if not access.has_bearer(request, token):
            raise Problem(401, "that is not the token", WWW_Authenticate="Bearer")
        response.set_cookie(
            access.COOKIE,
            access.cookie(token),
            max_age=access.LASTING,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    @app.delete(
        "/session", status_code=204, response_class=Response, responses=ALWAYS, tags=["session"]
    )
    async def end() -> Response:
        """Take the cookie away."""
        response = Response(status_code=204)
        response.delete_cookie(access.COOKIE, httponly=True, samesite="strict")
        return response


def _add_schema(app: FastAPI) -> None:
    """Have the description tell of problems."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        found: dict[str, Any] = made()
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        schemas["ProblemBody"] = ProblemBody.model_json_schema()
        schemas["Picture"] = Picture.model_json_schema()
        return found

    app.openapi = openapi  # type: ignore[method-assign]


class _Fresh(StaticFiles):
    """Files of which a browser asks each time whether they are the same: versions do not mix."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        """A file, or that it has not changed."""
        response = super().file_response(*arguments, **named)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response


class _Counted:
    """Counts answers."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(message["status"])
            await send(message)

        await self._app(scope, receive, counting)


_LASTING = {"Cache-Control": "public, max-age=86400"}
_SOON = answers(503)
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"description": "Figures.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}
