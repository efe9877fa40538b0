"""The folder beside an output in which a video is painted: what was ordered, and what is done.

A frame appears in it whole or not at all, with 16 bits a channel, and is what those after it begin
from: so a video that was killed goes on with the very same bytes. ``order.json`` says what it is
of, ``scenes.json`` when frames are shown and where scenes begin.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from impasto.runtime import records
from impasto.runtime.errors import Field, ImageError, ImpastoError
from impasto.runtime.machine.locks import locked
from impasto.runtime.machine.outputs import telling, write_file
from impasto.runtime.pictures.image import Picture, read_picture
from impasto.runtime.pictures.writing.encode import encode, encoding

from .course import Course

SUFFIX = ".impasto"
ORDER, SCENES, LOCK = "order.json", "scenes.json", "video"
HELD = 12
"""Frames that are kept in memory, too."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is painted of what, and how: all that decides the bytes."""

    key: str
    """SHA-256 of what the user decided: inputs, settings, bundle."""
    threads: int
    convolutions: str
    jobs: int
    passes: int
    every: float
    course: Course

    @classmethod
    def from_json(cls, text: str | bytes) -> Order:
        """The Order of a text. RecordError: it is none."""
        return records.from_json(cls, text, "order")


@dataclass(frozen=True, kw_only=True)
class Survey:
    """When frames are shown, in seconds, and where scenes begin."""

    times: tuple[Fraction, ...]
    starts: tuple[int, ...]
    """Numbers of the frames, the first is 0."""

    @property
    def scenes(self) -> list[range]:
        """Numbers of each scene's frames."""
        ends = (*self.starts[1:], len(self.times))
        return [range(a, b) for a, b in zip(self.starts, ends, strict=True)]


class Work:
    """The folder."""

    def __init__(self, output: str) -> None:
        self.folder = output.rstrip("/" + os.sep) + SUFFIX
        self._held: OrderedDict[tuple[int, int], Picture] = OrderedDict()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Make the folder, and hold its lock.

        Raises:
            ImpastoError: another program paints in it.
        """
        with telling(self.folder):
            os.makedirs(self.folder, exist_ok=True)
        with locked(self.folder, LOCK) as other:
            if other:
                raise ImpastoError(f"{self.folder}: another program paints in it; wait for its end")
            yield

    def order(self) -> Order | None:
        """The one that was begun; None: there is none, or none that can be read."""
        text = self._read(ORDER)
        try:
            return None if text is None else Order.from_json(text)
        except records.RecordError:
            return None

    def begin(self, order: Order) -> None:
        """Forget what is there, and begin."""
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
        self._remove(SCENES)
        self._write(ORDER, records.to_json(order))

    def survey(self) -> Survey | None:
        """What was found of the video's frames."""
        text = self._read(SCENES)
        if text is None:
            return None
        found = json.loads(text)
        times = tuple(Fraction(time) for time in found["times"])
        return Survey(times=times, starts=tuple(found["starts"]))

    def keep_survey(self, survey: Survey) -> None:
        """Write it."""
        times = [str(time) for time in survey.times]
        self._write(SCENES, json.dumps({"times": times, "starts": survey.starts}))

    def load(self, turn: int, number: int) -> Picture | None:
        """A painted frame; see Kept."""
        key = turn, number
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        path = self.path(turn, number)
        if not os.path.exists(path):
            return None
        picture = read_picture(path, least=(1, 1))
        self._hold(key, picture)
        return picture

    def save(self, turn: int, number: int, picture: Picture) -> None:
        """Keep a frame, of 16 bits."""
        path = self.path(turn, number)
        with telling(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        data = encode(picture, encoding(path, depth=16), path, {})
        write_file(path, data, overwrite=True)
        self._hold((turn, number), picture)

    def path(self, turn: int, number: int) -> str:
        """Of a frame's file, after so many passes from 0."""
        return os.path.join(self.folder, f"pass-{turn + 1}", f"{number + 1:06d}.png")

    def done(self, turns: int, count: int) -> int:
        """How many frames are painted, in all passes."""
        return sum(
            os.path.exists(self.path(turn, n)) for turn in range(turns) for n in range(count)
        )

    def remove(self) -> None:
        """All of it: the video is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _hold(self, key: tuple[int, int], picture: Picture) -> None:
        self._held[key] = picture
        while len(self._held) > HELD:
            self._held.popitem(last=False)

    def _read(self, name: str) -> bytes | None:
        try:
            with open(os.path.join(self.folder, name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            path = os.path.join(self.folder, name)
            raise ImageError(f"{path}: cannot be read: {error.strerror}") from None

    def _write(self, name: str, text: str) -> None:
        write_file(os.path.join(self.folder, name), text.encode(), overwrite=True)

    def _remove(self, name: str) -> None:
        path = os.path.join(self.folder, name)
        if os.path.exists(path):
            os.unlink(path)


def resumable(work: Work, key: str, overwrite: bool) -> Order | None:
    """The order to go on with; None: begin anew.

    Raises:
        ImpastoError: what was begun there is another.
    """
    found = work.order()
    if found is None or found.key == key:
        return found
    if overwrite:
        return None
    raise ImpastoError(
        f"{work.folder} holds frames of other inputs or settings: call it as it was, remove the "
        "folder, or begin anew with ",
        Field("overwrite"),
    )


def described(found: dict[str, Any]) -> str:
    """What decides a video, as one text."""
    return json.dumps(found, sort_keys=True)
