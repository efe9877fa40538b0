"""Nothing on stderr that a reader of pictures has to say: what matters is in an ImageError.

Pillow warns by ``warnings`` and ``logging``, libtiff writes to the process' stderr. Neither is
switched off for others: a warning is dropped only where this thread is reading, and libtiff has no
voice only while somebody here decodes by it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from PIL import _imaging

if TYPE_CHECKING:
    from collections.abc import Iterator

_READERS = ("PIL.", "pi_heif.")


class _Here(threading.local):
    """Whether this thread is reading; a filter of warnings has it as its pattern of modules."""

    depth = 0

    def match(self, module: str) -> bool:
        return self.depth > 0 and module.startswith(_READERS)

    def filter(self, record: logging.LogRecord) -> bool:
        return self.depth == 0


_here = _Here()
_ignored = ("ignore", None, Warning, _here, 0)
logging.getLogger("PIL.TiffImagePlugin").addFilter(_here.filter)


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what Pillow warns of in this thread.

    The filter stays in the list, where it says nothing about other threads: to take it away would
    race with those that save and restore the list.
    """
    filters = cast("list[Any]", warnings.filters)
    if _ignored not in filters[:1]:
        filters.insert(0, _ignored)
    _here.depth += 1
    try:
        yield
    finally:
        _here.depth -= 1


class _LibTIFF:
    """The handlers of messages in the libtiff that Pillow uses, where they can be reached.

    Pillow's wheels for Windows have no way to them.
    """

    def __init__(self) -> None:
        self._setters: list[Any] | None = None
        self._saved: list[int | None] = []
        self.reset()

    def reset(self) -> None:
        """Begin anew: in a process that was forked nobody decodes."""
        self._lock, self._users = threading.Lock(), 0
        self._restore()

    def hush(self) -> None:
        with self._lock:
            if self._setters is None:
                self._setters = _setters()
            if self._users == 0:
                self._saved = [setter(None) for setter in self._setters]
            self._users += 1

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._restore()

    def _restore(self) -> None:
        for setter, handler in zip(self._setters or (), self._saved, strict=False):
            setter(handler)
        self._saved = []


def _setters() -> list[Any]:
    found = []
    try:
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.restype, setter.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            found.append(setter)
    except (AttributeError, OSError):
        return []
    return found


_libtiff = _LibTIFF()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_libtiff.reset)


@contextmanager
def quiet_libtiff() -> Iterator[None]:
    """Drop what libtiff has to say, in all threads."""
    _libtiff.hush()
    try:
        yield
    finally:
        _libtiff.release()
