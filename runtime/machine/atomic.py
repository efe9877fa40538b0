"""Files that appear whole or not at all.

The bytes go to a temporary file in the same folder and reach the disk before the file gets its
name. Everything here raises OSError and leaves nothing behind when it does.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress


def write_atomically(path: str, data: bytes, *, overwrite: bool) -> None:
    """Make ``data`` the content of ``path``.

    Without ``overwrite`` an existing ``path`` is a FileExistsError, even one that another process
    creates in the meantime.
    """
    folder = os.path.dirname(path) or os.curdir
    temporary = _temporary_name(folder)
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, path)
        else:
            _take_free_name(temporary, path)
    finally:
        with suppress(OSError):  # gone if it was renamed
            os.unlink(temporary)
    _sync_folder(folder)


def probe_folder(folder: str) -> None:
    """Create a file in ``folder`` and delete it: permission bits alone do not tell."""
    temporary = _temporary_name(folder)
    with open(temporary, "xb"):
        pass
    os.unlink(temporary)


def _temporary_name(folder: str) -> str:
    return os.path.join(folder, f".impasto-{secrets.token_hex(8)}.tmp")


def _take_free_name(temporary: str, path: str) -> None:
    """Name the file ``temporary`` ``path`` unless that is taken, which os.replace would ignore."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # no hard links here, as on FAT: take the name with an empty file
        with open(path, "xb"):
            pass
        try:
            os.replace(temporary, path)
        except BaseException:
            os.unlink(path)
            raise


def _sync_folder(folder: str) -> None:
    """Make the new name durable where the system can; the file is whole either way."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
