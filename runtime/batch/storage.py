"""Where pictures are read and written: folders of this machine, or addresses of fsspec."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from impasto.runtime.errors import Field, ImageError, ImpastoError
from impasto.runtime.machine.outputs import check_file, telling, write_file
from impasto.runtime.machine.packages import needed
from impasto.runtime.pictures.sources import Source, opened

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif"}
)
"""Of pictures; other files of a folder are left alone."""
WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss"})
"""Where an object appears whole or not at all; elsewhere a file is written and then named."""
PIECE = 1 << 20
REMOTE = "://"


class Storage(Protocol):
    """Files below a place. Everything raises ImpastoError; ``path`` is whole."""

    local: bool

    def is_folder(self, path: str) -> bool:
        """Whether there are files below it."""

    def exists(self, path: str) -> bool:
        """Whether there is anything."""

    def pictures(self, folder: str, recursive: bool, without: str) -> Iterator[str]:
        """Names of pictures below a folder, with slashes, sorted; not those below ``without``."""

    def source(self, path: str) -> tuple[Source, str]:
        """A picture to read, and SHA-256 of its file."""

    def read(self, path: str) -> bytes:
        """A whole file."""

    def digest(self, path: str) -> str | None:
        """SHA-256 of a file; None: there is none."""

    def prepare(self, path: str, overwrite: bool) -> None:
        """See whether a file can be written, and make its folder."""

    def write(self, path: str, data: bytes, *, overwrite: bool) -> None:
        """Make ``data`` the content of a file, which appears whole or not at all."""


def storage_of(path: str) -> Storage:
    """Where a path leads.

    Raises:
        ImpastoError: it is an address, and fsspec or what it needs is not installed.
    """
    return Remote(path) if REMOTE in path else Local()


def picture_files(path: str, recursive: bool = False, without: str = "") -> list[str]:
    """A picture's path, or those of the pictures in a folder, but for what is below ``without``.

    Raises:
        ImageError: there is nothing, or no picture in it.
    """
    storage = storage_of(path)
    if not storage.is_folder(path):
        check_there(path)
        return [path]
    found = [join(path, name) for name in storage.pictures(path, recursive, without)]
    if not found:
        raise ImageError(f"{path} has no pictures; give another folder")
    return found


def check_there(path: str) -> None:
    """Raise an ImageError if there is nothing at a path."""
    if not storage_of(path).exists(path):
        raise ImageError(f"{path} does not exist; check the path")


def join(folder: str, name: str) -> str:
    """A path below a folder; ``name`` has slashes, or is a path of its own."""
    if REMOTE in name or os.path.isabs(name):
        return name
    if REMOTE in folder:
        return f"{folder.rstrip('/')}/{name}"
    return os.path.join(folder, *name.split("/"))


def whole(path: str) -> str:
    """A path that means the same in another folder."""
    return path if REMOTE in path else os.path.abspath(path)


class Local:
    """Folders of this machine."""

    local = True

    def is_folder(self, path: str) -> bool:
        """See Storage."""
        return os.path.isdir(path)

    def exists(self, path: str) -> bool:
        """See Storage."""
        return os.path.exists(path)

    def pictures(self, folder: str, recursive: bool, without: str) -> Iterator[str]:
        """See Storage. Hidden ones, and folders behind links, are left alone."""
        out = os.path.realpath(without)

        def broken(error: OSError) -> None:
            reason = f"cannot be read ({error.strerror}); check its permissions"
            raise ImageError(f"{error.filename} {reason}")

        for path, folders, files in os.walk(folder, onerror=broken):
            own = (name for name in sorted(folders) if not name.startswith("."))
            wanted = [n for n in own if os.path.realpath(os.path.join(path, n)) != out]
            folders[:] = wanted if recursive else []
            below = os.path.relpath(path, folder)
            for name in sorted(files):
                if _is_picture(name):
                    yield (name if below == os.curdir else os.path.join(below, name)).replace(
                        os.sep, "/"
                    )

    def source(self, path: str) -> tuple[Source, str]:
        """See Storage: the path itself."""
        return path, self._hash(path)

    def read(self, path: str) -> bytes:
        """See Storage."""
        with opened(path, path) as file:
            file.left = 1
            return file.read()

    def digest(self, path: str) -> str | None:
        """See Storage. What is there and no file has none that could be known."""
        if not os.path.lexists(path):
            return None
        try:
            return self._hash(path)
        except ImageError:
            return ""

    def prepare(self, path: str, overwrite: bool) -> None:
        """See Storage."""
        with telling(path):
            os.makedirs(os.path.dirname(path) or os.curdir, exist_ok=True)
        check_file(path, overwrite=overwrite)

    def write(self, path: str, data: bytes, *, overwrite: bool) -> None:
        """See Storage."""
        write_file(path, data, overwrite=overwrite)

    def _hash(self, path: str) -> str:
        digest = hashlib.sha256()
        with opened(path, path) as file:
            file.left = file.length // PIECE + 2
            while piece := file.read(PIECE):
                digest.update(piece)
        return digest.hexdigest()


class Remote:
    """What fsspec has for an address: s3://, gs://, az://, ..."""

    local = False

    def __init__(self, address: str) -> None:
        kind = address.partition(REMOTE)[0]
        mend = f"addresses need fsspec: pip install fsspec, and what it needs for {kind}://"
        fsspec = needed("fsspec", f"{address}: {mend}")
        try:
            self._files: Any = fsspec.filesystem(kind)
        except (ImportError, ValueError) as error:
            raise ImpastoError(f"{address}: {error}") from None
        self._kind = kind

    def is_folder(self, path: str) -> bool:
        """See Storage."""
        with self._telling(path):
            return bool(self._files.isdir(path))

    def exists(self, path: str) -> bool:
        """See Storage."""
        with self._telling(path):
            return bool(self._files.exists(path))

    def pictures(self, folder: str, recursive: bool, without: str) -> Iterator[str]:
        """See Storage."""
        with self._telling(folder):
            depth = {} if recursive else {"maxdepth": 1}
            found = self._files.find(folder, **depth)
            top = self._files._strip_protocol(folder).rstrip("/") + "/"
        out = without.partition(REMOTE)[2].rstrip("/") + "/"
        for path in sorted(found):
            name = path.removeprefix(top)
            hidden = any(part.startswith(".") for part in name.split("/"))
            if _is_picture(name) and not hidden and not path.startswith(out):
                yield name

    def source(self, path: str) -> tuple[Source, str]:
        """See Storage: the bytes."""
        data = self.read(path)
        return data, hashlib.sha256(data).hexdigest()

    def read(self, path: str) -> bytes:
        """See Storage."""
        with self._telling(path):
            return bytes(self._files.cat_file(path))

    def digest(self, path: str) -> str | None:
        """See Storage."""
        with self._telling(path):
            try:
                return hashlib.sha256(self._files.cat_file(path)).hexdigest()
            except FileNotFoundError:
                return None

    def prepare(self, path: str, overwrite: bool) -> None:
        """See Storage: there are no folders."""
        with self._telling(path):
            if not overwrite and self._files.exists(path):
                raise ImageError(f"{path} exists already; pass ", Field("overwrite"))

    def write(self, path: str, data: bytes, *, overwrite: bool) -> None:
        """See Storage."""
        self.prepare(path, overwrite)
        with self._telling(path):
            if self._kind in WHOLE:
                self._files.pipe_file(path, data)
                return
            folder = path.rpartition("/")[0]
            temporary = f"{folder}/.impasto-{secrets.token_hex(8)}.tmp"
            self._files.makedirs(folder, exist_ok=True)
            self._files.pipe_file(temporary, data)
            self._files.mv(temporary, path)

    @contextmanager
    def _telling(self, path: str) -> Iterator[None]:
        """One sentence of what went wrong: its class is anybody's."""
        try:
            yield
        except ImpastoError:
            raise
        except FileNotFoundError:
            raise ImageError(f"{path} does not exist; check the address") from None
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise ImageError(f"{path} cannot be reached ({reason}); try again later") from error


def _is_picture(name: str) -> bool:
    base = name.rpartition("/")[2]
    return not base.startswith(".") and os.path.splitext(base)[1].lower() in SUFFIXES
