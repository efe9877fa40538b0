"""What a client is shown of a job."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from impasto.cli.serve.store.store import Store
from impasto.cli.serve.store.table import Row, Status


class StepView(BaseModel):
    """One iteration."""

    scale: int
    scales: int
    width: int
    height: int
    iteration: int
    iterations: int
    loss: float | None
    terms: dict[str, float]
    seconds: float
    fraction: float
    left: float | None
    """Seconds, as expected."""


class JobView(BaseModel):
    """A job. Times are seconds since 1970."""

    id: str
    status: Status
    ahead: int | None = None
    """How many jobs that wait are before it, while it waits: 0, it is next."""
    priority: int
    attended: bool
    created: float
    started: float | None
    ended: float | None
    expires: float | None
    """When its result is removed."""
    width: int
    height: int
    scales: int
    settings: dict[str, Any]
    """All of them, as resolved."""
    pictures: dict[str, str]
    """What they are called."""
    notes: list[str]
    """What else there is to be said of it."""
    error: str | None = None
    """Why it failed, in a sentence."""
    stopped: str | None = None
    """Why there were no more iterations."""
    loss: float | None = None
    iterations: int | None = None
    seconds: float | None = None
    step: StepView | None = None
    """The latest."""
    links: dict[str, str]
    """Where its events, preview and result are; the last two once they are there."""


class JobsView(BaseModel):
    """Jobs, the latest first."""

    jobs: list[JobView]


def view(row: Row, store: Store) -> JobView:
    """A job as it is now."""
    folder, about = store.folder(row.id), row.about
    here = f"/jobs/{row.id}"
    links = {"self": here, "events": f"{here}/events"}
    if folder.preview.exists():
        links["preview"] = f"{here}/preview.jpg"
    if folder.result.exists():
        links["result"] = f"{here}/result.png"
    return JobView(
        id=row.id,
        status=row.status,
        ahead=store.ahead(row) if row.status == "queued" else None,
        priority=row.priority,
        attended=row.attended,
        created=row.created,
        started=row.started,
        ended=row.ended,
        expires=store.expires(row),
        step=folder.last_step(),  # type: ignore[arg-type]
        links=links,
        **about,
    )
