"""Probes and sketches, against the formulas of docs/bundle.md in Python's own integers."""

from __future__ import annotations

import numpy as np
import pytest

from impasto.runtime.conformance.probes import BUCKETS, GOLDEN, noise, sketch

MASK = 0xFFFFFFFF


def mixed(x: int) -> int:
    x ^= x >> 16
    x = x * 0x7FEB352D & MASK
    x ^= x >> 15
    x = x * 0x846CA68B & MASK
    return x ^ x >> 16


@pytest.mark.parametrize("stream", [0, 1, 3 * 256 + 7, 10**6])
def test_noise_is_what_the_formula_says(stream: int) -> None:
    found = noise((2, 3, 5), stream)
    assert found.dtype == np.float32
    for i, value in enumerate(found.ravel()):
        assert value == (mixed((i + stream * GOLDEN) & MASK) >> 8) / 2**24


def test_noise_fills_the_range_evenly() -> None:
    found = noise((100_000,), 5)
    assert 0 <= found.min() < 0.001
    assert 0.999 < found.max() < 1
    assert abs(found.mean() - 0.5) < 0.005
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(found, noise((100_000,), 6))[0, 1]) < 0.01


def test_a_sketch_is_what_the_formula_says() -> None:
    values = np.random.default_rng(0).standard_normal((3, 50))
    wanted = [0.0] * BUCKETS
    for i, value in enumerate(values.ravel()):
        wanted[mixed(i) % BUCKETS] += -value if mixed(i) >> 31 else value
    np.testing.assert_allclose(sketch(values), wanted, atol=1e-12)
    assert sketch(np.array([[1.0, 2.0]])) == [1.0, 2.0]


@pytest.mark.parametrize("size", [65, 9216, 40_000])
def test_sketches_tell_how_far_arrays_are_apart(size: int) -> None:
    chance = np.random.default_rng(size)
    whole = chance.standard_normal(size)
    for change in (1e-4 * whole, 1e-4 * chance.standard_normal(size)):
        told = np.linalg.norm(np.subtract(sketch(whole + change), sketch(whole)))
        assert 0.6 < told / np.linalg.norm(change) < 1.5
    one = np.zeros(size)
    one[size // 2] = 1e-4  # a single wrong value is all there
    told = np.linalg.norm(np.subtract(sketch(whole + one), sketch(whole)))
    assert told == pytest.approx(1e-4)
