"""Locks of files, which end with their process however that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SUFFIX = ".lock"


@contextmanager
def locked(folder: str, name: str) -> Iterator[str | None]:
    """Hold a lock in a folder; gives the name of the one in the way, if there is any.

    In the way are the same one, and those of another number of shards: ``lock``, ``lock-1-of-2``.
    """
    path = os.path.join(folder, name + SUFFIX)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _take(descriptor):
            yield name
            return
        yield next((other for other in _others(folder, name) if _is_held(folder, other)), None)
    finally:
        os.close(descriptor)


def _others(folder: str, name: str) -> Iterator[str]:
    """Locks of another number of shards."""
    count = name.rpartition("-of-")[2]
    for file in sorted(os.listdir(folder)):
        other = file.removesuffix(SUFFIX)
        if file.endswith(SUFFIX) and other.rpartition("-of-")[2] != count:
            yield other


def _is_held(folder: str, name: str) -> bool:
    try:
        descriptor = os.open(os.path.join(folder, name + SUFFIX), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _take(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    """Whether the lock was free; where the system or its disk has none, it is."""
    try:
        import fcntl
    except ImportError:  # Windows
        return _take_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _take_on_windows(descriptor: int) -> bool:
    import importlib

    msvcrt = importlib.import_module("msvcrt")
    with suppress(OSError):
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        return True
    return False
