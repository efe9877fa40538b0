"""Who paints the scenes: this process, or several beside each other, a scene each.

Processes are started afresh, and end with the one that started them, however that ends.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from impasto.runtime.engine import Engine
from impasto.runtime.errors import ImpastoError
from impasto.runtime.pictures.image import read_picture
from impasto.runtime.planning.sizes import style_size

from .clip import Clip, Cut
from .scene import OnStep, Painter, paint_scene
from .work import Order, Work

FRAMES = "frames"
"""Of a video, in the work's folder, where they are wanted in more than one order."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every painter of a video has to know."""

    order: Order
    cut: Cut
    styles: tuple[str, ...]
    model: str | None
    machine: Mapping[str, Any]
    """What ``Engine.load`` takes."""
    output: str
    max_pixels: int


class Crew:
    """Paints scenes one after another."""

    def __init__(self, task: Task, engine: Engine | None = None) -> None:
        """Load an engine, or take one."""
        self._task = task
        engine = engine or Engine.load(task.model, **task.machine)
        self._work = Work(task.output)
        self._painter = Painter(engine, task.order.course, _styles(task, engine))

    def paint(
        self, scenes: Sequence[range], on_step: OnStep | None = None
    ) -> Iterator[tuple[int, int]]:
        """Pass and number of each frame that is painted now."""
        order = self._task.order
        folder = os.path.join(self._work.folder, FRAMES) if order.passes > 1 else None
        for numbers in scenes:
            clip = Clip(self._task.cut, numbers[0], folder)
            yield from paint_scene(self._painter, clip, numbers, order.passes, self._work, on_step)


def paint_side_by_side(task: Task, scenes: Sequence[range], jobs: int) -> Iterator[tuple[int, int]]:
    """As ``Crew.paint``, by so many processes; the longest scenes first.

    Raises:
        ImpastoError: one of them failed.
    """
    context = multiprocessing.get_context("spawn")
    waiting = sorted(scenes, key=len)
    workers: dict[Connection, Any] = {}
    for _ in range(min(jobs, len(scenes))):
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, task), daemon=True)
        process.start()
        theirs.close()
        workers[ours] = process
        ours.send(waiting.pop())
    try:
        while workers:
            for connection in wait([*workers]):
                assert isinstance(connection, Connection)
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    process = workers[connection]
                    process.join()
                    raise ImpastoError(
                        f"a process that painted a scene ended with exit code {process.exitcode}: "
                        "call it again to go on, perhaps with fewer jobs"
                    ) from None
                if isinstance(message, ImpastoError):
                    raise message
                if message is not None:
                    yield message
                elif waiting:
                    connection.send(waiting.pop())
                else:
                    connection.send(None)
                    workers.pop(connection).join()
                    connection.close()
    finally:
        for connection, process in workers.items():
            connection.close()
            process.kill()
            process.join()


def _work(connection: Connection, task: Task) -> None:
    """A process: it paints the scenes that it is told, and tells each frame."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_ended_with, args=(parent.sentinel,), daemon=True).start()
    with suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            crew = Crew(task)
            while (numbers := connection.recv()) is not None:
                for painted in crew.paint([numbers]):
                    connection.send(painted)
                connection.send(None)
        except ImpastoError as error:
            connection.send(error)


def _ended_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _styles(task: Task, engine: Engine) -> list[Any]:
    """Decoded once, no larger than they are needed."""
    plan, found = task.order.course.still, []
    least = engine.manifest.encoder.alignment
    for path, shape in zip(task.styles, plan.sizes.styles, strict=True):
        most = style_size(shape, plan.size, least, plan.settings.style_scale)
        found.append(read_picture(path, max_pixels=task.max_pixels, within=most))
    return found
