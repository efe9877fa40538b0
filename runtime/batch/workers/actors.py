"""Workers on the machines of a Ray cluster: actors that take paths, not pictures.

Two tasks are with an actor at most: one that it paints, and one to go on with. An actor that dies
is started again by Ray, elsewhere if its machine has gone.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Any

from impasto.runtime.batch.order import budget
from impasto.runtime.batch.rows import Row
from impasto.runtime.batch.storage import whole
from impasto.runtime.errors import ImpastoError
from impasto.runtime.machine.packages import needed
from impasto.runtime.machine.processors import default_threads

from .painter import Outcome, Painter, Setup
from .workers import Done, Event, Lost, Task

EACH = 2
"""Tasks in flight."""


class Actors:
    """See Workers."""

    def __init__(
        self, setup: Setup, count: int | None, threads: int, writer: str, address: str
    ) -> None:
        """``count``: None is as many as the cluster has processors for.

        Raises:
            ImpastoError: Ray is not installed, or the cluster cannot be reached.
        """
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        self._ray = needed("ray", "ray is not installed: pip install ray, on every machine")
        with suppress(AttributeError):  # what it says of its machines goes to the caller's stdout
            self._ray._private.worker.print_to_stdstream = lambda *_, **__: None
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise ImpastoError(f"{address}: no Ray cluster answers there ({reason})") from None
        machine = {**setup.machine, "threads": threads}
        setup = replace(setup, machine=machine, output=whole(setup.output), model=_model(setup))
        self.count = count or max(1, int(self._ray.cluster_resources().get("CPU", 1)) // threads)
        self.device = ""
        kind = self._ray.remote(num_cpus=threads, max_restarts=-1, max_task_retries=0)(_Actor)
        names = (f"{writer}-{n}" for n in range(self.count))
        self._actors = [_Handle(kind.remote(setup, name)) for name in names]

    @property
    def free(self) -> int:
        """See Workers: one that begins, or begins again, is not free."""
        return sum(EACH - len(actor.tasks) for actor in self._actors if actor.greeting is None)

    def submit(self, task: Task) -> None:
        """See Workers: to the one that has least to do."""
        ready = (actor for actor in self._actors if actor.greeting is None)
        actor = min(ready, key=lambda actor: len(actor.tasks))
        row = replace(
            task.row,
            content=whole(task.row.content),
            styles=tuple(whole(style) for style in task.row.styles),
        )
        actor.tasks.append((actor.remote.paint.remote(row, task.known), task))

    def events(self, seconds: float) -> list[Event]:
        """See Workers."""
        waiting = {ref: actor for actor in self._actors for ref, _ in actor.tasks}
        begun = {actor.greeting: actor for actor in self._actors if actor.greeting is not None}
        ready, _ = self._ray.wait([*waiting, *begun], num_returns=1, timeout=seconds)
        found: list[Event] = []
        for ref in ready:
            if ref in begun:
                self._greeted(begun[ref])
            else:
                found += self._told(waiting[ref], ref)
        return found

    def close(self) -> None:
        """See Workers."""
        for actor in self._actors:
            with suppress(Exception):  # it may have gone
                self._ray.kill(actor.remote)
        self._ray.shutdown()

    def _greeted(self, actor: _Handle) -> None:
        """It has begun, or cannot."""
        try:
            answer = self._ray.get(actor.greeting)
        except self._ray.exceptions.RayError as error:
            raise ImpastoError(f"an actor cannot begin: {str(error).splitlines()[0]}") from None
        if isinstance(answer, ImpastoError):
            raise answer
        self.device, actor.greeting = answer, None

    def _told(self, actor: _Handle, ref: Any) -> list[Event]:
        place = [other for other, _ in actor.tasks].index(ref)
        task = actor.tasks[place][1]
        try:
            outcome = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            return self._lost(actor, type(error).__name__)
        del actor.tasks[place]
        return [Done(task.number, replace(outcome, row=task.row))]

    def _lost(self, actor: _Handle, reason: str) -> list[Event]:
        """All tasks of an actor that died; the oldest was painted, the other waited."""
        found: list[Event] = [
            Lost(task.number, f"died ({reason})", place == 0)
            for place, (_, task) in enumerate(actor.tasks)
        ]
        actor.tasks.clear()
        actor.greet()
        return found


def _model(setup: Setup) -> str | None:
    """The bundle, so that an actor finds it."""
    return whole(setup.model) if setup.model and os.path.isdir(setup.model) else setup.model


class _Handle:
    """An actor, and its tasks, the oldest first."""

    def __init__(self, remote: Any) -> None:
        self.remote = remote
        self.tasks: deque[tuple[Any, Task]] = deque()
        self.greet()

    def greet(self) -> None:
        """Ask for its device: the answer comes when it has begun, if need be again."""
        self.greeting: Any = self.remote.begun.options(max_task_retries=-1).remote()


def _share(setup: Setup) -> int:
    """Bytes for an actor of what is free on its machine, as its threads are of the cores."""
    threads: int = setup.machine["threads"]
    return round(budget(None) * min(1.0, threads / default_threads()))


class _Actor:
    """A painter on one of the machines."""

    def __init__(self, setup: Setup, name: str) -> None:
        # Each start has a name of its own in the index: what it replaces may live on unseen.
        self._painter: Painter | None = None
        self._problem: ImpastoError | None = None
        machine = {"memory": _share(setup), **setup.machine}
        try:
            setup = replace(setup, machine=machine)
            self._painter = Painter(setup, f"{name}-{secrets.token_hex(4)}")
        except ImpastoError as error:
            self._problem = error

    def begun(self) -> str | ImpastoError:
        """The device, or why there is none."""
        if self._painter is None:
            assert self._problem
            return self._problem
        return self._painter.engine.device

    def paint(self, row: Row, known: dict[str, str] | None) -> Outcome:
        """What became of a row."""
        assert self._painter
        return self._painter.paint(row, known)
