"""The geometry of tiles, counted position by position, and what is cut out and put back."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from impasto.runtime.errors import SettingError
from impasto.runtime.objective.tiles import Tile, cut, tile_shape

ALIGNMENT = 16
MARGINS = [16, 48, 80]
SIZES = [
    *((16, 16), (16, 640), (96, 336), (176, 176), (192, 192), (208, 1008)),
    *((256, 240), (400, 304), (640, 480), (1008, 720)),
]
BUDGETS = [20_000, 31_000, 60_000, 150_000]


def least(length: int, margin: int) -> list[tuple[int, int]]:
    """Every side that a window can have on an axis, and how many windows it then takes."""
    between = range(2 * margin + ALIGNMENT, length, ALIGNMENT)
    several = [(side, -(-(length - 2 * margin) // (side - 2 * margin))) for side in between]
    return [(length, 1), *several]


def totals(height: int, width: int, pixels: int, margin: int) -> list[int]:
    """Pixels that all windows have together, for every shape within the budget."""
    choices = product(least(height, margin), least(width, margin))
    return [h * w * rows * columns for (h, rows), (w, columns) in choices if h * w <= pixels]


def shapes() -> list[tuple[int, int, int, tuple[int, int]]]:
    """(height, width, margin, shape) of all that can be cut."""
    return [
        (*size, margin, tile_shape(*size, pixels, margin, ALIGNMENT))
        for size, margin, pixels in product(SIZES, MARGINS, BUDGETS)
        if totals(*size, pixels, margin)
    ]


def test_the_shape_keeps_to_the_budget_and_computes_least() -> None:
    tiled = 0
    for size, margin, pixels in product(SIZES, MARGINS, BUDGETS):
        candidates = totals(*size, pixels, margin)
        if not candidates:
            with pytest.raises(SettingError, match=f"a tile of {pixels} pixels is too small"):
                tile_shape(*size, pixels, margin, ALIGNMENT)
            continue
        shape = tile_shape(*size, pixels, margin, ALIGNMENT)
        tiles = cut(*size, shape, margin, ALIGNMENT)
        tiled += len(tiles) > 1
        assert math.prod(shape) <= pixels
        assert len(tiles) * math.prod(shape) == min(candidates)
    assert tiled > 40


def test_every_position_is_one_tiles_own() -> None:
    for height, width, margin, shape in shapes():
        owners = np.zeros((height, width), int)
        for tile in cut(height, width, shape, margin, ALIGNMENT):
            owners[tile.own] += 1
        assert (owners == 1).all()


def test_windows_have_one_shape_and_lie_within_the_picture() -> None:
    for height, width, margin, shape in shapes():
        for tile in cut(height, width, shape, margin, ALIGNMENT):
            for axis, length, side in zip(tile.window, (height, width), shape, strict=True):
                assert 0 <= axis.start < axis.stop <= length
                assert axis.stop - axis.start == side
                assert axis.start % ALIGNMENT == side % ALIGNMENT == 0


def test_the_margin_is_around_what_is_a_tiles_own_but_at_the_pictures_border() -> None:
    for height, width, margin, shape in shapes():
        for tile in cut(height, width, shape, margin, ALIGNMENT):
            for window, own, length in zip(tile.window, tile.own, (height, width), strict=True):
                assert own.start < own.stop
                assert own.start % ALIGNMENT == 0
                assert own.start == window.start == 0 or own.start - window.start >= margin
                assert own.stop == window.stop == length or window.stop - own.stop >= margin


@pytest.mark.parametrize("stride", [1, 2, 16])
def test_what_is_cropped_and_pasted_is_the_whole(stride: int) -> None:
    whole = np.random.default_rng(0).random((1, 3, 240 // stride, 336 // stride), np.float32)
    shape = tile_shape(240, 336, 40_000, 48, ALIGNMENT)
    tiles = cut(240, 336, shape, 48, ALIGNMENT)
    assert len(tiles) > 2
    copy = np.full_like(whole, np.nan)
    for tile in tiles:
        part = tile.crop(whole, stride)
        assert part.shape == (1, 3, shape[0] // stride, shape[1] // stride)
        assert part.flags.c_contiguous
        tile.paste_own(part, copy, stride)
    np.testing.assert_array_equal(copy, whole)


def test_a_crop_and_a_mask_by_hand() -> None:
    tile = Tile(window=(slice(0, 4), slice(2, 6)), own=(slice(0, 2), slice(4, 6)))
    picture = np.arange(48.0).reshape(1, 1, 6, 8)
    rows = [[2, 3, 4, 5], [10, 11, 12, 13], [18, 19, 20, 21], [26, 27, 28, 29]]
    np.testing.assert_array_equal(tile.crop(picture)[0, 0], rows)
    np.testing.assert_array_equal(tile.crop(picture[:, :, :3, :4], stride=2), [[[[1, 2], [9, 10]]]])
    rows = [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(tile.mask()[0, 0], rows)
    whole = np.zeros((1, 1, 6, 8), np.float32)
    tile.paste_own(np.arange(16.0).reshape(1, 1, 4, 4), whole)
    np.testing.assert_array_equal(whole[0, 0, :2, 4:6], [[2, 3], [6, 7]])
    assert np.count_nonzero(whole) == 4
