"""A batch: what it adds to a picture, and how much faster several workers are.

Who paints first is not counted: engines are loaded then, and kernels made.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from measure import print_table
from pictures import cut, cut_pair
from settings import Settings

from impasto.runtime import Batch, Engine, Setup, make_rows, read_manifest

PICTURES, ROUNDS = 4, 3
"""Pictures of each worker that are counted, and times that all are measured, in turns."""
NAMES = ("photo", "chelsea", "astronaut", "coffee", "rocket")


@dataclass(frozen=True)
class Cost:
    """Of one picture: seconds, and seconds of a core in all processes."""

    seconds: float
    cores: float


def report(settings: Settings) -> None:
    """Drafts by ``Engine.stylize`` alone, and by batches of one worker and more, a thread each."""
    cores = psutil.cpu_count(logical=False) or 1
    counts = [1] if settings.on_gpu else sorted({1, 2, cores})
    size = 32 if settings.small else 256
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(Path(folder), size, settings)
        calls: list[Callable[[], Cost]] = [bench.alone]
        calls += [lambda n=n: bench.batch(n) for n in counts]  # type: ignore[misc]
        costs = _in_turns(calls, 1 if settings.small else ROUNDS)
    plain, *batches = costs
    print(f"Drafts of {size} pixels, a thread for each worker:\n")
    rows = [("`Engine.stylize`", *_row(plain, plain, 1))]
    rows += [
        (f"batch, {count} worker{'s' if count > 1 else ''}", *_row(cost, plain, count))
        for count, cost in zip(counts, batches, strict=True)
    ]
    header = "who paints | s a picture | times as fast | s of a core | more than alone"
    print_table(header, rows)


def _row(cost: Cost, plain: Cost, workers: int) -> Sequence[str]:
    more = cost.cores / plain.cores - 1
    speed = plain.seconds / cost.seconds
    return f"{cost.seconds:.2f}", f"{speed:.2f}", f"{cost.cores:.2f}", f"{more:+.1%}"


def _in_turns(calls: Sequence[Callable[[], Cost]], rounds: int) -> list[Cost]:
    """Medians of each."""
    found: list[list[Cost]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, costs in zip(calls, found, strict=True):
            costs.append(call())
    return [
        Cost(
            statistics.median(cost.seconds for cost in costs),
            statistics.median(cost.cores for cost in costs),
        )
        for costs in found
    ]


class _Bench:
    def __init__(self, folder: Path, size: int, settings: Settings) -> None:
        self._folder, self._size = folder, size
        self._machine: dict[str, Any] = {"device": settings.device, "threads": 1}
        self._settings: dict[str, Any] = {"size": size, "quality": "draft"}
        if settings.small:
            self._settings = {"size": size, "iterations": 1}
        self._style = cut_pair(folder, size, size)[1]
        self._number = 0

    def alone(self) -> Cost:
        """One engine, picture by picture, each saved."""
        paths, output = self._pictures(PICTURES + 1)
        engine = Engine.load("vgg19", **self._machine)
        for number, path in enumerate(paths):
            if number == 1:
                started, used = time.perf_counter(), time.process_time()
            result = engine.stylize(path, self._style, **self._settings)
            result.save(output / path.name)
        seconds, cores = time.perf_counter() - started, time.process_time() - used
        return Cost(seconds / PICTURES, cores / PICTURES)

    def batch(self, workers: int) -> Cost:
        """From when each worker has painted one, to the end."""
        paths, output = self._pictures((PICTURES + 1) * workers)
        rows = make_rows(
            [str(path) for path in paths],
            [str(self._style)],
            str(output),
            manifest=read_manifest("vgg19"),
            name="{stem}.png",
            settings=self._settings,
        )
        setup = Setup(model="vgg19", output=str(output), machine=self._machine)
        batch = Batch(rows, setup, workers=workers)
        started = used = now = 0.0
        for number, outcome in enumerate(batch, start=1):
            assert outcome.status == "painted", outcome.error
            now = _cores(batch)
            if number == workers:
                started, used = time.perf_counter(), now
            seconds = time.perf_counter() - started
        count = PICTURES * workers
        return Cost(seconds / count, (now - used) / count)

    def _pictures(self, count: int) -> tuple[list[Path], Path]:
        """Different ones, so that none is known; and a folder for what is painted of them."""
        self._number += 1
        top = self._folder / str(self._number)
        (top / "out").mkdir(parents=True)
        paths = []
        for number in range(count):
            paths.append(top / f"{number}.png")
            picture = cut(NAMES[number % len(NAMES)], self._size, self._size)
            picture.rotate(90 * (number // len(NAMES))).save(paths[-1])
        return paths, top / "out"


def _cores(batch: Batch) -> float:
    """Seconds of a core, of this process and of the workers."""
    found = time.process_time()
    for worker in batch.workers._workers:  # type: ignore[union-attr]
        times = psutil.Process(worker.process.pid).cpu_times()
        found += times.user + times.system
    return found
