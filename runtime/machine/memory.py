"""Memory: how much there is, and how it is written."""

from __future__ import annotations

import math
import re
from pathlib import Path

import psutil

from impasto.runtime.errors import SettingError

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
SHARE = 0.8
"""Of the free memory, what is taken without being asked."""
SURE = 0.95
"""Of an amount that was allowed, what a plan may fill: plans are not exact."""
VARIES = 20_000_000
"""Bytes that another process of the same program may use more."""
CGROUP = Path("/sys/fs/cgroup")


def parse(amount: int | str) -> int:
    """Bytes of ``2GB``, ``1.5 GiB``, ``800M`` or a number.

    Raises:
        SettingError: it is something else, or nothing.
    """
    matched = re.fullmatch(r"(\d+(?:\.\d*)?) *([KMGT]?)(i?)B?", str(amount).strip(), re.IGNORECASE)
    if not matched:
        raise SettingError(f"memory must be a number such as 2GB or 800M, not {amount!r}")
    unit = UNITS[matched[2].upper()]
    if matched[3]:
        unit = {10**3: 2**10, 10**6: 2**20, 10**9: 2**30, 10**12: 2**40}.get(unit, 1)
    return round(float(matched[1]) * unit)


def budget(amount: int | str | None) -> int:
    """Bytes that a run may add: up to an amount for the whole process; None: most of the free."""
    if amount is None:
        return round(SHARE * free())
    return max(0, round(SURE * parse(amount)) - used())


def allowance(added: int) -> str:
    """An amount, in steps of 100 MB, whose ``budget`` has room for so many bytes."""
    return f"{math.ceil((added + used() + VARIES) / SURE / 1e8) / 10:.1f}GB"


def used() -> int:
    """Resident bytes of this process."""
    return int(psutil.Process().memory_info().rss)


def free() -> int:
    """Bytes that can be had without swapping, in this container too."""
    found = int(psutil.virtual_memory().available)
    for limit, current in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            room = int((CGROUP / limit).read_text()) - int((CGROUP / current).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
        found = min(found, max(0, room))
    return found


def show(amount: float) -> str:
    """``1.2 GB``."""
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"
