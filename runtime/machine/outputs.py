"""Files that are left behind: whether one can be written, in a sentence, and writing it whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from impasto.runtime.errors import ImageError

from .atomic import find_target, probe_folder, refusal, write_atomically


def check_file(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """See whether a file can be written, as far as can be told before.

    Raises:
        ImageError: it exists and must not be replaced, its folder is missing or closed to us.
    """
    name = os.fspath(path)
    folder, base = os.path.split(name)
    with telling(name):
        if os.path.isdir(name):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.path.isdir(folder or os.curdir):
            raise ImageError(f"there is no folder {folder} to write {base} into; create it first")
        target = find_target(name, overwrite=overwrite)
        probe_folder(os.path.dirname(target) or os.curdir)


def write_file(path: str | os.PathLike[str], data: bytes, *, overwrite: bool = False) -> None:
    """Write a file, which appears whole or not at all.

    Raises:
        ImageError: as ``check_file``, or the disk is full.
    """
    name = os.fspath(path)
    with telling(name):
        write_atomically(name, data, overwrite=overwrite)


@contextmanager
def telling(name: str) -> Iterator[None]:
    """Turn what the system refuses into one sentence about ``name``."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{name} ", *refusal(error)) from error
    except TypeError as error:
        raise ImageError(f"{name} cannot be written ({error}); open the file as binary") from error
