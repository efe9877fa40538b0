"""How near a picture is to the style and to the photograph, and what is wrong with it.

Pictures are (height, width, 3) in [0, 1]. What needs features gets them; the rest needs no network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, uniform_filter

Array = NDArray[np.floating]
WINDOWS, OVERLAP = 4, 0.5
"""Windows in each direction, and how much of one the next covers."""
WORST, FLATTEST = 0.1, 0.25
FLAT_WINDOW = 9
LUMINANCE = np.array([0.299, 0.587, 0.114])
BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16
"""Takes the highest octave away: a quarter is left where the octave begins, nothing at its end. At
the edges pixels are mirrored, which continues a checkerboard as one."""
TINY = 1e-12


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of features."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @staticmethod
    def of(features: Array) -> Gaussian:
        """Of all positions; channels come last."""
        flat = np.asarray(features, np.float64).reshape(-1, features.shape[-1])
        centred = flat - flat.mean(axis=0)
        return Gaussian(flat.mean(axis=0), centred.T @ centred / len(flat))


def wasserstein(one: Gaussian, other: Gaussian) -> float:
    """Squared 2-Wasserstein distance.

    ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2)``. The roots by eigenvalues, where those
    that rounding made negative are 0: there may be fewer positions than channels.
    """
    values, vectors = np.linalg.eigh(one.covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    between = np.linalg.eigvalsh(root @ other.covariance @ root)
    spread = np.trace(one.covariance) + np.trace(other.covariance)
    distance = np.sum((one.mean - other.mean) ** 2) + spread - 2 * np.sqrt(between.clip(0)).sum()
    return max(float(distance), 0.0)


def style(
    picture: Sequence[Gaussian], photograph: Sequence[Gaussian], painted: Sequence[Gaussian]
) -> float:
    """How much of the photograph's distance to the style is left: 1 is all of it, 0 the style.

    Over depths and sizes the mean is geometric: then the ratio of two pictures of a pair does not
    depend on how far the photograph happened to be at each.
    """
    shares = [
        wasserstein(got, wanted) / max(wasserstein(had, wanted), TINY)
        for got, had, wanted in zip(picture, photograph, painted, strict=True)
    ]
    return geometric(shares)


def worst(picture: Array, photograph: Array, painted: Gaussian) -> float:
    """Of windows of feature maps: the worst tenth's distance, by the photograph's worst tenth's."""
    return _worst(picture, painted) / max(_worst(photograph, painted), TINY)


def content(picture: Array, photograph: Array) -> float:
    """Mean cosine of feature maps, position by position."""
    lengths = np.linalg.norm(picture, axis=-1) * np.linalg.norm(photograph, axis=-1)
    return float(np.mean(np.sum(picture * photograph, axis=-1) / np.maximum(lengths, TINY)))


def grain(picture: Array, painted: Array) -> float:
    """Energy of the highest octave of luminance, by the style's."""
    return _energy(octave(picture)) / max(_energy(octave(painted)), TINY)


def grain_flat(picture: Array, photograph: Array, painted: Array) -> float:
    """The same inside the flattest quarter of the photograph, where a weave shows; by all of the
    style's, since a style need have no flat part.
    """
    inside = octave(picture)[flattest(photograph)]
    return _energy(inside) / max(_energy(octave(painted)), TINY)


def clipped(picture: Array) -> float:
    """Share of samples that are 0 or 255."""
    return float(np.mean((picture <= 0) | (picture >= 1)))


def octave(picture: Array) -> NDArray[np.float64]:
    """Luminance without what is left when it is blurred."""
    luminance = blurred = _luminance(picture)
    for axis in (0, 1):
        blurred = convolve1d(blurred, BINOMIAL, axis, mode="mirror")
    highest: NDArray[np.float64] = luminance - blurred
    return highest


def flattest(photograph: Array) -> NDArray[np.bool_]:
    """Where the quarter of the pixels is around which luminance varies least."""
    luminance = _luminance(photograph)
    mean = uniform_filter(luminance, FLAT_WINDOW)
    varies = uniform_filter((luminance - mean) ** 2, FLAT_WINDOW)
    order = np.argsort(varies, axis=None, kind="stable")
    chosen = np.zeros(varies.size, np.bool_)
    chosen[order[: math.ceil(FLATTEST * varies.size)]] = True
    return chosen.reshape(varies.shape)


def windows(features: Array) -> list[Array]:
    """A grid of them, each overlapping the next by a half."""
    height, width = features.shape[:2]
    return [
        features[top:bottom, left:right]
        for top, bottom in _cuts(height)
        for left, right in _cuts(width)
    ]


def geometric(values: Iterable[float]) -> float:
    """Mean; 0 counts as next to nothing, so that a mean with one is still a number."""
    return math.exp(np.mean([math.log(max(value, TINY)) for value in values]))


def _luminance(picture: Array) -> NDArray[np.float64]:
    luminance: NDArray[np.float64] = np.asarray(picture, np.float64) @ LUMINANCE
    return luminance


def _energy(values: Array) -> float:
    return float(np.mean(values**2))


def _cuts(side: int) -> list[tuple[int, int]]:
    """First and last + 1."""
    length = side / (1 + (WINDOWS - 1) * (1 - OVERLAP))
    starts = [number * length * (1 - OVERLAP) for number in range(WINDOWS)]
    return [(int(start), max(int(start) + 1, round(start + length))) for start in starts]


def _worst(features: Array, painted: Gaussian) -> float:
    distances = sorted(wasserstein(Gaussian.of(part), painted) for part in windows(features))
    return float(np.mean(distances[-math.ceil(WORST * len(distances)) :]))
