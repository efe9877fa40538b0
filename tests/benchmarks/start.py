"""From the command to the first iteration, and to the help."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import in_child
from painting import command
from pictures import cut_pair
from settings import Settings

from impasto.runtime import Engine

RUNS = 5


def report(settings: Settings) -> None:
    """Medians of whole commands."""
    size = 64 if settings.small else 256
    until = statistics.median(_first_iteration(size, settings.device) for _ in range(RUNS))
    impasto_help = [sys.executable, "-m", "impasto.cli", "--help"]
    help_ = statistics.median(in_child(impasto_help).seconds for _ in range(RUNS))
    print(f"From the command to the end of the first iteration at {size}x{size}: {until:.2f} s")
    print(f"impasto --help: {help_:.2f} s")
    first, again = _engine(size, settings.device)
    print(
        f"From `stylize` to the first iteration's end: {first:.2f} s, the next time {again:.2f} s"
    )
    print(flush=True)


def _first_iteration(size: int, device: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        content, style = cut_pair(Path(folder), size, size)
        options = {"size": size, "iterations": 1, "device": device}
        words = command(content, style, Path(folder, "out.png"), **options)
        start = time.perf_counter()
        with subprocess.Popen([*words, "--json"], stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()  # the event `start`
            process.stdout.readline()
            seconds = time.perf_counter() - start
            process.stdout.read()
        return seconds


def _engine(size: int, device: str) -> tuple[float, float]:
    """Of an engine's first picture and, as a median, of those of the same size that follow."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine.load("vgg19", device=device)
        style = cut_pair(Path(folder), size, size)[1]
        for n in range(RUNS + 1):
            content = np.random.default_rng(n).random((size, size, 3), np.float32)
            start = time.perf_counter()
            next(iter(engine.start(content, style, size=size)))
            seconds.append(time.perf_counter() - start)
    return seconds[0], statistics.median(seconds[1:])
