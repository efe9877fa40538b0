"""Tiles: windows of one shape that cover a picture, and the positions that are each one's own.

A window is wider than its own positions by a margin, so that their features are those of the whole
picture. At the picture's border it has no margin: there the network pads with zeros, as it does for
the whole picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.shapes import Pair

Span = tuple[slice, slice]
"""Of one axis: a window, and its own positions."""


@dataclass(frozen=True)
class Tile:
    """A window of a picture, and what of it is the tile's own: (rows, columns) of the picture."""

    window: tuple[slice, slice]
    own: tuple[slice, slice]

    def crop(self, tensor: NDArray[Any], stride: Pair = (1, 1)) -> NDArray[np.float32]:
        """The window's part of a (1, C, H / stride, W / stride) tensor."""
        rows, columns = map(_strided, self.window, stride)
        return np.ascontiguousarray(tensor[:, :, rows, columns], np.float32)

    def paste_own(self, part: NDArray[Any], whole: NDArray[Any], stride: Pair = (1, 1)) -> None:
        """Copy the tile's own positions of a window's tensor to their place in the whole."""
        places = [*map(_strided, self.own, stride)]
        starts = [axis.start for axis in map(_strided, self.window, stride)]
        rows, columns = (
            slice(place.start - start, place.stop - start)
            for place, start in zip(places, starts, strict=True)
        )
        whole[:, :, places[0], places[1]] = part[:, :, rows, columns]

    def mask(self) -> NDArray[np.float32]:
        """(1, 1, h, w): 1 on the tile's own positions."""
        rows, columns = self.window
        whole = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
        own = (
            slice(own.start - window.start, own.stop - window.start)
            for own, window in zip(self.own, self.window, strict=True)
        )
        whole[tuple(own)] = 1
        return whole[None, None]


def cut(height: int, width: int, shape: Pair, margin: Pair, alignment: Pair) -> list[Tile]:
    """Tiles of a shape that ``tile_shape`` found for (height, width)."""
    rows, columns = map(_spans, (height, width), shape, margin, alignment)
    return [Tile((a[0], b[0]), (a[1], b[1])) for a in rows for b in columns]


def tile_shape(height: int, width: int, pixels: int, margin: Pair, alignment: Pair) -> Pair | None:
    """(height, width) of windows of at most ``pixels`` with the fewest pixels in all of them.

    Sides and margin are multiples of ``alignment``. None: windows so small would be all margin.
    """
    best: tuple[float, Pair] = (math.inf, (0, 0))
    for rows in range(1, _most(height, margin[0], alignment[0]) + 1):
        for columns in range(1, _most(width, margin[1], alignment[1]) + 1):
            counts = rows, columns
            tall, wide = map(_side, (height, width), counts, margin, alignment)
            if tall * wide <= pixels:
                best = min(best, (rows * columns * tall * wide, (tall, wide)))
                break  # more columns cost more
    return None if best[0] == math.inf else best[1]


def _most(length: int, margin: int, alignment: int) -> int:
    """How many windows an axis can have at most."""
    return max(1, -(-(length - 2 * margin) // alignment))


def _side(length: int, count: int, margin: int, alignment: int) -> int:
    """Side of a window where ``count`` of them cover an axis."""
    if count == 1:
        return length
    return -(-(length - 2 * margin) // (count * alignment)) * alignment + 2 * margin


def _spans(length: int, side: int, margin: int, alignment: int) -> list[Span]:
    if side >= length:
        return [(slice(0, length), slice(0, length))]
    count = -(-(length - 2 * margin) // (side - 2 * margin))
    last = length - side
    starts = [k * last // (count - 1) // alignment * alignment for k in range(count)]
    borders = [0, *(start + margin for start in starts[1:]), length]
    return [
        (slice(start, start + side), slice(first, end))
        for start, first, end in zip(starts, borders[:-1], borders[1:], strict=True)
    ]


def _strided(axis: slice, stride: int) -> slice:
    return slice(axis.start // stride, axis.stop // stride)
