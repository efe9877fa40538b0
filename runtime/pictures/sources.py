"""Where a picture comes from: the kinds of source, and the file that is in one."""

from __future__ import annotations

import io
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.runtime.errors import ImageError
from impasto.runtime.machine.memory import show_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

LONGEST = 256_000_000
"""Bytes of a file object that are read: it is held in memory, as a path's file is not."""
PIECES = "{} is in more pieces than a picture needs; save it again without metadata"
PIECE = 1 << 20
"""Bytes of a file object that are asked for at once."""


class Stream(Protocol):
    """A binary file object: an open file, ``io.BytesIO``, ``sys.stdin.buffer``, a response."""

    def read(self, size: int, /) -> bytes:
        """Give the next bytes, at most so many; none at the end."""
        ...


Source: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | Stream
    | Image.Image
    | NDArray[np.uint8]
    | NDArray[np.floating[Any]]
)
"""A picture: a path, the bytes of a file, a file object, a Pillow image, or an array, (height,
width, 3) or (height, width), of uint8 or of floats from 0 to 1."""


def held(source: Source, name: str) -> Source:
    """``source`` so that it can be read again: of a file object its bytes, from its beginning.

    Raises:
        ImageError: it gives no bytes, or more than ``LONGEST``.
    """
    if not hasattr(source, "read") or isinstance(source, Image.Image):
        return source
    stream: Any = source
    pieces, length = [], 0
    try:
        if hasattr(stream, "seekable") and stream.seekable():
            stream.seek(0)
        while piece := stream.read(PIECE):
            if not isinstance(piece, bytes):
                kind = type(piece).__name__
                raise ImageError(f"{name} gives {kind} rather than bytes; open it with mode 'rb'")
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST:
                raise ImageError(
                    f"{name} is a file object of more than {show_bytes(LONGEST)}; save it, and "
                    "give the path"
                )
    except ImageError:
        raise
    except Exception as error:  # it is anybody's
        reason = str(error) or type(error).__name__
        raise ImageError(f"{name} cannot be read ({reason}); check its source") from error
    return b"".join(pieces)


@contextmanager
def opened(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview, name: str
) -> Iterator[Bounded]:
    """The file in ``source``.

    Raises:
        ImageError: there is none, or it cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        with _open_path(source, name) as file:
            yield Bounded(file, name)
    elif len(source):
        yield Bounded(io.BytesIO(source), name)
    else:
        raise ImageError(f"{name} is empty; give the bytes of a picture's file")


def _open_path(path: str | os.PathLike[str], name: str) -> IO[bytes]:
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{name} is a folder; give the path of a picture in it")
        if not stat.S_ISREG(status.st_mode):  # to open a pipe could wait for ever
            raise ImageError(f"{name} is a pipe or device; save the picture to a file first")
        if status.st_size == 0:
            raise ImageError(f"{name} is empty; save or download it again")
        return open(path, "rb")
    except FileNotFoundError as error:
        mend = "nothing is downloaded; save it first" if "://" in name else "check the path"
        raise ImageError(f"{name} does not exist; {mend}") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(
            f"{name} cannot be opened ({reason}); check path and permissions"
        ) from error


class Bounded:
    """A file that can be read so many times, since parsers spend time on every little piece.

    ``read`` raises ImageError, with ``name`` in it, when ``left`` is used up; ``length`` is that of
    the file.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file, self._name = file, name
        self.left = 0
        self.length = file.seek(0, os.SEEK_END)
        file.seek(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1, /) -> bytes:
        """As of any file."""
        self.left -= 1
        if self.left < 0:
            raise ImageError(PIECES.format(self._name))
        return self._file.read(size)
