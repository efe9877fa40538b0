"""Luma and chroma against the formulas of ITU-R BT.601 and BT.709, in plain numbers."""

from __future__ import annotations

import numpy as np
import pytest

from impasto.runtime.video.files.colors import BT601, BT709, from_rgb, matrix_of, to_rgb


@pytest.mark.parametrize(
    ("matrix", "code", "rgb"),
    [  # of 8 bits, limited range; BT.601's are those of its table 3
        (BT601, (16, 128, 128), (0, 0, 0)),
        (BT601, (235, 128, 128), (1, 1, 1)),
        (BT601, (81, 90, 240), (1, 0, 0)),
        (BT601, (145, 54, 34), (0, 1, 0)),
        (BT601, (41, 240, 110), (0, 0, 1)),
        (BT709, (63, 102, 240), (1, 0, 0)),
        (BT709, (173, 42, 26), (0, 1, 0)),
        (BT709, (32, 240, 118), (0, 0, 1)),
    ],
)
def test_pure_colors(
    matrix: tuple[float, float], code: tuple[int, int, int], rgb: tuple[float, float, float]
) -> None:
    for bits in (8, 10, 12):
        codes = np.array(code, np.uint16)[None, None] << (bits - 8)
        np.testing.assert_allclose(to_rgb(codes, bits, matrix)[0, 0], rgb, atol=0.008)


def test_full_range_takes_all_codes() -> None:
    for bits in (8, 10):
        codes = np.array([[[0, 1 << (bits - 1), 1 << (bits - 1)]]], np.uint16)
        assert not to_rgb(codes, bits, BT709, full=True).any()
        codes[..., 0] = (1 << bits) - 1
        assert (to_rgb(codes, bits, BT709, full=True) == 1).all()


def test_there_and_back_is_half_a_level() -> None:
    picture = np.random.default_rng(0).random((16, 16, 3)).astype(np.float32)
    error = 255 * (to_rgb(from_rgb(picture), 8, BT709) - picture)
    assert np.abs(error).max() < 2.5  # a code of chroma is more than a level
    assert np.abs(error.mean()) < 0.1  # rounded, not cut off
    assert to_rgb(from_rgb(np.ones((1, 1, 3), np.float32)), 8, BT709).min() == 1


@pytest.mark.parametrize(
    ("said", "height", "expected"),
    [(1, 100, BT709), (6, 1080, BT601), (5, 1080, BT601), (2, 576, BT601), (2, 720, BT709)],
)
def test_the_matrix_is_what_is_said_else_that_of_the_height(
    said: int, height: int, expected: tuple[float, float]
) -> None:
    assert matrix_of(said, height) == expected
