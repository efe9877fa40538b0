"""Arrays in a temporary file: what a huge picture needs once in an iteration."""

from __future__ import annotations

import errno
import math
import mmap
import os
import shutil
import sys
import tempfile

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.errors import ImpastoError

from .memory import show_bytes


class Scratch:
    """A float32 array of zeros in a file that is gone with it; ``what`` is said if it has no room.

    Raises:
        ImpastoError: it has none.
    """

    def __init__(self, shape: tuple[int, ...], what: str) -> None:
        size = max(4 * math.prod(shape), 1)
        with tempfile.TemporaryFile(dir=_folder()) as file:
            try:
                _reserve(file.fileno(), size)
                self._map = mmap.mmap(file.fileno(), size)
            except OSError as error:  # of the disk, or of addresses
                raise _no_room(size, what, error.strerror) from None
        self.array: NDArray[np.float32] = np.frombuffer(self._map, np.float32, math.prod(shape))
        self.array = self.array.reshape(shape)

    def leave(self) -> None:
        """Give back the memory of the pages that were touched; their content stays in the file."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


def check_room(size: int) -> None:
    """Whether so many bytes have room now, so that it is said before anything is computed.

    Raises:
        ImpastoError: they have none, or there is no folder for temporary files.
    """
    if not size:  # who needs no file may have no folder for one
        return
    free = shutil.disk_usage(_folder()).free
    if size > free:
        raise _no_room(size, "temporary files", f"{show_bytes(free)} are free")


def _folder() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        raise ImpastoError(
            "large pictures need temporary files, and no folder for them can be written: "
            "set TMPDIR to one that can"
        ) from None


def _no_room(size: int, what: str, reason: str | None) -> ImpastoError:
    return ImpastoError(
        f"{_folder()} has no room for {show_bytes(size)} of {what} ({reason}): "
        "set TMPDIR to a folder that has"
    )


def _reserve(descriptor: int, size: int) -> None:
    """Reserve the disk space of the whole file: else a write to the map on a full disk is SIGBUS.

    Raises:
        OSError: there is none.
    """
    if sys.platform == "win32":  # a longer file has its space there
        os.truncate(descriptor, size)
        return
    try:
        os.posix_fallocate(descriptor, 0, size)  # macOS has none
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", errno.EOPNOTSUPP) not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        _fill(descriptor, size)


def _fill(descriptor: int, size: int) -> None:
    """Write zeros, which take the space that a hole does not."""
    zeros = bytes(min(size, 1 << 20))
    with open(descriptor, "wb", buffering=0, closefd=False) as file:
        left = size
        while left > 0:
            left -= file.write(zeros[:left])
