"""Sizes, resampling, and the way between pictures and the canvas of an encoder."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from impasto.runtime.errors import Field, OutOfMemoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

MIN_SIDE = 16
"""Pixels that a picture's short side has at least."""
BAND = 1 << 19
"""Pixels that are made at once of a picture that is being read."""
LOBES = 3
"""Of the Lanczos filter, each side."""


def resize(picture: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resample (h, w, channels) to (height, width, channels), antialiased Lanczos, in [0, 1].

    Raises:
        OutOfMemoryError: it does not fit into memory; as in all that is here.
    """
    resized = resample(picture, height, width)
    return np.clip(resized, 0, 1, out=resized)


def middle(picture: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """The largest part around the middle that has the proportions of (height, width), in that size.

    It is cut out, and resampled, as ``resample`` does, only where it has another size.
    """
    rows, columns = picture.shape[:2]
    factor = min(rows / height, columns / width)
    if factor == 1:
        top, left = (rows - height) // 2, (columns - width) // 2
        return picture[top : top + height, left : left + width].copy()
    top, left = (rows - factor * height) / 2, (columns - factor * width) / 2
    box = (left, top, columns - left, rows - top)
    return resample(picture, height, width, box)


def resample(
    values: NDArray[np.float32],
    height: int,
    width: int,
    box: tuple[float, float, float, float] | None = None,
) -> NDArray[np.float32]:
    """As ``resize``, of values that have no range; of a (left, top, right, bottom) part of them."""
    with _fitting(height, width):
        result = np.empty((height, width, values.shape[2]), np.float32)
        for channel in range(values.shape[2]):
            plane = Image.fromarray(np.ascontiguousarray(values[:, :, channel], np.float32))
            resized = plane.resize((width, height), Image.Resampling.LANCZOS, box)
            result[:, :, channel] = np.asarray(resized)
        return result


def assemble(
    rows: Callable[[int, int], NDArray[np.float32]],
    height: int,
    width: int,
    result: NDArray[np.float32],
    extent: tuple[float, float],
) -> None:
    """Fill ``result`` with the (height, width) picture, made a band of rows at a time.

    ``rows(top, bottom)`` makes one. If ``result`` has another size it is what ``resize`` would
    give of the whole: a band is resampled along its rows, and then adds what it is to each row of
    the result. The picture fills ``extent`` of (height, width).
    """
    target = result.shape[:2]
    step, scale = max(1, BAND // width), extent[0] / target[0]
    reach = LOBES * max(scale, 1)
    weights = np.zeros((target[0], 1, 1), np.float32)
    if target != (height, width):
        result[:] = 0
    for top in range(0, height, step):
        bottom = min(top + step, height)
        band = rows(top, bottom)
        if target == (height, width):
            result[top:bottom] = band
            continue
        first = max(0, math.floor((top - reach) / scale) - 1)
        last = min(target[0], math.ceil((bottom + reach) / scale) + 1)
        centres = (np.arange(first, last)[:, None] + 0.5) * scale
        kernel = _lanczos((np.arange(top, bottom) + 0.5 - centres) / max(scale, 1))
        weights[first:last, 0] += kernel.sum(axis=1, keepdims=True)
        across = band
        if width != target[1]:
            box = (0, 0, extent[1], bottom - top)
            across = resample(band, bottom - top, target[1], box)
        result[first:last] += np.tensordot(kernel, across, axes=1)
    if target != (height, width):
        result /= weights
        np.clip(result, 0, 1, out=result)


def _lanczos(x: NDArray[np.float64]) -> NDArray[np.float32]:
    inside = np.sinc(x) * np.sinc(x / LOBES)
    return np.where(np.abs(x) < LOBES, inside, 0).astype(np.float32)


def padded_size(height: int, width: int, alignment: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of what ``to_tensor`` makes of a picture."""
    return height + -height % alignment[0], width + -width % alignment[1]


def to_tensor(picture: NDArray[np.float32], alignment: tuple[int, int]) -> NDArray[np.float32]:
    """Lay (height, width, channels) out as (1, channels, H, W).

    H and W are multiples of ``alignment``: the picture is reflected at the bottom and the right.
    """
    height, width, channels = picture.shape
    padded = padded_size(height, width, alignment)
    with _fitting(*padded):
        tensor = np.empty((1, channels, *padded), np.float32)
        tensor[0, :, :height, :width] = picture.transpose(2, 0, 1)
        for row in range(height, padded[0]):
            tensor[:, :, row] = tensor[:, :, _mirrored(row, height)]
        for column in range(width, padded[1]):
            tensor[:, :, :, column] = tensor[:, :, :, _mirrored(column, width)]
        return tensor


def _mirrored(index: int, side: int) -> int:
    """0 1 2 1 0 1 2 ... for a side of 3."""
    period = max(2 * (side - 1), 1)
    return min(index % period, period - index % period) if side > 1 else 0


def from_tensor(tensor: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Cut (height, width, channels) out of the top left of a (1, channels, H, W) ``tensor``."""
    with _fitting(height, width):
        return np.ascontiguousarray(tensor[0, :, :height, :width].transpose(1, 2, 0))


@contextmanager
def _fitting(height: int, width: int) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise OutOfMemoryError(
            f"{width} x {height} pixels do not fit into memory; choose a smaller ", Field("size")
        ) from error
