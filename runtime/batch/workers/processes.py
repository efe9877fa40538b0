"""Workers on this machine: processes, each with an engine and threads of its own.

Started afresh, not forked: threads of ONNX Runtime do not survive a fork. A worker reads what the
driver says in a thread, and ends itself when the pipe ends: so none outlives its driver, however
that ends. Ctrl-C of a terminal is the driver's business alone.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from impasto.runtime.errors import ImpastoError
from impasto.runtime.results.result import Step

from .painter import Painter, Setup
from .workers import Done, Event, Lost, Progress, Task

TRIES = 3
"""Workers that may die, one after another, before they have loaded their engine."""
OFTEN = 0.5
"""Seconds between two words about how far a row is."""
GRACE = 10.0
"""Seconds for a worker to end by itself."""


class Processes:
    """See Workers."""

    def __init__(self, setup: Setup, count: int, threads: int, writer: str) -> None:
        """``threads`` of each; ``writer``: the beginning of the workers' names in the index."""
        self.count, self.device = count, ""
        machine = {**setup.machine, "threads": threads}
        self._setup = replace(setup, machine=machine)
        self._workers = [_Worker(self._setup, f"{writer}-{n}") for n in range(count)]
        self._failed = 0

    @property
    def free(self) -> int:
        """See Workers: one that is not ready yet is not free."""
        return sum(worker.ready and worker.task is None for worker in self._workers)

    def submit(self, task: Task) -> None:
        """See Workers."""
        worker = next(w for w in self._workers if w.ready and w.task is None)
        worker.task = task
        with suppress(OSError):  # it has died: events will tell
            worker.connection.send(task)

    def events(self, seconds: float) -> list[Event]:
        """See Workers."""
        by = {worker.connection: worker for worker in self._workers}
        found: list[Event] = []
        for connection in wait([*by], seconds):
            assert isinstance(connection, Connection)
            try:
                message = connection.recv()
            except (EOFError, OSError):
                found += self._replaced(by[connection])
            else:
                found += self._told(by[connection], message)
        return found

    def close(self) -> None:
        """See Workers."""
        for worker in self._workers:
            with suppress(OSError):
                worker.connection.send(None)
        end = time.monotonic() + GRACE
        for worker in self._workers:
            worker.end(max(0.0, end - time.monotonic()))

    def _told(self, worker: _Worker, message: Any) -> list[Event]:
        if isinstance(message, str):
            worker.ready, self.device, self._failed = True, message, 0
            return []
        if isinstance(message, ImpastoError):
            raise message
        if isinstance(message, Done):
            worker.task = None
        return [message]

    def _replaced(self, worker: _Worker) -> list[Event]:
        """Another in the place of one that died, and its task."""
        worker.end(GRACE)
        reason = _reason(worker.process.exitcode)
        self._failed += not worker.ready
        if self._failed == TRIES:
            raise ImpastoError(f"a worker {reason} before it could begin: see `impasto doctor`")
        self._workers[self._workers.index(worker)] = _Worker(self._setup, worker.name)
        return [Lost(worker.task.number, reason, True)] if worker.task else []


class _Worker:
    """A process, as its driver sees it."""

    def __init__(self, setup: Setup, name: str) -> None:
        self.name, self.ready = name, False
        self.task: Task | None = None
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, setup, name), daemon=True)
        with _deaf():
            self.process.start()
        theirs.close()

    def end(self, seconds: float) -> None:
        """Wait for its end, which comes after so long."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


@contextmanager
def _deaf() -> Iterator[None]:
    """Block what terminals send: a process that is started meanwhile will never hear it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # the first start would start it, which unblocks SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by signal {-code}"
    return f"ended with exit code {code}"


def _work(connection: Connection, setup: Setup, name: str) -> None:
    """A worker's process."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    painters: list[Painter] = []
    threading.Thread(target=_listen, args=(connection, tasks, painters), daemon=True).start()
    try:
        painters.append(Painter(setup, name))
    except ImpastoError as error:
        connection.send(error)
        return
    (painter,) = painters
    connection.send(painter.engine.device)
    while True:
        task = tasks.get()
        last = time.monotonic()

        def on_step(step: Step, number: int = task.number) -> None:
            nonlocal last
            if time.monotonic() - last >= OFTEN:
                last = time.monotonic()
                connection.send(Progress(number, step.fraction))

        connection.send(Done(task.number, painter.paint(task.row, task.known, on_step)))


def _listen(
    connection: Connection, tasks: queue.SimpleQueue[Task], painters: list[Painter]
) -> None:
    """Hear what the driver says; end the process when it says so, or has gone."""
    try:
        while (task := connection.recv()) is not None:
            tasks.put(task)
    except (EOFError, OSError):
        os._exit(1)
    for painter in painters:
        painter.cancel()
        painter.idle.acquire()  # what is being written is whole before the end
    sys.stderr.flush()
    os._exit(0)
