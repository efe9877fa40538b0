"""A job's folder: what it is painted from, what came of it, and word of both.

Whoever paints a job reads and writes here, the server too, and nothing else passes between them. So
a job goes on after a restart, and on another machine that sees the folder.
"""

from __future__ import annotations

import io
import json
import os
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from impasto.runtime import write_file

if TYPE_CHECKING:
    from PIL import Image

OVER = ("done", "failed", "cancelled")
"""A job's status for good."""
TAIL = 8192
"""Bytes in which the last event is looked for."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a client wants painted. Its pictures are files beside it, by the same names."""

    settings: dict[str, Any]
    """As it was given: what is not there is the preset's."""
    pictures: dict[str, str]
    """What the client calls each: ``content``, ``style_1``, ..., ``init_image``, ``mask.NAME``."""
    priority: int = 0
    deadline: float | None = None
    """Seconds from its start."""
    within: float | None = None
    """Seconds from its submission."""
    attended: bool = False
    """Whether it ends when nobody looks any more."""
    created: float = field(default_factory=time.time)
    """Seconds since 1970."""

    @property
    def within_now(self) -> float | None:
        """What is left of ``within``."""
        if self.within is None:
            return None
        return max(0.001, self.within - (time.time() - self.created))


@dataclass(frozen=True)
class Event:
    """Something that happened. ``place`` is where the next one begins: bytes."""

    place: int
    name: str
    data: dict[str, Any]


class JobFolder:
    """One job's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint"
        self.preview = path / "preview.jpg"
        self.result = path / "result.png"
        self._status = path / "status"
        self._order, self._events, self._asked = path / "order", path / "events", path / "asked"

    @property
    def id(self) -> str:
        """The job's."""
        return self.path.name

    def picture(self, name: str) -> Path:
        """The file of one of the pictures that the order names."""
        return self.path / name

    def write_order(self, order: Order) -> None:
        """Keep it. Its pictures should be there."""
        write_file(self._order, json.dumps(asdict(order)).encode(), overwrite=True)

    def order(self) -> Order:
        """What was written."""
        return Order(**json.loads(self._order.read_bytes()))

    def styles(self, order: Order) -> list[Path]:
        """The files of its styles, in their order."""
        count = sum(name.startswith("style_") for name in order.pictures)
        return [self.picture(f"style_{number}") for number in range(1, count + 1)]

    def spoken(self, sentence: str, order: Order) -> str:
        """A sentence about files here, in the words of who sent them."""
        for name, called in order.pictures.items():
            sentence = sentence.replace(str(self.picture(name)), called)
        return sentence.replace(f"{self.path}{os.sep}", "")

    def tell(self, name: str, **data: Any) -> None:
        """Add an event. Nothing is lost by a process that is killed, but what it was saying."""
        line = json.dumps({"event": name, "data": data}, allow_nan=False).encode() + b"\n"
        number = os.open(self._events, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(number, line)
        finally:
            os.close(number)
        if name == "status":
            _put(self._status, data["status"].encode())

    def events(self, place: int = 0) -> list[Event]:
        """What happened after a place; all of it, if there is no event that ends there."""
        try:
            with open(self._events, "rb") as file:
                file.seek(max(0, place - 1))
                if place and file.read(1) != b"\n":
                    place = 0
                file.seek(place)
                return _parsed(file.read(), place)
        except FileNotFoundError:
            return []

    @property
    def place(self) -> int:
        """Where the next event will begin."""
        try:
            return self._events.stat().st_size
        except FileNotFoundError:
            return 0

    def last_step(self) -> dict[str, Any] | None:
        """The latest step's data."""
        try:
            with open(self._events, "rb") as file:
                start = max(0, file.seek(0, os.SEEK_END) - TAIL)
                file.seek(start)
                tail = file.read()
        except FileNotFoundError:
            return None
        if start:
            tail = tail.partition(b"\n")[2]
        steps = [event.data for event in _parsed(tail, 0) if event.name == "step"]
        return steps[-1] if steps else None

    @property
    def status(self) -> str:
        """The last that was told; empty: none was."""
        try:
            return self._status.read_text()
        except FileNotFoundError:
            return ""

    def ask(self, what: Literal["stop", "pause", ""]) -> None:
        """Have whoever paints it end soon, for good or for now; empty: neither."""
        if what:
            write_file(self._asked, what.encode(), overwrite=True)
        else:
            self._asked.unlink(missing_ok=True)

    @property
    def asked(self) -> str:
        """What somebody asked for."""
        try:
            return self._asked.read_text()
        except FileNotFoundError:
            return ""

    def remove_later(self) -> None:
        """Have all of it removed once the job has ended."""
        (self.path / "removed").touch()

    @property
    def is_removed(self) -> bool:
        """Whether somebody asked for that."""
        return (self.path / "removed").exists()

    def size(self) -> int:
        """Bytes of all files."""
        total = 0
        for entry in os.scandir(self.path):
            try:
                total += entry.stat().st_size
            except FileNotFoundError:  # a temporary one
                continue
        return total


def write_jpeg(path: Path, picture: Image.Image) -> None:
    """A picture to look at; who reads it finds the old or the new one, whole."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    _put(path, stream.getvalue())


def _put(path: Path, data: bytes) -> None:
    """As ``write_file``, but without waiting for the disk: what can be made or told again."""
    new = path.with_name(f"{path.name}-{os.getpid()}-{threading.get_ident()}.new")
    new.write_bytes(data)
    os.replace(new, path)


def _parsed(text: bytes, place: int) -> list[Event]:
    """The whole lines of it; one that was cut short by a kill is passed over."""
    found = []
    for line in text.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        place += len(line)
        try:
            event = json.loads(line)
            found.append(Event(place, event["event"], event["data"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found
