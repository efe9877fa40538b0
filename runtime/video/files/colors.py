"""Colors of video: luma and chroma of 8 or more bits to RGB in [0, 1], and back.

ITU-R BT.601, BT.709 and BT.2020: E'Y = kr R + kg G + kb B, E'CB = (B - Y) / (2 (1 - kb)), E'CR =
(R - Y) / (2 (1 - kr)). In limited range luma goes from 16 to 235 and chroma from 16 to 240, of 8
bits; in full range both take all codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.pictures.image import Picture

BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
"""kr and kb; kg is the rest."""
MATRICES = {1: BT709, 4: BT601, 5: BT601, 6: BT601, 7: (0.212, 0.087), 9: BT2020}
"""By what a stream says, in the numbers of ITU-T H.273."""
LIMITED, FULL = 1, 2
HIGH = 720
"""Rows from which a video that says nothing of it is BT.709; below it is BT.601."""

Coefficients = tuple[float, float]


def matrix_of(said: int, height: int) -> Coefficients:
    """That of a stream, or the usual one of its height where it says none."""
    return MATRICES.get(said, BT709 if height >= HIGH else BT601)


def to_rgb(
    codes: NDArray[Any], bits: int, coefficients: Coefficients, *, full: bool = False
) -> Picture:
    """(height, width, 3) codes of luma, Cb and Cr as RGB, clipped."""
    kr, kb = coefficients
    values = codes.astype(np.float32)
    zero, half, luma, chroma = _range(bits, full)
    y = (values[..., 0] - zero) / luma
    cb, cr = ((values[..., k] - half) / chroma for k in (1, 2))
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.stack([red, green, blue], 2).clip(0, 1).astype(np.float32)


def from_rgb(picture: Picture) -> NDArray[np.uint8]:
    """(height, width, 3) codes of 8 bits: BT.709, limited range, rounded."""
    kr, kb = BT709
    red, green, blue = np.moveaxis(picture.clip(0, 1), 2, 0)
    y = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))
    zero, half, luma, chroma = _range(8, False)
    codes = np.stack([zero + luma * y, half + chroma * cb, half + chroma * cr], 2)
    found: NDArray[np.uint8] = np.rint(codes).astype(np.uint8)
    return found


def _range(bits: int, full: bool) -> tuple[int, int, int, int]:
    """Black, the middle of chroma, and how many codes luma and chroma span."""
    if full:
        return 0, 1 << (bits - 1), (1 << bits) - 1, (1 << bits) - 1
    unit = 1 << (bits - 8)
    return 16 * unit, 128 * unit, 219 * unit, 224 * unit
