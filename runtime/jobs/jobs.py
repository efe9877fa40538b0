"""A pool of threads that paint, a bounded queue before it, and one memory budget for all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from functools import partial
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from impasto.runtime import checkpoint as checkpoints
from impasto.runtime.engine import Engine
from impasto.runtime.errors import ImpastoError, SettingError
from impasto.runtime.inputs import Inputs, Region
from impasto.runtime.machine.memory import parse as parse_bytes
from impasto.runtime.machine.memory import planning
from impasto.runtime.maps import map_names
from impasto.runtime.pictures.sources import Source
from impasto.runtime.planning.plan import Plan
from impasto.runtime.results.result import Step
from impasto.runtime.run import Run
from impasto.runtime.runs import Maps
from impasto.runtime.settings import Machine, RunKeywords, check_keywords, describe

from .job import Job, Order
from .queue import Queue


class Jobs:
    """Paints jobs with an engine, so many at once, the rest in a queue.

    ``with Jobs(engine) as jobs`` waits at the end until all are done. Where a job starts it has the
    plan that it was given when it was made, whatever else runs: the same bytes come of it as if it
    were alone. So plans are made for the pool's whole memory, and a job begins when what it needs
    fits beside what the others need. None overtakes another of its priority.

    The threads of the engine are shared: on a CPU two jobs at once end no sooner than one after the
    other, but a short one need not wait for a long one.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        workers: int = 1,
        queue: int = 16,
        memory: int | str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Begin with nothing to do.

        Args:
            engine: paints.
            workers: jobs at once, 1 or more.
            queue: jobs that may wait, 0 or more.
            memory: what the process may take, as in ``Machine``; None: most of what is free now.
            seconds: the most that any job may take from its start; the best picture is its result.

        Raises:
            SettingError: a value is out of range.
        """
        self._seconds = describe(Machine)["deadline"].check(seconds)
        self._engine = engine
        with planning():
            self._room = engine.runs.graphs.room(memory)
        self._queue = Queue(_count("workers", workers, 1), _count("queue", queue, 0), self._room)
        self._process = os.getpid()

    @property
    def memory(self) -> int:
        """Bytes for all jobs that run."""
        return self._room

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._queue.waiting())

    @property
    def running(self) -> int:
        """How many are being painted."""
        return len(self._queue.running())

    def submit(
        self,
        content: Source | None = None,
        style: Source | Sequence[Source] | None = None,
        *,
        regions: Sequence[Region] | None = None,
        init_image: Source | None = None,
        maps: Mapping[str, NDArray[np.float32]] | None = None,
        priority: int = 0,
        within: float | None = None,
        on_step: Callable[[Step], object] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 30.0,
        notes: Mapping[str, str] | None = None,
        **given: Unpack[RunKeywords],
    ) -> Job:
        """Check and plan a job, and put it into the queue. No picture is decoded yet.

        Args:
            content: as in ``Engine.start``, and so the other pictures and ``maps``. Files'
                bytes are kept as they are, arrays and images compressed; a path is read only when
                the job begins.
            style: see ``content``.
            regions: see ``content``.
            init_image: see ``content``.
            maps: see ``content``.
            priority: those of a higher one come first.
            within: seconds from now by which it ends, with the best picture so far; if it has not
                begun by then, it ends in DeadlineError. ``deadline`` counts from its start.
            on_step: called after every iteration, in the job's thread; what it raises ends the job.
            checkpoint: a file to keep the job in while it runs, for ``resume``. It stays.
            checkpoint_every: seconds between two of them.
            notes: the caller's, in the checkpoint.
            given: every field of ``Settings``, ``deadline``, ``max_pixels``, and ``memory``: the
                most bytes that this job may take.

        Raises:
            QueueFull: as many wait as may.
            ImageError, SettingError: as in ``Engine.start``.
        """
        check_keywords(Jobs.submit, RunKeywords, given)
        self._check_open()
        inputs = Inputs.of(content, style, init_image, regions)
        engine = self._engine
        plan, machine = self._plan(inputs, given)
        map_names(engine.manifest.objectives[plan.settings.objective].terms, maps or {})
        peak = inputs.peak(engine.manifest, plan, machine.max_pixels)
        packed = inputs.packed()
        return self._queue.add(
            Order(
                plan=plan,
                memory=max(plan.memory, peak),
                begin=partial(self._begin, packed, plan, machine, maps),
                deadline=self._least(machine.deadline),
                within=describe(Machine)["deadline"].check(within),
                on_step=on_step,
                checkpoint=None if checkpoint is None else os.fspath(checkpoint),
                checkpoint_every=checkpoint_every,
                notes=dict(notes or {}),
            ),
            priority,
        )

    def plan(
        self,
        content: Source | None = None,
        style: Source | Sequence[Source] | None = None,
        *,
        regions: Sequence[Region] | None = None,
        init_image: Source | None = None,
        **given: Unpack[RunKeywords],
    ) -> Plan:
        """What ``submit`` would have done, by headers alone.

        Raises:
            ImageError, SettingError: as in ``submit``.
        """
        check_keywords(Jobs.plan, RunKeywords, given)
        return self._plan(Inputs.of(content, style, init_image, regions), given)[0]

    def resume(
        self,
        file: str | os.PathLike[str],
        *,
        priority: int = 0,
        within: float | None = None,
        deadline: float | None = None,
        on_step: Callable[[Step], object] | None = None,
        checkpoint_every: float = 30.0,
    ) -> Job:
        """A job that goes on from a checkpoint, which it also keeps itself in.

        For the rest see ``submit``; ``deadline`` counts from when it goes on.

        Raises:
            CheckpointError: it is no checkpoint of the engine's bundle.
            QueueFull: as many wait as may.
        """
        self._check_open()
        engine = self._engine
        header = checkpoints.read_header(file, engine.runs.bundle.digest)
        deadline = describe(Machine)["deadline"].check(deadline)
        return self._queue.add(
            Order(
                plan=header.plan,
                memory=header.plan.memory,
                begin=partial(engine.resume, file),
                deadline=self._least(deadline),
                within=describe(Machine)["deadline"].check(within),
                on_step=on_step,
                checkpoint=os.fspath(file),
                checkpoint_every=checkpoint_every,
                notes=header.notes,
            ),
            priority,
        )

    def close(self, *, suspend: bool = False) -> None:
        """Take no more jobs, take out those that wait, end those that run, and wait for that.

        ``suspend``: those that have a checkpoint are kept in it; see ``Job.suspend``.
        """
        self._queue.close()
        for job in self._queue.jobs():
            if suspend and job.keeps:
                job.suspend()
            else:
                job.cancel()
        self._queue.join()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no job runs or waits, at most so many seconds; whether that is so."""
        end = None if timeout is None else time.monotonic() + timeout
        while futures := [job._future for job in self._queue.jobs() if not job.done()]:
            left = None if end is None else max(0.0, end - time.monotonic())
            if wait(futures, left).not_done:
                return False
        return True

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.wait()
        self.close()

    def _plan(self, inputs: Inputs, given: RunKeywords) -> tuple[Plan, Machine]:
        room = self._room
        if (most := given.pop("memory", None)) is not None:
            room = min(room, parse_bytes(most))
        return self._engine.runs.plan(inputs, given, room)

    def _begin(self, packed: Inputs, plan: Plan, machine: Machine, maps: Maps | None) -> Run:
        runs = self._engine.runs
        with planning():
            reservation = runs.reserve(plan, machine)
        return runs.begin(packed, plan, machine, reservation, maps, self._room)

    def _least(self, deadline: float | None) -> float | None:
        return min((s for s in (deadline, self._seconds) if s is not None), default=None)

    def _check_open(self) -> None:
        if os.getpid() != self._process:
            raise ImpastoError(
                "these jobs belong to the process that this one was forked from, and so do their "
                "threads: make new ones here"
            )
        self._queue.check()


def _count(name: str, value: int, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SettingError(name, value, f"give a whole number, {least} or more")
    return value
