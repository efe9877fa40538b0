"""Pictures in, pictures out, and the shapes between: the one place to get pictures from.

A picture is a (height, width, 3) float32 array, RGB in [0, 1]; a tensor is the same thing as
(1, 3, height, width). Bad pictures, and bad places to write to, end in ImageError and nothing else.

What is decoded keeps 8 or 16 bits a sample; float32 is made of a band of rows at a time, and where
a smaller size is enough, no more of it is ever held.
"""

from __future__ import annotations

import logging
import math
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.runtime.errors import Field, ImageError, ImpastoError
from impasto.runtime.machine.memory import allowance, show_bytes

from .arrays import Given
from .formats.decode import open_header, stored
from .formats.stored import Shown, Stored, turned
from .quiet import quiet
from .shapes import (
    BAND,
    MIN_SIDE,
    assemble,
    from_tensor,
    middle,
    padded_size,
    resample,
    resize,
    to_tensor,
)
from .sources import Source, Stream, held, opened
from .writing.embedded import texts_of
from .writing.encode import check_output, write_image

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MAX_PIXELS",
    "MIN_SIDE",
    "Picture",
    "Source",
    "Stream",
    "check_output",
    "from_tensor",
    "held",
    "middle",
    "padded_size",
    "picture_size",
    "read_picture",
    "read_texts",
    "reading_memory",
    "resample",
    "resize",
    "to_tensor",
    "write_image",
]

Picture: TypeAlias = NDArray[np.float32]
"""(height, width, 3), RGB in [0, 1]."""

MAX_PIXELS = 100_000_000

_WORKING = 100
"""Bytes for each pixel of a band."""

_log = logging.getLogger(__name__)


def picture_size(
    source: Source,
    *,
    name: str = "",
    max_pixels: int = MAX_PIXELS,
    memory: float = math.inf,
    least: tuple[int, int] = (MIN_SIDE, MIN_SIDE),
) -> tuple[int, int]:
    """(height, width) that ``read_picture`` will give of ``source``, from its header alone.

    No side may be below ``least``. Raises ImageError as ``read_picture`` does, for all that can be
    told without decoding.
    """
    with _opened(source, name, max_pixels, memory) as picture:
        _check_side(picture, least)
        return picture.size


def read_picture(
    source: Source,
    *,
    name: str = "",
    max_pixels: int = MAX_PIXELS,
    within: tuple[int, int] | None = None,
    memory: float = math.inf,
    least: tuple[int, int] = (MIN_SIDE, MIN_SIDE),
    shown: Shown = "white",
) -> NDArray[np.float32]:
    """Read ``source`` as (height, width, 3) float32 RGB in [0, 1], C-contiguous.

    ``source`` is the path, the bytes or a file object of a picture (PNG, JPEG, WebP, TIFF, BMP,
    GIF, PPM, AVIF, and HEIC where pi-heif is installed), a Pillow image, or an array: (height,
    width, 3) or gray (height, width), uint8 or floats in [0, 1]. ``name`` is what errors call it,
    unless it is a path. A file object that can seek is read from its beginning.

    The EXIF orientation and an embedded colour profile are applied, or what a PNG says of its
    colours instead; transparency is laid on white (``shown``: "stored" leaves colours as they are,
    "opacity" gives how opaque it is instead of them), and of several pictures in a file the first
    one, or HEIC's primary one, is read. Gray and RGB of 16 bits keep all of them, but 8 where their
    profile consists of tables; CMYK, and a Pillow image that is loaded, have what Pillow left.

    A picture with a side below ``least``, of more than ``max_pixels``, or that takes more than
    ``memory`` bytes to read, is refused before it is decoded. One that is higher or wider than
    ``within``, (height, width), comes in exactly that size, as ``resize`` would make it of the
    whole; a JPEG of more than twice that size, of what libjpeg makes at 1/2, 1/4 or 1/8.

    Raises ImageError for everything that is not such a picture.
    """
    with _opened(source, name, max_pixels, memory) as picture:
        _check_side(picture, least)
        size, peak = _reduced(picture, within)
        if peak > memory:
            raise ImageError(
                f"{picture.name} takes {show_bytes(peak)} to read, and {show_bytes(memory)} are "
                "free for it; make it smaller, or allow ",
                Field("memory", allowance(peak)),
            )
        picture.shown = shown
        picture.load()
        result = np.empty((*size, 3), np.float32)
        upright = turned(result, picture.orientation)
        assemble(picture.rows, picture.height, picture.width, upright, picture.extent)
        return result


def reading_memory(
    source: Source, *, name: str = "", max_pixels: int = MAX_PIXELS, within: tuple[int, int]
) -> int:
    """Bytes that ``read_picture`` will need for ``source``, from its header alone.

    Raises ImageError as ``picture_size`` does.
    """
    with _opened(source, name, max_pixels, math.inf) as picture:
        return _reduced(picture, within)[1]


def _reduced(
    picture: Stored | Given, within: tuple[int, int] | None
) -> tuple[tuple[int, int], int]:
    """(height, width) and bytes of what is read, no larger than ``within``."""
    height, width = size = picture.size
    if within is not None and (height > within[0] or width > within[1]):
        size = within
        picture.reduce(*size)
    peak = picture.decoding + _WORKING * max(BAND, picture.width) + 12 * size[0] * size[1]
    return size, peak


def read_texts(source: Source) -> dict[str, str]:
    """The texts in a picture's file, which is not decoded; none in an array.

    Raises ImageError if it is no picture.
    """
    with _opened(source, "", MAX_PIXELS * 4, math.inf) as picture:
        return texts_of(picture.image) if isinstance(picture, Stored) else {}


@contextmanager
def _opened(source: Source, name: str, max_pixels: int, memory: float) -> Iterator[Stored | Given]:
    """What ``source`` is, up to its pixels; its size is in the limits."""
    if isinstance(source, np.ndarray):
        with _readable(name := name or "the array"):
            picture: Stored | Given = Given(source, name)
            _check_size(picture, max_pixels)
            yield picture
        return
    if isinstance(source, Image.Image):
        with quiet(), _readable(name := name or "the image"):
            picture = stored(source, name)
            _check_size(picture, max_pixels)
            yield picture
        return
    name = _name(source, name)
    source = held(source, name)
    if not isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
        kind = type(source).__name__
        raise ImageError(
            f"cannot read a {kind}; give a path, bytes, a file object, a Pillow image or a NumPy "
            "array"
        )
    with opened(source, name) as file, quiet(), _readable(name):
        image = open_header(file, name, memory)
        picture = stored(image, name, file)
        _check_size(picture, max_pixels)
        yield picture
        with suppress(Exception):  # Pillow looks for a second frame, and that may be damaged
            if getattr(image, "is_animated", False):
                _log.info("%s has several frames or pages; the first one is used", name)


def _name(source: object, role: str) -> str:
    """What errors call a source: its path, if it has one."""
    if isinstance(source, str | os.PathLike):
        return str(source)
    own = getattr(source, "name", None)
    if isinstance(own, str) and not own.startswith("<"):  # as <stdin> does
        return own
    return role or ("the file object" if hasattr(source, "read") else "the picture")


def _check_side(picture: Stored | Given, least: tuple[int, int]) -> None:
    height, width = picture.size
    if height < least[0] or width < least[1]:
        raise ImageError(
            f"{picture.name} is {width} x {height} pixels; give a picture of at least "
            f"{least[1]} x {least[0]}"
        )


def _check_size(picture: Stored | Given, max_pixels: int) -> None:
    height, width = picture.height, picture.width
    if height * width > max_pixels:
        raise ImageError(
            f"{picture.name} has {width} x {height} = {width * height:,} pixels, over the limit of "
            f"{max_pixels:,}; make it smaller, or raise the limit with ",
            Field("max_pixels"),
        )


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises on bad bytes into one sentence about ``name``."""
    try:
        yield
    except ImpastoError:
        raise
    except MemoryError as error:
        raise ImageError(f"{name} does not fit into memory; make it smaller") from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{name} is over Pillow's own limit, PIL.Image.MAX_IMAGE_PIXELS; make it smaller"
        ) from error
    except Exception as error:  # parsers of hostile bytes raise anything: struct.error, KeyError
        reason = str(error) or type(error).__name__
        raise ImageError(
            f"{name} is damaged, cut short or of a kind that cannot be read ({reason}); "
            "save or download it again"
        ) from error
