"""Weights that no file holds: a stream of random bits, and a table that they look values up in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

VALUES = 256
UNIT = 64
"""Bytes, of which a file of weights has a multiple."""


@dataclass(frozen=True, kw_only=True)
class Random:
    """One kernel of normally distributed weights, as a codebook that is made, not kept."""

    generator: Literal["philox4x64-10"]
    """Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"."""
    seed: int
    """The key's lower half; its upper half is 0."""
    shape: tuple[int, ...]
    deviation: float
    """The weights' standard deviation, nearly: that of the distribution the table is cut from."""

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return -(-(4 * VALUES + math.prod(self.shape)) // UNIT) * UNIT


def make_table(random: Random) -> NDArray[np.float32]:
    """(256,): the middle quantiles of a normal distribution, in order."""
    quantile = NormalDist().inv_cdf
    values = [random.deviation * quantile((k + 0.5) / VALUES) for k in range(VALUES)]
    return np.array(values, np.float32)


def make_index(random: Random) -> NDArray[np.uint8]:
    """Of the kernel's shape: a byte of the stream for each weight, in order.

    NumPy promises the raw bits of a generator for good, not the numbers that it makes of them.
    """
    count = math.prod(random.shape)
    words = np.random.Philox(key=random.seed).random_raw(-(-count // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:count].reshape(random.shape)


def make_weights(random: Random) -> bytes:
    """What ``weights.bin`` would hold: the table, the index, and zeros up to a multiple of 64."""
    table, index = make_table(random).astype("<f4"), make_index(random)
    return (table.tobytes() + index.tobytes()).ljust(random.size, b"\0")
