"""The geometry of tiles, counted position by position, and what is cut out and put back."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from impasto.runtime.objective.tiles import Tile, cut, tile_shape

Pair = tuple[int, int]  # rows, columns

SIZES = [
    *((16, 16), (16, 640), (96, 336), (176, 176), (192, 192), (208, 1008)),
    *((256, 240), (400, 304), (640, 480), (1008, 720)),
]
SOUNDS = [(1, 640), (1, 1008), (1, 96)]
BUDGETS = [90, 300, 20_000, 31_000, 60_000, 150_000]
CASES: list[tuple[Pair, Pair, Pair, int]] = [  # size, margin, alignment, pixels of a window
    *product(SIZES, [(16, 16), (48, 48), (80, 80), (16, 64)], [(16, 16)], BUDGETS),
    *product(SIZES, [(8, 16), (24, 16)], [(8, 16)], BUDGETS),
    *product(SOUNDS, [(0, 16), (0, 32)], [(1, 16), (1, 4)], BUDGETS),
]


def least(length: int, margin: int, alignment: int) -> list[tuple[int, int]]:
    """Every side that a window can have on an axis, and how many windows it then takes."""
    between = range(2 * margin + alignment, length, alignment)
    several = [(side, -(-(length - 2 * margin) // (side - 2 * margin))) for side in between]
    return [(length, 1), *several]


def totals(size: Pair, margin: Pair, alignment: Pair, pixels: int) -> list[int]:
    """Pixels that all windows have together, for every shape within the budget."""
    choices = product(*map(least, size, margin, alignment))
    return [h * w * rows * columns for (h, rows), (w, columns) in choices if h * w <= pixels]


def shapes() -> list[tuple[Pair, Pair, Pair, Pair]]:
    """(size, margin, alignment, shape) of all that can be cut."""
    found = []
    for size, margin, alignment, pixels in CASES:
        shape = tile_shape(*size, pixels, margin, alignment)
        if shape is not None:
            found.append((size, margin, alignment, shape))
    return found


def test_the_shape_keeps_to_the_budget_and_computes_least() -> None:
    tiled = {16: 0, 8: 0, 1: 0}
    for size, margin, alignment, pixels in CASES:
        candidates = totals(size, margin, alignment, pixels)
        shape = tile_shape(*size, pixels, margin, alignment)
        assert (shape is None) == (not candidates)
        if shape is not None:
            tiles = cut(*size, shape, margin, alignment)
            tiled[alignment[0]] += len(tiles) > 1
            assert math.prod(shape) <= pixels
            assert len(tiles) * math.prod(shape) == min(candidates)
    assert min(tiled.values()) > 10


def test_every_position_is_one_tiles_own() -> None:
    for size, margin, alignment, shape in shapes():
        owners = np.zeros(size, int)
        for tile in cut(*size, shape, margin, alignment):
            owners[tile.own] += 1
        assert (owners == 1).all()


def test_windows_have_one_shape_and_lie_within_the_picture() -> None:
    for size, margin, alignment, shape in shapes():
        for tile in cut(*size, shape, margin, alignment):
            for axis, length, side, unit in zip(tile.window, size, shape, alignment, strict=True):
                assert 0 <= axis.start < axis.stop <= length
                assert axis.stop - axis.start == side
                assert axis.start % unit == side % unit == 0


def test_the_margin_is_around_what_is_a_tiles_own_but_at_the_pictures_border() -> None:
    for size, margins, alignment, shape in shapes():
        for tile in cut(*size, shape, margins, alignment):
            axes = zip(tile.window, tile.own, size, margins, alignment, strict=True)
            for window, own, length, margin, unit in axes:
                assert own.start < own.stop
                assert own.start % unit == 0
                assert own.start == window.start == 0 or own.start - window.start >= margin
                assert own.stop == window.stop == length or window.stop - own.stop >= margin


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (16, 16), (2, 8)])
def test_what_is_cropped_and_pasted_is_the_whole(stride: Pair) -> None:
    sides = 240 // stride[0], 336 // stride[1]
    whole = np.random.default_rng(0).random((1, 3, *sides), np.float32)
    shape = tile_shape(240, 336, 40_000, (48, 48), (16, 16))
    assert shape
    tiles = cut(240, 336, shape, (48, 48), (16, 16))
    assert len(tiles) > 2
    copy = np.full_like(whole, np.nan)
    for tile in tiles:
        part = tile.crop(whole, stride)
        assert part.shape == (1, 3, shape[0] // stride[0], shape[1] // stride[1])
        assert part.flags.c_contiguous
        tile.paste_own(part, copy, stride)
    np.testing.assert_array_equal(copy, whole)


def test_a_crop_and_a_mask_by_hand() -> None:
    tile = Tile(window=(slice(0, 4), slice(2, 6)), own=(slice(0, 2), slice(4, 6)))
    picture = np.arange(48.0).reshape(1, 1, 6, 8)
    rows = [[2, 3, 4, 5], [10, 11, 12, 13], [18, 19, 20, 21], [26, 27, 28, 29]]
    np.testing.assert_array_equal(tile.crop(picture)[0, 0], rows)
    np.testing.assert_array_equal(
        tile.crop(picture[:, :, :3, :4], stride=(2, 2)), [[[[1, 2], [9, 10]]]]
    )
    rows = [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(tile.mask()[0, 0], rows)
    whole = np.zeros((1, 1, 6, 8), np.float32)
    tile.paste_own(np.arange(16.0).reshape(1, 1, 4, 4), whole)
    np.testing.assert_array_equal(whole[0, 0, :2, 4:6], [[2, 3], [6, 7]])
    assert np.count_nonzero(whole) == 4
