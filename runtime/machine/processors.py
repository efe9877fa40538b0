"""How many processors a process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil

from .cgroups import OWN, ROOT, groups, number

TOPOLOGY = Path("/sys/devices/system/cpu")


def default_threads(root: Path = ROOT, own: Path = OWN, topology: Path = TOPOLOGY) -> int:
    """One for each physical core that affinity and the container's quota leave, at least 1.

    ONNX Runtime's own default is one for each core of the machine, and it binds them to
    processors that this process may be kept from; with a number it binds none.
    """
    found = float(_cores(topology))
    for group in groups("cpu", root, own):
        found = min(found, _quota(group))
    return max(1, math.ceil(found))


def _cores(topology: Path) -> int:
    """Physical ones with a processor that may be used."""
    if not hasattr(os, "sched_getaffinity"):
        return psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    siblings = set()
    for processor in allowed:
        path = topology / f"cpu{processor}" / "topology" / "thread_siblings_list"
        try:
            siblings.add(path.read_text().strip())
        except OSError:
            siblings.add(str(processor))
    return len(siblings)


def _quota(group: Path) -> float:
    """Processors' worth of time that a control group may take."""
    try:
        text, _, period = (group / "cpu.max").read_text().partition(" ")
        quota: int | None = int(text)  # it may be "max"
        length: int | None = int(period or 100_000)
    except (OSError, ValueError):
        quota = number(group / "cpu.cfs_quota_us")  # -1: none
        length = number(group / "cpu.cfs_period_us")
    return quota / length if quota and length and quota > 0 else math.inf
