"""From the command to the first iteration, and to the help."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import in_child
from painting import command
from pictures import cut_pair
from settings import Settings

RUNS = 5


def report(settings: Settings) -> None:
    """Medians of whole commands."""
    size = 64 if settings.small else 256
    until = statistics.median(_first_iteration(size, settings.device) for _ in range(RUNS))
    impasto_help = [sys.executable, "-m", "impasto.cli.app", "--help"]
    help_ = statistics.median(in_child(impasto_help).seconds for _ in range(RUNS))
    print(f"From the command to the end of the first iteration at {size}x{size}: {until:.2f} s")
    print(f"impasto --help: {help_:.2f} s\n", flush=True)


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
