"""A batch: rows, workers that paint them, and what is kept so that nothing is lost or done twice.

What a kill leaves: outputs are whole or not there, and whole ones are in the index. So the next
batch over the same rows paints what is missing, and nothing else.
"""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any, Literal, Self

from impasto.runtime.bundle.bundle import read_manifest
from impasto.runtime.errors import ImpastoError, SettingError
from impasto.runtime.machine.locks import locked
from impasto.runtime.machine.outputs import telling
from impasto.runtime.machine.processors import default_threads

from .index import FOLDER, LocalIndex
from .order import budget, by_size, choose_count
from .rows import Row
from .storage import join, storage_of, whole
from .workers.painter import Outcome, Setup
from .workers.workers import Done, Event, Progress, Task, Workers

OnError = Literal["continue", "stop"]
TRIES = 3
"""Workers that a row may take with it."""
WAIT = 0.5
"""Seconds between two looks at what else there is to do."""


def shard_name(name: str, shard: tuple[int, int] | None) -> str:
    """``failures``, or ``failures-2-of-8``."""
    return f"{name}-{shard[0]}-of-{shard[1]}" if shard and shard[1] > 1 else name


class Batch:
    """Rows to paint; iterate over it for what becomes of each."""

    def __init__(
        self,
        rows: Sequence[Row],
        setup: Setup,
        *,
        workers: int | None = None,
        shard: tuple[int, int] | None = None,
        on_error: OnError = "continue",
        ray: str | None = None,
    ) -> None:
        """Nothing begins before the first outcome is asked for.

        Args:
            rows: as ``make_rows`` gives them.
            setup: of the workers. Its machine's ``memory`` is for all of them together, on this
                machine; ``threads`` are those of each.
            workers: how many; None: as many as there are cores, within the memory, or one for
                another device than a CPU.
            shard: ``(2, 8)``: only the rows of the second of eight shards.
            on_error: ``stop``: after the first row that fails none is begun.
            ray: an address of a cluster: the workers are actors there.

        Raises:
            SettingError: there is no such shard.
        """
        if shard and not 1 <= shard[0] <= shard[1]:
            mend = "give I/N, such as 2/8: the second of eight"
            raise SettingError("shard", f"{shard[0]}/{shard[1]}", mend)
        own = [row for row in rows if not shard or row.in_shard(*shard)]
        self._rows: list[tuple[int, Row]] = [*enumerate(own)]
        self._setup, self._wanted, self._on_error, self._ray = setup, workers, on_error, ray
        self._shard = shard
        self._failed = _Failures(setup.output, shard_name("failures", shard))
        self.counts: Counter[str] = Counter()
        """How many rows have each status so far."""
        self.workers: Workers | None = None
        """None before the first outcome."""
        self._running: dict[int, float] = {}
        self._lost: Counter[int] = Counter()
        self._again: deque[Task] = deque()
        self._stopped = ""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def fraction(self) -> float:
        """Rows that are done, and what is done of the others, of all."""
        done = self.counts.total() + sum(self._running.values())
        return done / len(self) if self._rows else 1.0

    @property
    def failures(self) -> str:
        """The file of rows that failed, and why."""
        return self._failed.path

    def __iter__(self) -> Iterator[Outcome]:
        return self.run()

    def run(self, on_progress: Callable[[Self], object] | None = None) -> Iterator[Outcome]:
        """What becomes of each row, as it comes. Who leaves early gives up what is painted.

        ``on_progress`` is called now and then, with the batch.

        Raises:
            ImpastoError: another batch writes into the folder, its disk is full, or no worker can
                begin.
        """
        if not self._rows:
            return
        with self._alone(), self._open() as workers:
            waiting = self._tasks()
            while True:
                while workers.free and (task := self._next(waiting)):
                    self._running[task.number] = 0.0
                    workers.submit(task)
                if not self._running and not self._again and workers.free:
                    break
                for event in workers.events(WAIT):
                    if (outcome := self._became(event)) is not None:
                        yield outcome
                if on_progress:
                    on_progress(self)
        if self._stopped:
            raise ImpastoError(self._stopped)

    def _next(self, waiting: Iterator[Task]) -> Task | None:
        if self._again:
            return self._again.popleft()
        stop = self._stopped or (self._on_error == "stop" and self.counts["failed"])
        return None if stop else next(waiting, None)

    def _tasks(self) -> Iterator[Task]:
        index = self._index({row.output for _, row in self._rows})
        for number, row in by_size(self._rows):
            yield Task(number, row, index.known(row.output) if index else None)

    def _became(self, event: Event) -> Outcome | None:
        if isinstance(event, Progress):
            self._running[event.number] = event.fraction
            return None
        self._running.pop(event.number, None)
        if isinstance(event, Done):
            return self._ended(event.outcome)
        self._lost[event.number] += event.guilty
        row = self._rows[event.number][1]
        if self._lost[event.number] < TRIES:
            self._again.append(Task(event.number, row, self._known(row)))
            return None
        told = ImpastoError(f"the worker that painted it {event.reason}, {TRIES} times")
        return self._ended(Outcome(row=row, status="failed", problem=told))

    def _known(self, row: Row) -> dict[str, str] | None:
        """What a worker that died may have written is in the index by now."""
        index = self._index({row.output})
        return index.known(row.output) if index else None

    def _index(self, outputs: set[str]) -> LocalIndex | None:
        """What is known of outputs; None: each worker asks for itself."""
        if not storage_of(self._setup.output).local:
            return None
        index = LocalIndex(self._setup.output, "")
        index.load(outputs)
        return index

    def _ended(self, outcome: Outcome) -> Outcome:
        self.counts[outcome.status] += 1
        if outcome.full:
            self._stopped = f"{outcome.error}; then begin again: what is painted stays"
        if outcome.status == "failed":
            with suppress(ImpastoError) if outcome.full else nullcontext():
                self._failed.add(outcome)
        return outcome

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other batch paints these rows."""
        output = self._setup.output
        if not storage_of(output).local:
            self._failed.begin()
            yield
            self._failed.end()
            return
        folder = join(output, FOLDER)
        with telling(output):
            os.makedirs(folder, exist_ok=True)
        with locked(folder, shard_name("lock", self._shard)) as others:
            if others is not None:
                raise ImpastoError(
                    f"{output}: another batch writes into it ({others}); wait for its end, or give "
                    "each a shard of as many"
                )
            self._failed.begin()
            yield

    @contextmanager
    def _open(self) -> Iterator[Workers]:
        self.workers = workers = self._begin()
        try:
            yield workers
        finally:
            workers.close()

    def _begin(self) -> Workers:
        setup, writer = self._setup, shard_name("worker", self._shard)
        threads = setup.machine.get("threads")
        if self._ray is not None:
            from .workers.actors import Actors

            return Actors(setup, self._wanted, threads or 1, writer, self._ray)
        from .workers.processes import Processes

        room, count = budget(setup.machine.get("memory")), self._wanted
        if count is None:
            device = setup.machine.get("device") or "auto"
            manifest = read_manifest(setup.model)
            one = device != "cpu" and not (device == "auto" and _is_cpu(setup))
            count = 1 if one else choose_count(self._rows, manifest, room, threads)
        count = min(count, len(self))
        machine = {**setup.machine, "memory": room // count}
        each = threads or max(1, default_threads() // count)
        return Processes(replace(setup, machine=machine), count, each, writer)


def _is_cpu(setup: Setup) -> bool:
    """What ``auto`` comes to."""
    from impasto.runtime.bundle.bundle import Bundle
    from impasto.runtime.graphs.installation import choose_device

    return choose_device("auto", Bundle(setup.model)).is_cpu


class _Failures:
    """The rows that failed, as a table: one that is begun again begins a new one."""

    def __init__(self, folder: str, name: str) -> None:
        self._storage, self.path = storage_of(folder), join(folder, f"{name}.jsonl")
        self._lines: list[bytes] = []

    def begin(self) -> None:
        """Nothing has failed yet."""
        if self._storage.local and os.path.lexists(self.path):
            with telling(self.path):
                os.unlink(self.path)

    def add(self, outcome: Outcome) -> None:
        """One more."""
        line = json.dumps(_record(outcome)).encode() + b"\n"
        if not self._storage.local:
            self._lines.append(line)
            return
        with telling(self.path), open(self.path, "ab") as file:
            file.write(line)

    def end(self) -> None:
        """Where files do not grow, all at once."""
        if self._lines:
            self._storage.write(self.path, b"".join(self._lines), overwrite=True)


def _record(outcome: Outcome) -> dict[str, Any]:
    row = outcome.row
    regions = tuple(tuple(map(whole, files)) for files in row.regions)
    moved = replace(
        row, content=whole(row.content), styles=tuple(map(whole, row.styles)), regions=regions
    )
    return moved.to_dict() | {"error": outcome.error}
