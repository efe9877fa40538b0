"""A video's frames by their numbers, and the survey of them all: times, and where scenes begin."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.image import Picture, read_picture, write_image
from impasto.runtime.planning.sizes import Size

from .files.reading import Frame, Header, frames
from .flow import Gray, gray
from .scene import BEFORE, is_cut, rounded
from .work import Survey

HELD = max(BEFORE) + 2
"""Frames that are kept in memory."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How a video is taken: what decides its frames."""

    header: Header
    size: Size
    """In which they are painted."""
    every: float
    """One frame of so many seconds; 0: all."""

    def frames(self, skip: int = 0) -> Iterator[Frame | None]:
        """In order; see ``reading.frames``."""
        return frames(self.header, self.size, every=self.every, skip=skip)


def survey(cut: Cut, on_frame: Callable[[int], object] | None = None) -> Survey:
    """Look at all frames once.

    Raises:
        ImageError: the video is damaged.
    """
    times: list[Fraction] = []
    starts: list[int] = []
    before: Gray | None = None
    for number, frame in enumerate(cut.frames()):
        assert frame is not None
        now = gray(frame.picture)
        if before is None or is_cut(before, now):
            starts.append(number)
        times.append(frame.time)
        before = now
        if on_frame:
            on_frame(number + 1)
    return Survey(times=tuple(times), starts=tuple(starts))


class Clip:
    """Frames by number, at the size in which they are painted; see Source.

    They are decoded in order. Where they are wanted in another order, too, each is put into a
    folder once it is decoded.
    """

    def __init__(self, cut: Cut, first: int = 0, folder: str | None = None) -> None:
        """``first``: the least number that will be asked for."""
        self._cut, self._first, self._folder = cut, first, folder
        self._held: OrderedDict[int, Picture] = OrderedDict()
        self._frames: Iterator[Frame | None] = iter(())
        self._next = -1

    def __call__(self, number: int) -> Picture:
        """See Source."""
        if number in self._held:
            self._held.move_to_end(number)
            return self._held[number]
        path = self._path(number)
        if path and os.path.exists(path):
            return self._hold(number, read_picture(path, least=(1, 1)))
        if self._next < 0 or number < self._next:
            self._frames, self._next = self._cut.frames(skip=self._first), 0
        picture = None
        while self._next <= number:
            frame = next(self._frames, None)
            self._next += 1
            if self._next > self._first:
                if frame is None:
                    raise ImageError(f"{self._cut.header.path} has changed: it has fewer frames")
                picture = self._hold(self._next - 1, self._kept(self._next - 1, frame.picture))
        assert picture is not None
        return picture

    def _kept(self, number: int, picture: Picture) -> Picture:
        picture = rounded(picture)  # as it is read again
        path = self._path(number)
        if path:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_image(picture, path, depth=16, overwrite=True)
        return picture

    def _path(self, number: int) -> str | None:
        return self._folder and os.path.join(self._folder, f"{number + 1:06d}.png")

    def _hold(self, number: int, picture: Picture) -> Picture:
        self._held[number] = picture
        while len(self._held) > HELD:
            self._held.popitem(last=False)
        return picture
