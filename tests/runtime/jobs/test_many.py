"""Hundreds of jobs, whatever becomes of them, leave a process as it was."""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from numpy.typing import NDArray

from impasto.runtime import Engine, ImpastoError, Job, Jobs, QueueFull
from impasto.runtime.machine.memory import trim

PLAIN = Path(__file__).parents[2] / "data" / "plain"
GROWTH = 8_000_000
"""Bytes that a process may grow by after it is warm: the allocator's, not ours."""


def used() -> tuple[int, int, int]:
    """Resident bytes, open files and threads."""
    gc.collect()
    trim()
    process = psutil.Process()
    end = time.monotonic() + 10
    while threading.active_count() > 3 and time.monotonic() < end:  # timers that were cancelled
        time.sleep(0.01)
    return process.memory_info().rss, process.num_fds(), process.num_threads()


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.soak)])
def test_memory_files_and_threads_stay(count: int, photo: Callable[..., NDArray[Any]]) -> None:
    engine, chance = Engine.load(PLAIN, device="cpu", threads=1), random.Random(0)
    pictures = photo("chelsea", 48, 60), photo("coffee", 48, 60)
    kept: list[Job] = []
    ended = {"done": 0, "failed": 0, "cancelled": 0, "full": 0}

    def fail(step: object) -> None:
        raise ValueError

    def settle() -> tuple[int, int, int]:
        """What is used once all have ended, and nobody keeps one: a job has its last picture."""
        jobs.wait()
        for job in kept:
            ended[job.status] += 1
            if job.status == "failed":
                assert isinstance(job.exception(), ValueError | ImpastoError)
        kept.clear()
        return used()

    with Jobs(engine, workers=2, queue=8) as jobs:
        for number in range(count):
            if number == count // 4:
                warm = settle()  # with two threads of the pool
            kind = chance.randrange(8)
            try:
                job = jobs.submit(
                    *pictures,
                    size=chance.choice([16, 24, 40, 60]),
                    iterations=50 if kind == 0 else 1,
                    optimizer=chance.choice(["lbfgs", "adam"]),
                    within=0.01 if kind == 1 else 60,
                    on_step=fail if kind == 2 else None,
                    seed=number,
                )
            except QueueFull:
                ended["full"] += 1
                jobs.wait()
                continue
            if kind == 0 or kind == 3:
                job.cancel()
            kept.append(job)
            del job
        memory, files, threads = settle()
    assert min(ended.values()) > 0
    assert files <= warm[1]
    assert threads <= warm[2]
    assert memory <= warm[0] + GROWTH
