"""Where things were: optical flow, what of it is reliable, and pictures moved along it.

A flow is (height, width, 2) float32, in pixels: what is at p = (x, y) in one frame is at
p + flow[p] in the other. Weights are Ruder, Dosovitskiy & Brox 2016, section 3.2, with the
constants of Sundaram, Brox & Keutzer 2010; the flow is DIS (Kroeger et al. 2016), by OpenCV.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.pictures.image import Picture

from .packages import opencv

if TYPE_CHECKING:
    from collections.abc import Iterator

Flow = NDArray[np.float32]
Weight = NDArray[np.float32]
"""(height, width) in [0, 1]: 1 where a flow is to be trusted."""
Gray = NDArray[np.uint8]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
TAPS = np.exp(-np.square(np.arange(-2, 3) / 0.8) / 2)
"""A Gaussian of sigma 0.8, not yet of sum 1."""
STILL = 1.0
"""Levels of 255: where a frame as it stood is no worse an explanation by more, nothing moved."""
AROUND = 7
"""Pixels of the side of a square in which that is judged."""


def gray(picture: Picture) -> Gray:
    """(height, width) of 8 bits, what flow is found in."""
    found: Gray = np.rint(255 * (picture @ LUMA).clip(0, 1)).astype(np.uint8)
    return found


def flow_between(first: Gray, second: Gray) -> Flow:
    """Where what is in the first frame is in the second.

    Where standing still explains the second as well, it is exactly 0: else flat parts would creep.
    """
    cv2 = opencv()
    with _alone(cv2):
        dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        found: Flow = np.asarray(dis.calc(first, second, None), np.float32)
        before, after = (frame.astype(np.float32)[:, :, None] for frame in (first, second))
        size = (AROUND, AROUND)
        moved, stood = (
            cv2.blur(np.abs(other - before)[:, :, 0], size) for other in (warp(after, found), after)
        )
    return np.where((stood <= moved + STILL)[:, :, None], np.float32(0), found)


@contextmanager
def _alone(cv2: Any) -> Iterator[None]:
    """One thread: what DIS finds depends on their number."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def warp(picture: NDArray[np.float32], flow: Flow) -> NDArray[np.float32]:
    """At p, what a (height, width, channels) picture has at p + flow[p]: bilinear, edges repeated.

    Exactly what it has where a flow is a whole number of pixels.
    """
    height, width = picture.shape[:2]
    x, y = _places(flow)
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[:, :, None], (y - top)[:, :, None]
    above = picture[top, left] + across * (picture[top, right] - picture[top, left])
    below = picture[bottom, left] + across * (picture[bottom, right] - picture[bottom, left])
    return np.asarray(above + down * (below - above), np.float32)


def warp_picture(picture: Picture, flow: Flow) -> Picture:
    """The same by cubic convolution, clipped to [0, 1]: a bilinear one blurs frame upon frame.

    Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), a = -1/2.
    """
    height, width = picture.shape[:2]
    x, y = _places(flow)
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    found = np.zeros_like(picture)
    for row in range(-1, 3):
        rows, down = (top + row).clip(0, height - 1), _keys(y - (top + row))
        for column in range(-1, 3):
            columns, across = (left + column).clip(0, width - 1), _keys(x - (left + column))
            found += (down * across)[:, :, None] * picture[rows, columns]
    return np.asarray(found.clip(0, 1), np.float32)


def _keys(far: NDArray[Any]) -> NDArray[np.float32]:
    """Weights of samples so far away, of up to 2 pixels."""
    t = np.abs(far).astype(np.float32)
    near = (1.5 * t - 2.5) * t * t + 1
    return np.asarray(np.where(t <= 1, near, ((-0.5 * t + 2.5) * t - 4) * t + 2), np.float32)


def reliable(backward: Flow, forward: Flow) -> Weight:
    """How far the flow from a frame back to another is to be trusted; ``forward`` is its opposite.

    0 outside of the other frame, where the flows there and back do not agree (what was hidden), and
    where motion has edges; a little blurred.
    """
    height, width = backward.shape[:2]
    x, y = _places(backward)
    trusted = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    back = warp(forward, backward)
    length = _squares(backward)
    trusted &= _squares(backward + back) < 0.01 * (length + _squares(back)) + 0.5
    down, across = np.gradient(backward, axis=(0, 1))
    slopes = _squares(np.asarray(down)) + _squares(np.asarray(across))
    trusted &= slopes <= 0.01 * length + 0.002
    return _blurred(trusted.astype(np.float32))


def fold(references: Sequence[tuple[Picture, Weight]]) -> tuple[Picture, Weight]:
    """Several targets and their weights as one; what an earlier one trusts, a later one leaves.

    c_j becomes max(0, c_j - sum of the c_k before it); then c = sum c_j, w = sum c_j w_j / c.
    """
    picture, weight = references[0]
    whole, total = weight[:, :, None] * picture, weight.copy()
    for other, own in references[1:]:
        rest = np.maximum(own - total, 0)
        whole, total = whole + rest[:, :, None] * other, total + rest
    there = total > 0
    share = np.where(there, total, 1)[:, :, None]
    folded = np.where(there[:, :, None], whole / share, picture)
    return folded.astype(np.float32), total.clip(0, 1)


def _places(flow: Flow) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[:, :, 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[:, :, 1]
    return x, y


def _squares(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.square(vectors).sum(2))


def _blurred(values: Weight) -> Weight:
    taps = (TAPS / TAPS.sum()).astype(np.float32)
    for axis in (0, 1):
        wide = np.pad(values, [(2, 2) if axis == k else (0, 0) for k in (0, 1)], "edge")
        size = values.shape[axis]
        parts = [np.take(wide, range(k, k + size), axis) for k in range(len(taps))]
        values = np.asarray(sum(t * part for t, part in zip(taps, parts, strict=True)), np.float32)
    return values.clip(0, 1)
