"""Files that appear whole or not at all.

The bytes go to a temporary file in the same folder and reach the disk before the file gets its
name. Everything here raises OSError and leaves nothing behind when it does; ``refusal`` says what
to do about it.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from impasto.runtime.errors import Field

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_FULL = "does not fit on its disk; free some space or choose another folder"
_LOCKED = "is in a folder that may not be written to; choose another or change its permissions"
_REFUSALS = {
    errno.EISDIR: "is a folder; give the name of a file to write",
    errno.ENODEV: "is a pipe or device; give the name of a file to write",
    errno.ENOTDIR: "leads to a folder that does not exist; create it first",
    errno.ELOOP: "is a link that leads back to itself; remove it or choose another name",
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _LOCKED,
    errno.EPERM: _LOCKED,
    errno.EROFS: _LOCKED,
}


class ReadOnlyFileError(PermissionError):
    """A file that is there and may not be replaced."""


def refusal(error: Exception) -> tuple[str | Field, ...]:
    """What is wrong with a file, and the mend, to follow its name in a sentence."""
    if getattr(error, "errno", 0) == errno.EEXIST:
        return "exists already; pass ", Field("overwrite"), " to replace it"
    return (_reason(error),)


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, says that a disk is full."""
    while error is not None:
        if getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def _reason(error: Exception) -> str:
    if isinstance(error, ReadOnlyFileError):
        return "is read-only; change its permissions or choose another name"
    reason = getattr(error, "strerror", None) or str(error)
    otherwise = f"cannot be written ({reason}); choose another place or name"
    return _REFUSALS.get(getattr(error, "errno", 0), otherwise)


def write_atomically(path: str, data: bytes, *, overwrite: bool) -> None:
    """Make ``data`` the content of ``path``, as ``writing`` does."""
    with writing(path, overwrite=overwrite) as file:
        file.write(data)


@contextmanager
def writing(path: str, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Open a file to be written, which becomes ``path`` at the end of the ``with``.

    Nothing changes if that ends in an exception. A link is followed: what it leads to is replaced.
    A file that is replaced passes on its mode and, where possible, its owner. Without ``overwrite``
    an existing ``path`` is a FileExistsError, even one that another process creates meanwhile.
    """
    target = find_target(path, overwrite=overwrite)
    folder = os.path.dirname(target) or os.curdir
    temporary = _temporary_name(folder)
    try:
        with _created(temporary, target) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, target)
        else:
            _take_free_name(temporary, target)
    finally:
        with suppress(OSError):  # gone if it was renamed
            os.unlink(temporary)
    _sync_folder(folder)


def find_target(path: str, *, overwrite: bool) -> str:
    """Follow ``path`` to the file that writing to it makes or replaces.

    Raises OSError if that must not be: it exists, is no file, or may not be written to. Root may
    write to anything, but not to a file that nobody may write to.
    """
    try:
        os.lstat(path)
    except FileNotFoundError:
        return path
    if not overwrite:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:  # a link to what is not there yet
        target = os.path.realpath(path)
        if not os.path.isdir(os.path.dirname(target)):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        return target
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    if not mode & 0o222 or not os.access(path, os.W_OK):
        raise ReadOnlyFileError(errno.EACCES, os.strerror(errno.EACCES))
    return os.path.realpath(path) if os.path.islink(path) else path


def _created(temporary: str, target: str) -> IO[bytes]:
    """Create a file with the owner and mode of ``target``, or those that new files have."""
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return open(temporary, "xb")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(temporary, flags, 0o600), "wb")
    try:
        with suppress(OSError, AttributeError):  # only root may give files away; Windows cannot
            os.chown(temporary, old.st_uid, old.st_gid)
        os.chmod(temporary, stat.S_IMODE(old.st_mode))  # after chown, which clears bits of it
    except BaseException:
        file.close()
        raise
    return file


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
