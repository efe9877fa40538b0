"""What goes wrong, as problem+json (RFC 9457): the sentence that the command line would say."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from impasto.cli.serve.job.painting import plain
from impasto.cli.serve.store.store import DrainingError, FullError, TooManyError
from impasto.runtime import ImageError, ImpastoError, QueueFull, SettingError

MEDIA = "application/problem+json"
AGAIN = "10"
"""Seconds after which a client may ask again."""
TITLES = {
    400: "Not a request",
    401: "Who are you?",
    403: "Not from there",
    404: "Not here",
    405: "Not like that",
    408: "Too slow",
    409: "Not now",
    413: "Too large",
    415: "Another kind of body",
    421: "Another server",
    422: "Cannot be painted",
    429: "Too many jobs",
    500: "A bug",
    503: "Not now",
    507: "No room",
}
logger = logging.getLogger("impasto.serve")


class ProblemBody(BaseModel):
    """What is wrong, and the mend."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    """The sentence."""
    field: str | None = None
    """The setting that is wrong, if one is."""


class Problem(Exception):  # noqa: N818 (RFC 9457 calls it so)
    """An answer that is none."""

    def __init__(
        self, status: int, detail: str, *, field: str | None = None, **headers: str
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field = status, detail, field
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> Response:
        """As it is sent."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": TITLES.get(self.status, "Refused"),
            "status": self.status,
            "detail": self.detail,
        }
        if self.field is not None:
            body["field"] = self.field
        return Response(
            json.dumps(body), self.status, {**self.headers, "Cache-Control": "no-store"}, MEDIA
        )


def of_error(error: ImpastoError) -> Problem:
    """What to answer where the program refuses."""
    detail = error.spell(plain)
    if isinstance(error, SettingError):
        return Problem(422, detail, field=error.field)
    if isinstance(error, ImageError):
        return Problem(422, detail)
    if isinstance(error, TooManyError | QueueFull):
        return Problem(429, detail, Retry_After=AGAIN)
    if isinstance(error, DrainingError):
        return Problem(503, detail, Retry_After=AGAIN)
    if isinstance(error, FullError):
        return Problem(507, detail, Retry_After=AGAIN)
    return Problem(503, detail)


def of_validation(errors: Any) -> Problem:
    """What to answer where a body or parameter is not as described: the first of its errors."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "path", "query"))
    said = first["msg"].removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    detail = f"{place}: {said}; /openapi.json says what is taken" if place else said
    return Problem(422, detail, field=place or None)


def install(app: FastAPI) -> None:
    """Have an application answer so."""

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(ImpastoError)
    async def refused(request: Request, error: ImpastoError) -> Response:
        return of_error(error).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return of_validation(error.errors()).response()

    @app.exception_handler(ValidationError)
    async def invalid_body(request: Request, error: ValidationError) -> Response:
        return of_validation(error.errors()).response()

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return Problem(400, "the client went away").response()  # which nobody reads

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        sentences = {404: f"there is no {request.url.path} here", 405: "no such method here"}
        detail = sentences.get(error.status_code, str(error.detail))
        found = Problem(error.status_code, detail)
        found.headers = dict(error.headers or {})
        return found.response()

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        logger.error("%s %s", request.method, request.url.path, exc_info=error)
        return Problem(500, "that is a bug of the server; its log says more").response()
