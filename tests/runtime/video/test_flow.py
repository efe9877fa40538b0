"""Flow of pans whose motion is known; warps, weights and folds against loops of the formulas."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("cv2")

from impasto.runtime.video.flow import (
    flow_between,
    fold,
    gray,
    opencv,
    reliable,
    warp,
    warp_picture,
)

Array = NDArray[Any]
SIZE = (9, 11)


def canvas(seed: int = 0, height: int = 96, width: int = 128) -> Array:
    """Smooth and full of detail."""
    cv2, random = opencv(), np.random.default_rng(seed)
    noise = random.random((height, width, 3)).astype(np.float32)
    mixed = cv2.GaussianBlur(noise, (0, 0), 2) + 2 * cv2.GaussianBlur(noise, (0, 0), 6)
    low, high = mixed.min(), mixed.max()
    return np.asarray((mixed - low) / (high - low), np.float32)


def sampled(picture: Array, x: float, y: float) -> Array:
    """Bilinear, in float64."""
    height, width = picture.shape[:2]
    x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    i, j = math.floor(y), math.floor(x)
    below, right = min(i + 1, height - 1), min(j + 1, width - 1)
    a, b = y - i, x - j
    top = (1 - b) * picture[i, j].astype(float) + b * picture[i, right]
    return np.asarray((1 - a) * top + a * ((1 - b) * picture[below, j] + b * picture[below, right]))


def flows(seed: int, spread: float = 2.0) -> Array:
    return np.random.default_rng(seed).normal(0, spread, (*SIZE, 2)).astype(np.float32)


def test_a_warp_is_bilinear_and_exact_at_whole_pixels() -> None:
    picture = np.random.default_rng(1).random((*SIZE, 3)).astype(np.float32)
    flow = flows(2)
    expected = np.array(
        [
            [sampled(picture, j + flow[i, j, 0], i + flow[i, j, 1]) for j in range(SIZE[1])]
            for i in range(SIZE[0])
        ]
    )
    np.testing.assert_allclose(warp(picture, flow), expected, atol=1e-6)
    shifted = warp(picture, np.full((*SIZE, 2), (3, -2), np.float32))
    np.testing.assert_array_equal(shifted[2:, :-3], picture[:-2, 3:])
    still = warp(picture, np.zeros((*SIZE, 2), np.float32))
    np.testing.assert_array_equal(still, picture)


def test_a_warped_picture_is_pillows_bicubic_and_exact_at_whole_pixels() -> None:
    """Pillow's has a = -1/2, too; clipping shows in the last rows alone."""
    picture = np.random.default_rng(1).random((*SIZE, 3)).astype(np.float32)
    rows, columns = SIZE
    box = (0.3, -0.0, columns - 3.7, rows)  # 4 columns less, each 0.3 pixels to the right
    expected = [
        Image.fromarray(np.ascontiguousarray(picture[:, :, channel])).resize(
            (columns - 4, rows), Image.Resampling.BICUBIC, box
        )
        for channel in range(3)
    ]
    flow = np.full((*SIZE, 2), (0.3, 0), np.float32)
    inner = warp_picture(picture, flow)[:, 1:-5]
    oracle = np.stack([np.asarray(one) for one in expected], 2)[:, 1:-1]
    np.testing.assert_allclose(inner, oracle.clip(0, 1), atol=2e-6)
    assert np.abs(warp(picture, flow)[:, 1:-5] - oracle).max() > 0.01  # another one is found
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    paraboloid = (0.1 + ((x / 40) ** 2 + (y / 50) ** 2 + x * y / 3000) / 4)[:, :, None]
    flow = flows(2)
    flow[:3] = flow[-3:] = flow[:, :3] = flow[:, -3:] = 0
    flow = flow.clip(-1, 1)
    u, v = x + flow[:, :, 0], y + flow[:, :, 1]
    exact = (0.1 + ((u / 40) ** 2 + (v / 50) ** 2 + u * v / 3000) / 4)[:, :, None]
    np.testing.assert_allclose(warp_picture(paraboloid, flow), exact, atol=1e-5)
    shifted = warp_picture(picture, np.full((*SIZE, 2), (3, -2), np.float32))
    np.testing.assert_array_equal(shifted[2:, :-3], picture[:-2, 3:])


@pytest.mark.parametrize(("motion", "spread"), [(0.0, 0.04), (2.0, 0.15), (5.0, 3.0)])
def test_weights_are_the_papers_in_its_order(motion: float, spread: float) -> None:
    backward = flows(3, spread) + np.float32(motion)
    forward = np.asarray(flows(4, 4 * spread) - backward, np.float32)
    rows, columns = SIZE
    trusted = np.zeros(SIZE)
    for i, j in product(range(rows), range(columns)):
        f = backward[i, j].astype(float)
        x, y = j + f[0], i + f[1]
        if not (0 <= x <= columns - 1 and 0 <= y <= rows - 1):
            continue
        b = sampled(forward, x, y)
        if ((f + b) ** 2).sum() >= 0.01 * ((f**2).sum() + (b**2).sum()) + 0.5:
            continue
        up, down = max(i - 1, 0), min(i + 1, rows - 1)
        left, right = max(j - 1, 0), min(j + 1, columns - 1)
        across = (backward[i, right] - backward[i, left]) / (right - left)
        along = (backward[down, j] - backward[up, j]) / (down - up)
        if (across**2).sum() + (along**2).sum() > 0.01 * (f**2).sum() + 0.002:
            continue
        trusted[i, j] = 1
    taps = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.8**2))
    taps /= taps.sum()
    expected = np.zeros(SIZE)
    for i, j, a, b in product(range(rows), range(columns), range(5), range(5)):
        near = trusted[min(max(i + a - 2, 0), rows - 1), min(max(j + b - 2, 0), columns - 1)]
        expected[i, j] += taps[a] * taps[b] * near
    found = reliable(backward, forward)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert spread > 1 or 0 < trusted.mean() < 1


def test_references_are_folded_by_what_is_left() -> None:
    random = np.random.default_rng(5)
    pictures = [random.random((*SIZE, 3)).astype(np.float32) for _ in range(3)]
    weights = [random.random(SIZE).astype(np.float32) ** 2 for _ in range(3)]
    for weight in weights:
        weight[0, 0] = 0
    target, whole = fold(list(zip(pictures, weights, strict=True)))
    for i, j in product(range(SIZE[0]), range(SIZE[1])):
        left = []
        for weight in weights:
            left.append(max(0.0, float(weight[i, j]) - sum(left)))
        assert whole[i, j] == pytest.approx(sum(left), abs=1e-6)
        if sum(left):
            mixed = sum(c * p[i, j].astype(float) for c, p in zip(left, pictures, strict=True))
            np.testing.assert_allclose(target[i, j], mixed / sum(left), atol=1e-5)
    np.testing.assert_array_equal(target[0, 0], pictures[0][0, 0])


@pytest.mark.parametrize("shift", [(3, 0), (-2, 5), (0.5, 1.25)])
def test_the_flow_of_a_pan_is_found_and_trusted(shift: tuple[float, float]) -> None:
    whole = canvas()
    first = whole
    second = warp(whole, np.full((*whole.shape[:2], 2), shift, np.float32))  # moved by -shift
    a, b = gray(first), gray(second)
    backward, forward = flow_between(b, a), flow_between(a, b)
    inner = (slice(16, -16), slice(16, -16))
    assert np.median(np.abs(backward[inner] - shift)) < 0.05
    weight = reliable(backward, forward)
    assert weight[inner].mean() > 0.97
    exact = np.abs(warp(first, backward) - second)[inner].mean()
    assert exact < 0.25 * np.abs(first - second)[inner].mean()


def test_what_is_still_stays_to_the_bit_and_a_cut_is_not_trusted() -> None:
    first = canvas()
    noise = np.random.default_rng(6).normal(0, 1 / 255, first.shape).astype(np.float32)
    again = (first + noise).clip(0, 1)
    assert not flow_between(gray(again), gray(first)).any()
    a, b = gray(first), gray(canvas(7))
    weight = reliable(flow_between(b, a), flow_between(a, b))
    assert weight.mean() < 0.25


def test_what_was_hidden_is_not_trusted() -> None:
    """A square moves right over a still ground: behind it the ground comes to light."""
    ground, square = canvas(8), canvas(9)[:32, :32]
    first, second = ground.copy(), ground.copy()
    first[30:62, 40:72], second[30:62, 46:78] = square, square
    a, b = gray(first), gray(second)
    weight = reliable(flow_between(b, a), flow_between(a, b))
    assert weight[36:56, 40:45].mean() < 0.35
    assert weight[38:54, 54:70].mean() > 0.8
    assert weight[:24].mean() > 0.95


def test_the_number_of_threads_changes_nothing() -> None:
    cv2, found = opencv(), []
    a, b = gray(canvas(10)), gray(canvas(11))
    before = cv2.getNumThreads()
    for count in (1, 4):
        cv2.setNumThreads(count)
        found.append(flow_between(a, b))
        assert cv2.getNumThreads() == count
    cv2.setNumThreads(before)
    np.testing.assert_array_equal(*found)
