"""How a video is followed: a bar on a terminal, lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from impasto.cli.console import OFTEN, bar, cleared, duration, emit, say, show, suited

if TYPE_CHECKING:
    from impasto.runtime import VideoProgress


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
            show(f"{bar(share)} {_status(progress)}")


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
        if problem := emit(told):  # the video is wanted all the same
            say(problem)


@contextmanager
def reporter(files: Mapping[str, Any]) -> Iterator[Lines]:
    """What suits the options and the kind of stderr."""
    with cleared():
        yield suited(files, JsonLines, Silence, Bar, Lines)()


def _status(progress: VideoProgress) -> str:
    left = "" if progress.left is None else f", {duration(progress.left)} left"
    return f"{progress.done}/{progress.frames} frames{left}"
