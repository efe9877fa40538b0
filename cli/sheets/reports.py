"""How a gallery is followed: a bar for the whole, lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from impasto.cli.console import OFTEN, bar, cleared, duration, emit, say, show, suited
from impasto.cli.options import spelling

from .drawing import JOINT

if TYPE_CHECKING:
    from impasto.runtime import ImpastoError, Result, Step

    from .drafts import Draft


class Report:
    """Lines on stderr."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self.failed = self._done = 0
        self._count, self._began = len(drafts), time.monotonic()
        self._told, self._reason = self._began, ""

    def start(self) -> None:
        """Say what will be done."""
        say(f"{self._count} {'draft' if self._count == 1 else 'drafts'} to paint")

    def step(self, step: Step) -> None:
        """Say how far it is."""
        share = (self._done + self.failed + step.fraction) / self._count
        left = (time.monotonic() - self._began) * (1 - share) / share
        status = f"{self._done + self.failed}/{self._count}, {duration(left)} left"
        self._status(share, status)

    def painted(self, draft: Draft, result: Result) -> None:
        """One is."""
        self._done += 1

    def fail(self, draft: Draft, error: ImpastoError) -> str:
        """Say why one is not; the sentence."""
        self.failed += 1
        reason = error.spell(spelling("gallery"))
        if reason != self._reason:  # that of a style is of all its drafts
            say(f"{', '.join(draft.label).replace(JOINT, ' ')}: {reason}")
        self._reason = reason
        return reason

    def done(self, output: str | None) -> None:
        """Say what came of it."""
        show("")
        failed = f", {self.failed} failed" if self.failed else ""
        where = f"{output}: " if output else ""
        taken = duration(time.monotonic() - self._began)
        say(f"{where}{self._done} of {self._count} painted{failed} in {taken}")

    def _status(self, share: float, status: str) -> None:
        if time.monotonic() - self._told >= OFTEN:
            self._told = time.monotonic()
            say(status)


class Bar(Report):
    """One line on a terminal."""

    def _status(self, share: float, status: str) -> None:
        show(f"{bar(share)} {status}")


class Silence(Report):
    """Only what goes wrong."""

    def start(self) -> None:
        """Say nothing."""

    def step(self, step: Step) -> None:
        """Say nothing."""

    def done(self, output: str | None) -> None:
        """Say nothing."""


class JsonLines(Silence):
    """Events on stdout: ``start``, ``painted`` or ``failed`` for each draft, ``done``."""

    def start(self) -> None:
        """The event ``start``."""
        self._emit(event="start", drafts=self._count)

    def painted(self, draft: Draft, result: Result) -> None:
        """The event ``painted``."""
        super().painted(draft, result)
        height, width, _ = result.image.shape
        size, loss, seconds = (width, height), result.loss, result.seconds
        self._draft("painted", draft, size=size, loss=loss, seconds=seconds)

    def fail(self, draft: Draft, error: ImpastoError) -> str:
        """The event ``failed``."""
        self.failed += 1
        reason = error.spell(spelling("gallery"))
        self._draft("failed", draft, error=reason)
        return reason

    def done(self, output: str | None) -> None:
        """The event ``done``."""
        seconds = time.monotonic() - self._began
        self._emit(
            event="done", output=output, painted=self._done, failed=self.failed, seconds=seconds
        )

    def _draft(self, event: str, draft: Draft, **more: Any) -> None:
        about = {"number": draft.number, "style": draft.style, "settings": draft.settings}
        self._emit(event=event, **about, **more)

    def _emit(self, **event: Any) -> None:
        if problem := emit(event):  # the sheet is wanted all the same
            say(problem)


@contextmanager
def reporter(files: Mapping[str, Any], drafts: Sequence[Draft]) -> Iterator[Report]:
    """What suits the options and the kind of stderr."""
    report = suited(files, JsonLines, Silence, Bar, Report)(drafts)
    report.start()
    with cleared():
        yield report
