"""How everything is measured: in turns, or in a process of its own. Linux alone.

The machine is shared: ratios of medians of what was measured in turns are what counts.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROUNDS = 7
POLL = 0.01  # seconds


class FailedError(Exception):
    """A child process that failed."""


@dataclass(frozen=True)
class Finished:
    """A child process that has ended. Memory in bytes; on the GPU: above what was taken before."""

    seconds: float
    peak: int
    gpu_peak: int
    output: str


def in_turns(calls: Sequence[Callable[[], Any]], rounds: int = ROUNDS) -> list[float]:
    """Median seconds of each."""
    seconds: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for call, found in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            if turn:  # the first is for warming up
                found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in seconds]


def in_child(command: Sequence[str], gpu: bool = False) -> Finished:
    """Run a program to its end, and look at its memory all the time.

    The peak is the kernel's own, VmHWM, as it was last seen. getrusage's would count the parent's
    memory too, up to exec.

    Raises:
        FailedError: its exit code is not 0.
    """
    peak, gpu_before = 0, gpu_memory() if gpu else 0
    gpu_peak = gpu_before
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        while process.poll() is None:
            peak = _peak(process.pid) or peak  # one that is ending has none
            gpu_peak = max(gpu_peak, gpu_memory() if gpu else 0)
            time.sleep(POLL)
        seconds = time.perf_counter() - start
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            said = errors.read().strip().splitlines() or ["nothing"]
            raise FailedError(f"{' '.join(command)}: code {process.returncode}, said {said[-1]}")
        return Finished(seconds, peak, gpu_peak - gpu_before, output.read())


def gpu_memory() -> int:
    """Bytes in use on the first GPU, by whomever: the others must be quiet."""
    query = ["nvidia-smi", "-i", "0", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(query, capture_output=True, text=True, check=True).stdout) << 20


def free_memory() -> int:
    """Bytes that the kernel says can be had without swapping."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "MemAvailable" in line) * 1024


def print_table(header: str, rows: Iterable[Sequence[object]]) -> None:
    """In Markdown, every row as soon as there is one; numbers come as text."""
    print(f"| {header} |")
    print("|" + "---|" * (header.count("|") + 1))
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    print(flush=True)


def _peak(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if "VmHWM" in line), 0)
