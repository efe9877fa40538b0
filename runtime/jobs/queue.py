"""Which job begins when: by priority and age, as threads and memory allow."""

from __future__ import annotations

import threading
import time
from bisect import insort
from concurrent.futures import ThreadPoolExecutor

from impasto.runtime.errors import ImpastoError, QueueFull

from .job import Job, Order


class Queue:
    """At most ``limit`` jobs that wait, and ``workers`` that run within ``room`` bytes.

    The first that waits begins when it fits beside those that run, or alone: no other before it.
    """

    def __init__(self, workers: int, limit: int, room: int) -> None:
        self._workers, self._limit, self._room = workers, limit, room
        self._executor = ThreadPoolExecutor(workers, "impasto")
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, int, Job]] = []
        self._running: set[Job] = set()
        self._count = 0
        self._closed = False
        self._timer: threading.Timer | None = None
        self._due: float | None = None

    def add(self, order: Order, priority: int) -> Job:
        """A job, which begins at once if it can.

        Raises:
            QueueFull: as many wait as may.
        """
        job = Job(order, self._ahead)
        job.add_done_callback(self._ended)
        with self._lock:
            self.check()
            self._count += 1
            insort(self._waiting, (-priority, self._count, job))
            self._dispatch()
            full = job not in self._running and len(self._left()) > self._limit
        if full:
            job.cancel()
            raise QueueFull(f"{self._limit} jobs wait, and no more may: try again later")
        return job

    def check(self) -> None:
        """See whether it is open."""
        if self._closed:
            raise ImpastoError("these jobs are closed: make new ones")

    def close(self) -> None:
        """No job begins any more."""
        self._closed = True

    def join(self) -> None:
        """Wait for the threads to end, once it is closed."""
        self._executor.shutdown()

    def jobs(self) -> list[Job]:
        """Those that run, then those that wait, in their order."""
        with self._lock:
            return [*self._running, *self._left()]

    def running(self) -> list[Job]:
        """Those that are being painted."""
        with self._lock:
            return [*self._running]

    def waiting(self) -> list[Job]:
        """In their order."""
        with self._lock:
            return self._left()

    def _ahead(self, job: Job) -> int:
        waiting = self.waiting()
        return waiting.index(job) if job in waiting else 0

    def _left(self) -> list[Job]:
        """Those that wait and have not ended; the lock is held."""
        self._waiting = [entry for entry in self._waiting if not entry[2].done()]
        return [job for _, _, job in self._waiting]

    def _dispatch(self) -> None:
        """Let those begin that can; the lock is held."""
        taken = sum(job.memory for job in self._running)
        for job in self._left():
            fits = not self._running or taken + job.memory <= self._room
            if self._closed or len(self._running) == self._workers or not fits:
                break
            self._waiting.pop(0)
            self._running.add(job)
            taken += job.memory
            self._executor.submit(job._paint)
        self._watch()

    def _ended(self, job: Job) -> None:
        with self._lock:
            self._running.discard(job)
            self._dispatch()

    def _watch(self) -> None:
        """Be woken when the time of the next of those that wait is over; the lock is held."""
        due = min((job.due for job in self._left() if job.due is not None), default=None)
        if due == self._due:
            return
        if self._timer:
            self._timer.cancel()
        self._due, self._timer = due, None
        if due is not None:
            self._timer = threading.Timer(max(0.0, due - time.monotonic()), self._expire, [due])
            self._timer.daemon = True
            self._timer.start()

    def _expire(self, due: float) -> None:
        with self._lock:
            if self._due == due:  # else another timer has taken over
                self._due = self._timer = None
        now = time.monotonic()
        for job in self.waiting():
            if job.due is not None and job.due <= now:
                job._expire()
        with self._lock:
            self._watch()
