"""Workers in processes of their own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from impasto.runtime import Row, Setup
from impasto.runtime.batch.workers.processes import Processes
from impasto.runtime.batch.workers.workers import Done, Progress, Task


@pytest.mark.skipif(sys.platform == "win32", reason="there Ctrl-C is no signal")
def test_no_worker_hears_a_terminals_signal(
    folder: Callable[..., Path], plain: Path, tmp_path: Path
) -> None:
    """Not the first one either: with it multiprocessing's resource tracker is started."""
    picture = str(folder("in", "a.png") / "a.png")
    setup = Setup(model=str(plain), output=str(tmp_path / "out"), machine={"device": "cpu"})
    workers = Processes(setup, 2, threads=1, writer="test")
    try:
        _until(workers, lambda: workers.free == 2)
        for worker in workers._workers:
            for number in (signal.SIGINT, signal.SIGHUP):
                os.kill(worker.process.pid or 0, number)
        rows = [Row(picture, (picture,), f"{n}.png", {"size": 24, "iterations": 1}) for n in "ab"]
        for number, row in enumerate(rows):
            workers.submit(Task(number, row, None))
        done: list[Done] = []
        _until(workers, lambda: len(done) == 2, done)
        assert [event.outcome.status for event in done] == ["painted"] * 2
        assert all(worker.process.is_alive() for worker in workers._workers)
    finally:
        workers.close()


def _until(
    workers: Processes, so: Callable[[], bool], done: list[Done] | None = None, seconds: float = 60
) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        for event in workers.events(0.1):
            if isinstance(event, Progress):  # of what takes longer than it is asked
                continue
            assert isinstance(event, Done), event
            if done is not None:
                done.append(event)
