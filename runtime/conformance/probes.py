"""Arrays made by a formula, and large arrays told by a few numbers: the same in every language.

All integers are of 32 bits without sign, and overflow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.manifest import Canvas, Manifest
from impasto.runtime.bundle.shapes import fix
from impasto.runtime.bundle.sources import OWN

STREAMS = 256
"""Of one seed: so many different arrays."""
IMAGE, CONTENT, STYLE, MAPS = 0, 1, 2, 3
"""Streams of the pictures; a term's region and given maps follow, in the manifest's order."""
REGIONS = 2
"""Of an objective that has them."""
GOLDEN = 0x9E3779B9
BUCKETS = 64
SIGN = 1 << 31

BETAS = (0.9, 0.999)
"""Adam's, in float32."""

Tensor = NDArray[np.float32]


def noise(shape: Sequence[int], stream: int) -> Tensor:
    """Of [0, 1): ``mixed(i + stream * GOLDEN) >> 8``, over 2^24, at the place i in rows' order."""
    counted = np.arange(math.prod(shape), dtype=np.uint32)
    bits = mixed(counted + np.uint32(stream * GOLDEN & 0xFFFFFFFF)) >> np.uint32(8)
    return (bits.astype(np.float32) / np.float32(1 << 24)).reshape(shape)


def picture(canvas: Canvas, size: tuple[int, int], stream: int) -> Tensor:
    """Noise of the canvas' range, (1, channels, height, width)."""
    values = noise((1, canvas.channels, *size), stream)
    return np.float32(canvas.low) + values * np.float32(canvas.high - canvas.low)


def probe_maps(
    manifest: Manifest, objective: str, size: tuple[int, int], seed: int
) -> dict[str, Tensor]:
    """Noise for regions and given maps, by the names of the terms' inputs."""
    found: dict[str, Tensor] = {}
    for term in manifest.objectives[objective].terms:
        for value in term.inputs:
            if value.source in (*OWN, "matched"):
                stream = seed * STREAMS + MAPS + len(found)
                found[value.name] = noise(fix(value.shape, *size, REGIONS), stream)
    return found


def sketch(array: NDArray[Any]) -> list[float]:
    """BUCKETS sums of an array's values, each value with a sign: its count sketch.

    The value at the place i goes to the bucket ``mixed(i) % BUCKETS``, with a minus where the
    highest bit of ``mixed(i)`` is 1. The sketch of a difference is the difference of the sketches,
    and its norm is that of the array, give or take a tenth: so the sketches tell the error of the
    arrays. Charikar, Chen & Farach-Colton 2002. An array of no more values is its own sketch.
    """
    values = np.asarray(array, np.float64).ravel()
    if values.size <= BUCKETS:
        return [float(value) for value in values]
    bits = mixed(np.arange(values.size, dtype=np.uint32))
    signed = np.where(bits >= SIGN, -values, values)
    return [float(v) for v in np.bincount(bits % BUCKETS, signed, BUCKETS)]


def mixed(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A permutation of the integers that looks random: lowbias32, by Chris Wellons."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def lbfgs_inputs(
    canvas: Canvas, size: tuple[int, int], seed: int, pairs: int, older: int
) -> dict[str, Tensor]:
    """Inputs of L-BFGS' graph with so many older pairs of ``older``, but for its settings.

    With none it is the first call: the point before is the point itself.
    """
    shape, first = (1, canvas.channels, *size), seed * STREAMS
    extent = np.float32(canvas.high - canvas.low)

    def pair(number: int) -> tuple[Tensor, Tensor]:
        s = np.float32(0.1) * extent * (noise(shape, first + 2 + 2 * number) - np.float32(0.5))
        return s, s * (1 + noise(shape, first + 3 + 2 * number))

    image = np.float32(1.2) * noise(shape, first) - np.float32(0.1)  # some of it at the bounds
    image = np.float32(canvas.low) + extent * image.clip(0, 1)
    gradient = noise(shape, first + 1) - np.float32(0.5)
    s, y = pair(0) if pairs else (np.float32(0), np.float32(0))
    found = {
        "image": image,
        "gradient": gradient,
        "previous_image": image - s,
        "previous_gradient": gradient - y,
        "step": np.ones(1, np.float32),
        "gamma": np.array([0.5 if pairs else 0], np.float32),
    }
    for i in range(1, older + 1):
        s, y = pair(i) if i <= pairs else (np.zeros(shape, np.float32),) * 2
        curvature = float(np.vdot(s.astype(np.float64), y))
        rho = 1 / curvature if curvature else 0.0
        found |= {f"s_{i}": s, f"y_{i}": y, f"rho_{i}": np.array([rho], np.float32)}
    return found


def adam_inputs(
    canvas: Canvas, size: tuple[int, int], seed: int, steps: int
) -> tuple[Tensor, list[Tensor]]:
    """The image that Adam begins with, and the gradient of every step."""
    shape, first = (1, canvas.channels, *size), seed * STREAMS
    gradients = [noise(shape, first + 1 + k) - np.float32(0.5) for k in range(steps)]
    return picture(canvas, size, first), gradients
