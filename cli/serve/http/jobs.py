"""What can be asked of jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import IO, Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from impasto.cli.serve.job.shown import shown
from impasto.cli.serve.store.store import Store
from impasto.cli.serve.store.table import Row
from impasto.runtime import ImageError

from .bodies import read_job, request_body
from .events import stream
from .problems import MEDIA, Problem
from .views import JobsView, JobView, view

PIECE = 1 << 16
"""Bytes."""
Id = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="A job's id.")]
Name = Annotated[
    str, Path(pattern="^[a-z]{1,20}(_[a-z0-9]{1,5})?$", description="content, style_1.")
]
Limit = Annotated[int, Query(ge=1, le=200)]
Before = Annotated[
    float, Query(ge=0, le=1e12, allow_inf_nan=False, description="Submitted before.")
]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers that are problems, for the description."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemBody"}}
    return {
        status: {"description": "See detail.", "content": {MEDIA: schema}} for status in statuses
    }


ALWAYS = problems(401, 403, 421, 422)
"""What may be answered to anything."""
NONE = problems(404)


def picture(kind: str) -> dict[int | str, dict[str, Any]]:
    """An answer that is a picture, for the description."""
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"description": "The picture.", "content": {kind: schema}}}


def routes(store: Store) -> APIRouter:
    """Those below ``/jobs``."""
    router = APIRouter(prefix="/jobs", tags=["jobs"], responses=ALWAYS)

    def found(id: str) -> Row:
        row = store.get(id)
        if row is None:
            raise Problem(404, f"there is no job {id}: it was removed, has expired, or never was")
        if row.attended and row.is_active:
            store.see(id)
        return row

    @router.post(
        "",
        status_code=201,
        response_model=JobView,
        responses=problems(400, 408, 413, 415, 429, 503, 507),
        openapi_extra=request_body(),
    )
    async def submit(request: Request, response: Response) -> JobView:
        """Have a picture painted."""
        client = _client(request)
        store.check_room(client)
        order, pictures = await read_job(request, store)
        try:
            row = await run_in_threadpool(store.accept, order, pictures, client)
        finally:
            for file in pictures.values():
                file.close()
        response.headers["Location"] = f"/jobs/{row.id}"
        return view(row, store)

    @router.get("", response_model=JobsView)
    async def jobs(limit: Limit = 50, before: Before = 1e12) -> JobsView:
        """Jobs, the latest first."""
        rows = store.table.latest(limit, before)
        return JobsView(jobs=[view(row, store) for row in rows])

    @router.get("/{id}", response_model=JobView, responses=NONE)
    async def job(id: Id) -> JobView:
        """How a job stands."""
        return view(found(id), store)

    @router.delete("/{id}", status_code=204, response_class=Response, responses=NONE)
    def remove(id: Id) -> None:
        """End a job, and remove all of it."""
        found(id)
        store.remove(id)

    @router.post("/{id}/stop", status_code=202, response_model=JobView, responses=NONE)
    def stop(id: Id) -> JobView:
        """End a job soon: what was painted so far is its result."""
        row = found(id)
        if row.is_active or row.status == "paused":
            store.stop(row)
        return view(row, store)

    @router.post("/{id}/pause", status_code=202, response_model=JobView, responses=NONE)
    def pause(id: Id) -> JobView:
        """Leave a job for later; it keeps no place in the queue."""
        row = found(id)
        if row.is_active:
            store.pause(row)
        return view(row, store)

    @router.post(
        "/{id}/go-on",
        status_code=202,
        response_model=JobView,
        responses=NONE | problems(409, 429, 503),
    )
    def go_on(id: Id, request: Request) -> JobView:
        """Go on with a job that was left for later, at the iteration where it was left."""
        row = found(id)
        if row.status != "paused":
            raise Problem(409, f"the job is {row.status}: only one that is paused goes on")
        store.go_on(row, _client(request))
        return view(store.get(id) or row, store)

    @router.get(
        "/{id}/events",
        response_class=Response,
        responses=NONE
        | {
            200: {"description": "Events.", "content": {"text/event-stream": {}}},
            204: {"description": "There is nothing after Last-Event-ID."},
        },
    )
    async def events(id: Id, request: Request) -> Response:
        """The job as it is painted: ``queue``, ``status``, ``step`` and ``note``."""
        found(id)
        return stream(request, store, id)

    @router.get(
        "/{id}/preview.jpg", response_class=Response, responses=NONE | picture("image/jpeg")
    )
    async def preview(id: Id) -> Response:
        """The picture now, of 1024 pixels at most."""
        found(id)
        return _file(store.folder(id).preview, "image/jpeg", "no-store")

    @router.get("/{id}/result.png", response_class=Response, responses=NONE | picture("image/png"))
    async def result(id: Id) -> Response:
        """The picture; it says how it was painted."""
        found(id)
        return _file(store.folder(id).result, "image/png", "private, max-age=3600")

    @router.get(
        "/{id}/pictures/{name}.jpg",
        response_class=Response,
        responses=NONE | picture("image/jpeg"),
    )
    def given(id: Id, name: Name) -> Response:
        """One of the pictures that it was given, of 1024 pixels at most."""
        row = found(id)
        if name not in row.about["pictures"]:
            raise Problem(404, f"the job was given no picture {name}")
        try:
            path = shown(store.folder(id), name)
        except ImageError as error:
            raise Problem(404, str(error)) from None
        return _file(path, "image/jpeg", "private, max-age=3600")

    return router


def _client(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _file(path: FilePath, kind: str, cache: str) -> Response:
    """What is in a file at this moment: another may take its name, or it may go."""
    try:
        file = open(path, "rb")  # noqa: SIM115 (it is closed when it is sent)
    except FileNotFoundError:
        raise Problem(404, "there is no picture yet: see the job's status") from None
    headers = {"Cache-Control": cache, "Content-Length": str(os.fstat(file.fileno()).st_size)}
    return StreamingResponse(_pieces(file), media_type=kind, headers=headers)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece
