"""Memory: how much there is, and how it is written."""

from __future__ import annotations

import math
import os
import re
import threading
import weakref
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from impasto.runtime.errors import SettingError

from .cgroups import OWN, ROOT, entries, groups, number

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
SHARE = 0.8
"""Of the free memory, what is taken without being asked."""
SURE = 0.95
"""Of an amount that was allowed, what a plan may fill: plans are not exact."""
LESS_SURE = 0.8
"""The same where freed memory does not go back: up to 1.3 times as much was seen without it."""
VARIES = 20_000_000
"""Bytes that another process of the same program may use more."""


def parse(amount: int | str) -> int:
    """Bytes of ``2GB``, ``1.5 GiB``, ``800M`` or a number.

    Raises:
        SettingError: it is something else, or nothing.
    """
    matched = re.fullmatch(r"(\d+(?:\.\d*)?) *([KMGT]?)(i?)B?", str(amount).strip(), re.IGNORECASE)
    if not matched:
        raise SettingError("memory", amount, "give a number such as 2GB or 800M")
    unit = UNITS[matched[2].upper()]
    if matched[3]:
        unit = {10**3: 2**10, 10**6: 2**20, 10**9: 2**30, 10**12: 2**40}.get(unit, 1)
    return round(float(matched[1]) * unit)


def budget(amount: int | str | None) -> int:
    """Bytes that a run may add: up to an amount for the whole process; None: most of the free.

    What other runs have reserved and not yet taken is not free. ``planning`` keeps it so until the
    run has reserved what it needs.

    Raises:
        SettingError: the amount is none, or more than there is.
    """
    if amount is None:
        return max(0, round(SHARE * (free() - ledger.outstanding())))
    allowed, there_is = parse(amount), total()
    if allowed > there_is:
        raise SettingError("memory", amount, f"there are {show_bytes(there_is)} here: give less")
    return max(0, round(_sure() * allowed) - used() - ledger.outstanding())


def allowance(added: int) -> str:
    """The least amount, in steps of 100 MB, whose ``budget`` is at least ``added`` bytes."""
    needed = added + used() + ledger.outstanding() + VARIES
    return f"{math.ceil(needed / _sure() / 1e8) / 10:.1f}GB"


def _sure() -> float:
    return SURE if _malloc_trim() else LESS_SURE


def trim() -> None:
    """Let the C library return what was freed, such as what it took to open a graph."""
    if function := _malloc_trim():
        function(0)


def caveat() -> str:
    """Why what is expected of memory is less certain on this system; empty: it is not."""
    if _malloc_trim():
        return ""
    return "less certain on this system, which may keep what was freed"


@cache
def _malloc_trim() -> Callable[[int], Any] | None:
    """Of glibc; macOS, Windows and musl have none."""
    import ctypes

    with suppress(AttributeError, OSError, TypeError):
        function: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
        return function
    return None


def used() -> int:
    """Resident bytes of this process."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def free(root: Path = ROOT, own: Path = OWN) -> int:
    """Bytes that can be had without swapping, in this container too.

    What a container has cached of files counts as taken there, but is given up when needed.
    """
    import psutil

    found = int(psutil.virtual_memory().available)
    for group in groups("memory", root, own):
        for current, cached, limits in _FILES:
            held = number(group / current)
            limit = _limit(group, limits)
            if held is not None and limit is not None:
                cache = int(entries(group / "memory.stat").get(cached, "0"))
                found = min(found, max(0, limit - held + cache))
    return found


def total(root: Path = ROOT, own: Path = OWN) -> int:
    """Bytes that the machine has, or this container may have."""
    import psutil

    found = int(psutil.virtual_memory().total)
    for group in groups("memory", root, own):
        for _, _, limits in _FILES:
            found = min(found, _limit(group, limits) or found)
    return found


_FILES = (  # of versions 2 and 1: what is held, what of it is cache, and what may be
    ("memory.current", "inactive_file", ("memory.max", "memory.high")),
    ("memory.usage_in_bytes", "total_inactive_file", ("memory.limit_in_bytes",)),
)


def _limit(group: Path, names: tuple[str, ...]) -> int | None:
    found = [limit for name in names if (limit := number(group / name)) is not None]
    return min(found, default=None)


class Reservation:
    """Bytes that a run will take, until ``release``, the end of a ``with``, or its own end."""

    def __init__(self, ledger: Ledger, size: int) -> None:
        self._release = weakref.finalize(self, ledger.release, id(self))
        self._release.atexit = False
        ledger.hold(id(self), size)

    def release(self) -> None:
        """What is not taken by now is free for others; again is no harm."""
        self._release()

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Ledger:
    """What the runs of this process have reserved."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all runs: in a process that was forked there are none, and no lock is held."""
        self._held: dict[int, int] = {}
        self._before = 0
        # a run may plan while the same thread has it
        self.lock: AbstractContextManager[object] = threading.RLock()

    def hold(self, key: int, size: int) -> None:
        """Reserve."""
        with self.lock:
            if not self._held:
                self._before = used()
            self._held[key] = size

    def release(self, key: int) -> None:
        """Give back; without the lock, since a collection may come at any time."""
        self._held.pop(key, None)

    def outstanding(self) -> int:
        """Bytes that are reserved and not yet taken.

        What the process has more than before the first of these runs is what they took.
        """
        with self.lock:
            reserved = sum(list(self._held.values()))
            if not reserved:
                return 0
            now = used()
            self._before = min(self._before, now)
            return max(0, self._before + reserved - now)


ledger: Ledger = Ledger()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ledger.clear)


def reserve(size: int) -> Reservation:
    """Keep so many bytes from the ``budget`` of other runs in this process."""
    return Reservation(ledger, size)


def planning() -> AbstractContextManager[object]:
    """While this is entered no other thread plans: from ``budget`` to ``reserve``."""
    return ledger.lock


def show_bytes(amount: float) -> str:
    """``1.2 GB``."""
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"
