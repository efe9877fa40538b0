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

from impasto.runtime.batch.rows import Row
from impasto.runtime.errors import ImpastoError

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
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError:
            raise ImpastoError("ray is not installed: pip install ray, on every machine") from None
        self._ray: Any = ray
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise ImpastoError(f"{address}: no Ray cluster answers there ({reason})") from None
        setup = replace(setup, machine={**setup.machine, "threads": threads})
        self.count = count or max(1, int(self._ray.cluster_resources().get("CPU", 1)) // threads)
        self.device = ""
        kind = self._ray.remote(num_cpus=threads, max_restarts=-1, max_task_retries=0)(_Actor)
        names = (f"{writer}-{n}" for n in range(self.count))
        self._actors = [_Handle(kind.remote(setup, name)) for name in names]

    @property
    def free(self) -> int:
        """See Workers."""
        return sum(EACH - len(actor.tasks) for actor in self._actors)

    def submit(self, task: Task) -> None:
        """See Workers: to the one that has least to do."""
        actor = min(self._actors, key=lambda actor: len(actor.tasks))
        actor.tasks.append((actor.remote.paint.remote(task.row, task.known), task))

    def events(self, seconds: float) -> list[Event]:
        """See Workers."""
        waiting = {ref: actor for actor in self._actors for ref, _ in actor.tasks}
        ready, _ = self._ray.wait([*waiting], num_returns=1, timeout=seconds)
        found: list[Event] = []
        for ref in ready:
            found += self._told(waiting[ref], ref)
        return found

    def close(self) -> None:
        """See Workers."""
        for actor in self._actors:
            with suppress(Exception):  # it may have gone
                self._ray.kill(actor.remote)
        self._ray.shutdown()

    def _told(self, actor: _Handle, ref: Any) -> list[Event]:
        first = actor.tasks[0][0] == ref
        task = next(task for other, task in actor.tasks if other == ref)
        actor.tasks = deque((other, t) for other, t in actor.tasks if other != ref)
        try:
            self.device, outcome = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:  # of its constructor
            raise ImpastoError(f"an actor cannot begin: {error.cause}") from None
        except self._ray.exceptions.RayError as error:
            if isinstance(cause := getattr(error, "cause", None), ImpastoError):
                raise cause from None
            return [Lost(task.number, f"died ({type(error).__name__})", first), *self._rest(actor)]
        return [Done(task.number, outcome)]

    def _rest(self, actor: _Handle) -> list[Event]:
        """What only waited for an actor that died."""
        found: list[Event] = [Lost(task.number, "died", False) for _, task in actor.tasks]
        actor.tasks.clear()
        return found


class _Handle:
    """An actor, and its tasks, the oldest first."""

    def __init__(self, remote: Any) -> None:
        self.remote = remote
        self.tasks: deque[tuple[Any, Task]] = deque()


class _Actor:
    """A painter on one of the machines."""

    def __init__(self, setup: Setup, name: str) -> None:
        # Each start has a name of its own in the index: what it replaces may live on unseen.
        self._painter = Painter(setup, f"{name}-{secrets.token_hex(4)}")

    def paint(self, row: Row, known: dict[str, str] | None) -> tuple[str, Outcome]:
        """The device, and what became of a row."""
        return self._painter.engine.device, self._painter.paint(row, known)
