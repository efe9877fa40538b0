"""How a batch is followed: a bar for the whole, lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from impasto.cli.console import OFTEN, bar, cleared, duration, emit, say, show, suited
from impasto.cli.options import spelling

if TYPE_CHECKING:
    from impasto.runtime import Batch, Outcome


class Lines:
    """A line on stderr now and then, and one for each row that fails."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()
        self._first: tuple[float, float] | None = None

    def start(self, batch: Batch, rows: int) -> None:
        """Say what will be done."""
        of = f" of {rows}" if len(batch) != rows else ""
        say(f"{len(batch)}{of} {_pictures(rows)} to paint")

    def progress(self, batch: Batch) -> None:
        """Say how far it is."""
        if time.monotonic() - self._told >= OFTEN:
            self._told = time.monotonic()
            say(self._status(batch))

    def outcome(self, batch: Batch, outcome: Outcome) -> None:
        """Say why a row failed."""
        if outcome.status == "failed":
            say(f"{outcome.row.output}: {_problem(outcome)}")
        self.progress(batch)

    def done(self, batch: Batch) -> None:
        """Say what came of it."""
        show("")
        say(f"{_counted(batch)} in {duration(time.monotonic() - self._began)}")
        if batch.counts["failed"]:
            say(f"those that failed are in {batch.failures}, a table that batch reads")

    def _status(self, batch: Batch) -> str:
        done = batch.counts.total()
        return f"{done}/{len(batch)}{self._left(batch)}: {_counted(batch)}"

    def _left(self, batch: Batch) -> str:
        """The time for the rest, by that since the first that was not skipped."""
        if not batch.counts.total() - batch.counts["skipped"] and batch.fraction == 0:
            return ""
        now, share = time.monotonic(), batch.fraction
        first = self._first = self._first or (now, share)
        if share <= first[1]:
            return ""
        return f", {duration((now - first[0]) * (1 - share) / (share - first[1]))} left"


class Bar(Lines):
    """One line on a terminal."""

    def progress(self, batch: Batch) -> None:
        """Move it."""
        show(f"{bar(batch.fraction)} {self._status(batch)}")


class Silence(Lines):
    """Only what goes wrong."""

    def start(self, batch: Batch, rows: int) -> None:
        """Say nothing."""

    def progress(self, batch: Batch) -> None:
        """Say nothing."""

    def done(self, batch: Batch) -> None:
        """Say nothing."""


class JsonLines(Lines):
    """Events on stdout: ``start``, one for each row by what became of it, ``done``."""

    def start(self, batch: Batch, rows: int) -> None:
        """The event ``start``."""
        self._emit(event="start", rows=len(batch), of=rows)

    def progress(self, batch: Batch) -> None:
        """Rows are events enough."""

    def outcome(self, batch: Batch, outcome: Outcome) -> None:
        """``painted``, ``skipped``, ``failed`` or ``given up``."""
        row = outcome.row
        told: dict[str, Any] = {"output": row.output, "content": row.content, "style": row.styles}
        told |= {"seconds": outcome.seconds}
        if outcome.status == "painted":
            told["loss"] = outcome.loss
        if outcome.problem:
            told["error"] = _problem(outcome)
        self._emit(event=outcome.status, **told, fraction=batch.fraction)

    def done(self, batch: Batch) -> None:
        """The event ``done``."""
        self._emit(event="done", seconds=time.monotonic() - self._began, **batch.counts)

    def _emit(self, **event: Any) -> None:
        if problem := emit(event):  # the pictures are wanted all the same
            say(problem)


@contextmanager
def reporter(files: Mapping[str, Any]) -> Iterator[Lines]:
    """What suits the options and the kind of stderr."""
    with cleared():
        yield suited(files, JsonLines, Silence, Bar, Lines)()


def _problem(outcome: Outcome) -> str:
    assert outcome.problem
    return outcome.problem.spell(spelling("batch"))


def _counted(batch: Batch) -> str:
    counts: Counter[str] = batch.counts
    told = [f"{counts[name]} {name}" for name in ("painted", "skipped", "failed") if counts[name]]
    return ", ".join(told) or "none painted"


def _pictures(count: int) -> str:
    return "picture" if count == 1 else "pictures"
