"""One picture that is to be painted: it waits, it is painted, it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from functools import partial
from traceback import clear_frames
from typing import Any, Literal

from PIL import Image

from impasto.runtime.errors import CheckpointError, DeadlineError, ImpastoError, SettingError
from impasto.runtime.pictures.image import Picture
from impasto.runtime.planning.plan import Plan
from impasto.runtime.results.result import Result, Step
from impasto.runtime.run import Run

_log = logging.getLogger(__name__)

Status = Literal["queued", "running", "done", "failed", "cancelled"]
"""Waiting; being painted; has a result, if only of what was painted before it was ended; has an
error; was taken out of the queue, or suspended."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a job is told when it is made."""

    plan: Plan
    memory: int
    """Bytes that it needs while it runs."""
    begin: Callable[[], Run]
    deadline: float | None
    """Seconds from its start."""
    within: float | None
    """Seconds from when it was made."""
    on_step: Callable[[Step], object] | None
    checkpoint: str | None
    checkpoint_every: float
    notes: dict[str, str]


class Job:
    """A picture that ``Jobs`` paints. Every thread may ask it; ``await`` gives its result."""

    def __init__(self, order: Order, ahead: Callable[[Job], int]) -> None:
        """``ahead`` counts the jobs that come before one."""
        self._order: Order | None = order
        self._plan, self._memory = order.plan, order.memory
        self._keeps = order.checkpoint is not None
        self._ahead = ahead
        self.due: float | None = None if order.within is None else time.monotonic() + order.within
        """When it must have ended, by ``time.monotonic``."""
        self._future: Future[Result] = Future()
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._saved = 0.0
        self._started = self._ending = self._suspending = self._taken_out = False
        self._step: Step | None = None
        self._process = os.getpid()

    @property
    def plan(self) -> Plan:
        """What it does."""
        return self._plan

    @property
    def memory(self) -> int:
        """Bytes that it needs while it runs."""
        return self._memory

    @property
    def keeps(self) -> bool:
        """Whether it has a checkpoint."""
        return self._keeps

    @property
    def status(self) -> Status:
        """Where it is."""
        if self._future.cancelled():
            return "cancelled"
        if self._future.done():
            return "failed" if self._future.exception() else "done"
        return "running" if self._started else "queued"

    @property
    def ahead(self) -> int:
        """How many jobs of the queue come before it; 0: it is next, or waits no more."""
        return self._ahead(self)

    def done(self) -> bool:
        """Whether it has ended, however."""
        return self._future.done()

    def progress(self) -> Step | None:
        """The last iteration; None before the first one."""
        return self._step

    def snapshot(self) -> Image.Image | None:
        """The picture now, RGB with 8 bits a channel; None before it is being painted."""
        if self._future.done() and not self._future.cancelled() and not self._future.exception():
            return self._future.result().to_pil()
        run = self._run
        return None if run is None else run.to_pil()

    def cancel(self) -> bool:
        """End it: within an evaluation, or a tile of one, with what was painted as the result.

        One that waits is taken out, and has no result. False: it had ended.
        """
        with self._lock:
            self._ending, waits, run = True, not self._started, self._run
        if waits:
            self._take_out()
            return self._future.cancelled()
        if run is not None:
            run.cancel()
        return not self._future.done()

    def suspend(self) -> bool:
        """End it so that ``Jobs.resume`` can go on: its checkpoint is written first.

        It has no result then. One that waits is taken out. False: it had ended.

        Raises:
            SettingError: it was made without ``checkpoint``.
        """
        if not self._keeps:
            raise SettingError("checkpoint", None, "name a file when the job is made")
        self._suspending = True
        return self.cancel()

    def result(self, timeout: float | None = None) -> Result:
        """What was painted; waits for it, at most so many seconds.

        Raises:
            TimeoutError: it has not ended by then.
            concurrent.futures.CancelledError: it was taken out of the queue, or suspended.
            DeadlineError: its time was over before it began.
            ImpastoError: what it ended in.
        """
        self._check_process()
        return self._future.result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What it ended in, or None; waits and raises as ``result`` does."""
        self._check_process()
        return self._future.exception(timeout)

    def add_done_callback(self, function: Callable[[Job], object]) -> None:
        """Call ``function(job)`` when it has ended, in the thread that ended it; or now."""
        self._future.add_done_callback(lambda _: function(self))

    def __await__(self) -> Generator[Any, None, Result]:
        """``await job``: its result. Who is cancelled while waiting cancels the job."""
        return self._awaited().__await__()

    async def _awaited(self) -> Result:
        try:
            return await asyncio.shield(asyncio.wrap_future(self._future))
        except asyncio.CancelledError:
            self.cancel()
            raise

    def _paint(self) -> None:
        """Paint it, in a thread of the pool."""
        with self._lock:
            order, self._order = self._order, None
            if order is None or self._ending:
                return
            self._started = True
        try:
            result = self._painted(order)
        except CancelledError:
            self._forget()
            self._take_out()
        except BaseException as error:
            order = None  # the error has a traceback, whose frames hold what the run held
            self._forget()
            clear_frames(error.__traceback__)
            self._future.set_exception(error)
        else:
            self._forget(result.image)
            self._future.set_result(result)

    def _forget(self, image: Picture | None = None) -> None:
        """Hold the last step's picture instead of the run, which holds all that it worked with."""
        run, self._run = self._run, None
        if run is not None and self._step is not None:
            last = run.image if image is None else image
            self._step = replace(self._step, _image=lambda: last)

    def _painted(self, order: Order) -> Result:
        run = order.begin()
        with self._lock:
            self._run = run
            if self._ending:
                run.cancel()
        self._saved = time.monotonic()
        # No function within this one: frames of an error keep those, with all that they refer to.
        on_step = partial(self._on_step, order, run)
        result = run.finish(on_step=on_step, deadline=self._seconds(order))
        if self._suspending and order.checkpoint and result.stopped == "cancelled":
            run.save(order.checkpoint, notes=order.notes)
            raise CancelledError
        return result

    def _on_step(self, order: Order, run: Run, step: Step) -> None:
        self._step = step
        if order.on_step:
            order.on_step(step)
        if order.checkpoint and time.monotonic() - self._saved >= order.checkpoint_every:
            try:
                run.save(order.checkpoint, notes=order.notes)
            except CheckpointError as error:  # the picture is worth more
                _log.warning("%s", error)
            self._saved = time.monotonic()

    def _seconds(self, order: Order) -> float | None:
        """What is left of its time."""
        limits = [] if order.deadline is None else [order.deadline]
        if self.due is not None:
            limits.append(max(0.0, self.due - time.monotonic()))
        return min(limits, default=None)

    def _expire(self) -> None:
        """If it waits, it has waited in vain."""
        with self._lock:
            order, self._order = self._order, None
        if order is not None and not self._future.done():
            self._future.set_exception(
                DeadlineError(
                    f"the job was to end within {order.within:g} s, and had not begun: give it "
                    "more time, or a higher priority"
                )
            )

    def _take_out(self) -> None:
        """No result comes; both calls are needed for ``concurrent.futures.wait`` to see it."""
        with self._lock:
            first, self._taken_out = not self._taken_out, True
        if first and self._future.cancel():
            self._future.set_running_or_notify_cancel()

    def _check_process(self) -> None:
        if os.getpid() != self._process and not self._future.done():
            raise ImpastoError(
                "the job belongs to the process that this one was forked from, which paints it: "
                "ask there"
            )
