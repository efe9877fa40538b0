"""What was used of late and may be used again, within a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any


class Cache:
    """Values with sizes; the one that was not used for longest goes first. Safe between threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Bytes."""
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes held."""
        with self._lock:
            return self._held()

    def get(self, key: Hashable) -> Any:
        """The value, or None."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep it, if it has room at all."""
        with self._lock:
            self._entries.pop(key, None)
            if size <= self.limit:
                self._entries[key] = (value, size)
            dropped = self._shrink(self.limit)
        del dropped  # to close sessions takes a while

    def release(self, size: int) -> None:
        """Drop what holds so many bytes, or all."""
        with self._lock:
            dropped = self._shrink(max(0, self._held() - size))
        del dropped

    def renew_lock(self) -> None:
        """After a fork: another thread may have held it."""
        self._lock = threading.Lock()

    def _held(self) -> int:
        return sum(size for _, size in self._entries.values())

    def _shrink(self, limit: int) -> list[Any]:
        dropped = []
        held = self._held()
        while held > limit:
            _, entry = self._entries.popitem(last=False)
            held -= entry[1]
            dropped.append(entry)
        return dropped
