"""Pictures in, pictures out, and the shapes between: the one place to get pictures from.

A picture is a (height, width, 3) float32 array, RGB in [0, 1]; a tensor is the same thing as
(1, 3, height, width). Bad pictures, and bad places to write to, end in ImageError and nothing else.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.runtime.errors import ImageError

from .decode import FORMATS, open_header, stored
from .encode import check_output, write_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

__all__ = [
    "MAX_PIXELS",
    "MIN_SIDE",
    "Picture",
    "Source",
    "check_output",
    "from_tensor",
    "read_image",
    "resize",
    "scaled_size",
    "to_tensor",
    "write_image",
]

Picture: TypeAlias = NDArray[np.float32]
"""(height, width, 3), RGB in [0, 1]."""
Source: TypeAlias = str | os.PathLike[str] | Image.Image | NDArray[Any]

MAX_PIXELS = 100_000_000
MIN_SIDE = 16

_log = logging.getLogger(__name__)


def read_image(source: Source, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.float32]:
    """Read ``source`` as (height, width, 3) float32 RGB in [0, 1], C-contiguous.

    ``source`` is the path of a picture (PNG, JPEG, WebP, TIFF, BMP, GIF, PPM), a Pillow image, or
    an array: (height, width, 3) or gray (height, width), uint8 or floats in [0, 1]. The EXIF
    orientation and an embedded colour profile are applied, transparency is laid on white, and of an
    animation the first frame is read. A picture of more than ``max_pixels`` is refused before it is
    decoded.

    Raises ImageError for everything that is not such a picture.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        with _readable("the image"):
            return _from_pillow(source, "the image", max_pixels, None)
    if not isinstance(source, str | os.PathLike):
        kind = type(source).__name__
        raise ImageError(f"cannot read a {kind}; give a path, a Pillow image or a NumPy array")
    name = str(source)
    with _open_file(name) as file, _readable(name):
        image = open_header(file, name)
        if image is None:
            raise ImageError(f"{name} is not a picture; give one of {', '.join(FORMATS)}")
        picture = _from_pillow(image, name, max_pixels, file)
        with suppress(Exception):  # Pillow looks for a second frame, and that may be damaged
            if getattr(image, "is_animated", False):
                _log.info("%s has several frames or pages; the first one is used", name)
        return picture


def resize(picture: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resample ``picture`` to (height, width, 3) with an antialiased Lanczos filter, in [0, 1]."""
    return resample(picture, height, width).clip(0, 1)


def resample(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """As ``resize``, of values that have no range."""
    channels = [
        Image.fromarray(np.ascontiguousarray(values[:, :, channel], np.float32))
        for channel in range(3)
    ]
    resized = [channel.resize((width, height), Image.Resampling.LANCZOS) for channel in channels]
    return np.stack([np.asarray(channel) for channel in resized], axis=2)


def scaled_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """(height, width) of the same aspect, the longer one ``long_side`` and none below MIN_SIDE."""
    scale = long_side / max(height, width)
    return max(MIN_SIDE, round(height * scale)), max(MIN_SIDE, round(width * scale))


def padded_size(height: int, width: int, multiple: int) -> tuple[int, int]:
    """(height, width) of what ``to_tensor`` makes of a picture."""
    return height + -height % multiple, width + -width % multiple


def to_tensor(picture: NDArray[np.float32], multiple: int) -> NDArray[np.float32]:
    """Lay ``picture`` out as (1, 3, H, W), reflected at bottom and right to multiples."""
    height, width, _ = picture.shape
    padding = ((0, -height % multiple), (0, -width % multiple), (0, 0))
    padded = np.pad(picture, padding, mode="reflect")
    return np.ascontiguousarray(padded.transpose(2, 0, 1)[None])


def from_tensor(tensor: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Cut the (height, width, 3) picture out of the top left of a (1, 3, H, W) ``tensor``."""
    return np.ascontiguousarray(tensor[0, :, :height, :width].transpose(1, 2, 0))


def _from_array(array: NDArray[Any], max_pixels: int) -> NDArray[np.float32]:
    if array.ndim not in {2, 3} or array.shape[2:] not in {(), (3,)}:
        raise ImageError(f"the array has shape {array.shape}; give (height, width, 3) as RGB")
    _check_size("the array", array.shape[0], array.shape[1], max_pixels)
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise ImageError(f"the array holds {array.dtype}; give uint8, or floats from 0 to 1")
    white = 255 if array.dtype == np.uint8 else 1
    low, high = array.min(), array.max()
    if not 0 <= low <= high <= white:  # false for NaN too
        raise ImageError(f"the array holds {low:g} to {high:g}; give floats from 0 to 1, or uint8")
    unit = np.divide(array, np.float32(white), dtype=np.float32, casting="same_kind", order="C")
    return unit if unit.ndim == 3 else np.repeat(unit[:, :, None], 3, axis=2)


def _from_pillow(
    image: Image.Image, name: str, max_pixels: int, file: IO[bytes] | None
) -> NDArray[np.float32]:
    picture = stored(image, name, file)
    _check_size(name, picture.height, picture.width, max_pixels)
    picture.load()
    return picture.whole()


def _check_size(name: str, height: int, width: int, max_pixels: int) -> None:
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"{name} is {width} x {height} pixels; give a picture of at least {MIN_SIDE} a side"
        )
    if height * width > max_pixels:
        raise ImageError(
            f"{name} has {width} x {height} = {width * height:,} pixels, over the limit of "
            f"{max_pixels:,}; raise it with --max-pixels (max_pixels=) or make the picture smaller"
        )


def _open_file(name: str) -> IO[bytes]:
    try:
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{name} is a folder; give the path of a picture in it")
        if not stat.S_ISREG(status.st_mode):  # to open a pipe could wait for ever
            raise ImageError(f"{name} is a pipe or device; save the picture to a file first")
        if status.st_size == 0:
            raise ImageError(f"{name} is empty; save or download it again")
        return open(name, "rb")
    except FileNotFoundError as error:
        raise ImageError(f"{name} does not exist; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(
            f"{name} cannot be opened ({reason}); check path and permissions"
        ) from error


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises on bad bytes into one sentence about ``name``."""
    try:
        yield
    except ImageError:
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
