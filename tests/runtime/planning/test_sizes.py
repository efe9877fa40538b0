"""Sizes of scales and of styles: proportions are kept."""

from __future__ import annotations

import math

import pytest

from impasto.runtime import SettingError
from impasto.runtime.planning.sizes import Size, scaled, style_size

LEAST = (16, 16)


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [
        ((300, 400), 512, (384, 512)),
        ((400, 300), 512, (512, 384)),
        ((500, 500), 64, (64, 64)),
        ((1000, 999), 100, (100, 100)),
        ((1, 400), 200, (1, 200)),  # of sound
    ],
)
def test_the_longer_side_is_the_size(shape: Size, side: int, expected: Size) -> None:
    assert scaled(shape, side) == expected


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((300, 400), (192, 256), (192, 256)),
        ((100, 100), (1000, 1000), (100, 100)),  # and none is enlarged
        ((50, 2000), (64, 64), (16, 640)),
        ((2000, 16), (200, 300), (2000, 16)),
    ],
)
def test_a_style_has_the_pixels_of_the_scale_or_what_its_short_side_takes(
    shape: Size, size: Size, expected: Size
) -> None:
    found = style_size(shape, size, LEAST)
    assert found == expected
    assert math.isclose(found[0] / found[1], shape[0] / shape[1], rel_tol=0.02)


def test_a_style_that_is_all_length_is_refused() -> None:
    with pytest.raises(SettingError, match=r"20000 x 16.: too long and thin"):
        style_size((16, 20000), (64, 64), LEAST)
