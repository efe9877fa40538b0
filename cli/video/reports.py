"""How a video is followed: a bar on a terminal, lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from impasto.cli.console import duration, print_json, say, show
from impasto.cli.painting.progress import BAR, EMPTY, FULL

if TYPE_CHECKING:
    from impasto.runtime import VideoProgress

OFTEN = 30.0
"""Seconds between two lines where there is no terminal."""


class Lines:
    """A line on stderr now and then."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = 0.0
        self._stage = ""

    def progress(self, output: str, progress: VideoProgress) -> None:
        """Say how far it is."""
        stage, now = progress.stage, time.monotonic()
        if stage != self._stage:
            self._stage, self._told = stage, now
            self._begun(output, progress)
        elif now - self._told >= OFTEN:
            self._told = now
            say(_status(progress))

    def _begun(self, output: str, progress: VideoProgress) -> None:
        height, width = progress.size
        if progress.stage == "survey":
            say("looking for cuts")
        elif progress.stage == "paint":
            scenes = "1 scene" if progress.scenes == 1 else f"{progress.scenes} scenes"
            kept = f", {progress.done} are there" if progress.done else ""
            say(f"{progress.frames} frames of {width} x {height} pixels in {scenes}{kept}")
        elif progress.stage == "done":
            say(f"{output}: {progress.frames} frames in {duration(time.monotonic() - self._began)}")


class Bar(Lines):
    """One line on a terminal."""

    def progress(self, output: str, progress: VideoProgress) -> None:
        """Move it."""
        if progress.stage != self._stage:
            self._stage = progress.stage
            self._begun(output, progress)
        share = progress.done / progress.frames if progress.frames else 0.0
        if progress.stage in ("paint", "write"):
            filled = round(share * BAR)
            bar = FULL * filled + EMPTY * (BAR - filled)
            show(f"{share:4.0%} {bar} {_status(progress)}")


class Silence(Lines):
    """Nothing at all."""

    def progress(self, output: str, progress: VideoProgress) -> None:
        """Say nothing."""


class JsonLines(Lines):
    """Events on stdout: one for each frame, and one at each stage: survey, paint, write, done."""

    def progress(self, output: str, progress: VideoProgress) -> None:
        """The event of a stage."""
        told: dict[str, Any] = {"event": progress.stage, "frames": progress.frames}
        told |= {"done": progress.done, "scenes": progress.scenes, "left": progress.left}
        told |= {"size": progress.size[::-1], "output": output}
        try:
            print_json(told)
        except OSError as error:  # whoever reads has gone: the video is wanted all the same
            say(f"stdout cannot be written: {error.strerror}")
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@contextmanager
def reporter(files: Mapping[str, Any]) -> Iterator[Lines]:
    """What suits the options and the kind of stderr."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    try:
        if files.get("json"):
            yield JsonLines()
        elif files.get("quiet"):
            yield Silence()
        else:
            yield Bar() if is_terminal and os.environ.get("TERM") != "dumb" else Lines()
    finally:
        show("")


def _status(progress: VideoProgress) -> str:
    left = "" if progress.left is None else f", {duration(progress.left)} left"
    return f"{progress.done}/{progress.frames} frames{left}"
