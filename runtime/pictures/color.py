"""Colors: of one picture for another, and lightness and chroma apart.

A picture is (height, width, 3) float32 RGB in [0, 1], encoded as sRGB. All of it is done a band of
rows at a time, so that a result takes no memory beyond itself but a few MB. Inside, a band is
*planes*, (3, pixels).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .image import Picture

_Planes: TypeAlias = NDArray[np.float32]
_Matrix: TypeAlias = NDArray[np.float64]

_BAND = 1 << 14
"""Pixels, in whole rows: what a core's cache holds several times."""

_FLOOR = (3 / 255) ** 2
"""The least variance that tells how a picture's colors spread.

In 8 bits, rounding and what JPEG does to color err by one or two steps: a direction with less than
three is noise to a good part, or empty.
"""
_MOST_GAIN = 10.0
"""Of any direction: rounding to 8 bits, 0.3 steps rms, comes to no more than three."""

_HALVINGS = 16
_ROUNDING = 1e-5
"""Of linear RGB, against the light of a pixel: clipped, it changes L by 3e-6."""

# B. Ottosson, "A perceptual color space for image processing", 2020: the matrices of 2021-01-25 at
# bottosson.github.io/posts/oklab
_LMS64 = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB64 = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LMS_OF_RGB = _LMS64.astype(np.float32)
_LAB_OF_ROOTS = _LAB64.astype(np.float32)
_RGB_OF_LMS = np.linalg.inv(_LMS64).astype(np.float32)
_ROOTS_OF_LAB = np.linalg.inv(_LAB64).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (3,) and covariance (3, 3) of a picture's colors."""

    mean: _Matrix
    covariance: _Matrix


@dataclass(frozen=True, eq=False)
class ColorMap:
    """x' = A x + b of every color x; what leaves [0, 1] is clipped."""

    matrix: _Matrix
    offset: _Matrix

    def __call__(self, picture: Picture) -> Picture:
        """A picture in other colors."""
        matrix, offset = self.matrix.astype(np.float32), self.offset.astype(np.float32)[:, None]

        def mapped(colors: _Planes) -> _Planes:
            result = matrix @ colors
            result += offset
            return result.clip(0, 1, out=result)

        return _in_bands(mapped, picture)


def moments(picture: Picture) -> Moments:
    """Of its colors."""
    total, products = np.zeros(3), np.zeros((3, 3))
    for rows in _bands(picture):
        colors = picture[rows].reshape(-1, 3).astype(np.float64)
        total += colors.sum(axis=0)
        products += colors.T @ colors
    count = picture.shape[0] * picture.shape[1]
    mean = total / count
    return Moments(mean, products / count - np.outer(mean, mean))


def blend_moments(parts: Sequence[Moments], shares: Sequence[float]) -> Moments:
    """Of colors that are taken from each of several pictures as often as its share says."""
    weighed = list(zip(shares, parts, strict=True))
    mean = np.sum([share * one.mean for share, one in weighed], axis=0)
    between = [one.mean - mean for one in parts]
    covariance = np.sum(
        [
            share * (one.covariance + np.outer(far, far))
            for (share, one), far in zip(weighed, between, strict=True)
        ],
        axis=0,
    )
    return Moments(mean, covariance)


def transport(source: Moments, target: Moments, strength: float = 1.0) -> ColorMap:
    """What gives colors of some moments those of others, before the clip.

    x' = A (x - mean) + target's mean, with the Monge-Kantorovich map A = S^-1/2 (S^1/2 C S^1/2)^1/2
    S^-1/2, S and C the covariances: of all linear maps that give C, the one that moves colors the
    least (Pitié & Kokaram 2007, "The linear Monge-Kantorovitch linear colour mapping"). In RGB as
    it is encoded, as Gatys et al. 2017 do it ("Controlling perceptual factors in neural style
    transfer"). In directions in which the source has next to no variance, both are taken to have a
    little more, and nothing is magnified more than tenfold: so a flat picture gets the mean, a gray
    one at most a tint, and a picture that is like itself stays as it is.

    ``strength`` in [0, 1] goes straight from the colors that are there, 0, to the others: the
    displacement interpolation of optimal transport.
    """
    whole = _gains(source.covariance, target.covariance)
    matrix = strength * (whole - np.eye(3)) + np.eye(3)
    mean = source.mean + strength * (target.mean - source.mean)
    return ColorMap(matrix, mean - matrix @ source.mean)


def _gains(covariance: _Matrix, target: _Matrix) -> _Matrix:
    """The Monge-Kantorovich map of one covariance to another, (3, 3), symmetric.

    What ``covariance`` lacks to the floor is added to both, as the same noise in both pictures
    would: above the floor, and with gains below the limit, the map is the formula's.
    """
    variances, axes = np.linalg.eigh(covariance)
    lacking = np.maximum(_FLOOR - variances, 0)
    deviations = np.sqrt(variances + lacking)
    root, inverse = (axes * deviations) @ axes.T, (axes / deviations) @ axes.T
    inner, inner_axes = np.linalg.eigh(root @ (target + (axes * lacking) @ axes.T) @ root)
    inner_root = (inner_axes * np.sqrt(np.maximum(inner, 0))) @ inner_axes.T
    gains, directions = np.linalg.eigh(inverse @ inner_root @ inverse)
    return np.asarray((directions * np.minimum(gains, _MOST_GAIN)) @ directions.T)


def to_oklab(picture: Picture) -> Picture:
    """OKLab of a picture, (height, width, 3): L in [0, 1], and a and b, within 0.33 of 0."""
    return _in_bands(lambda colors: _LAB_OF_ROOTS @ _roots(colors), picture)


def from_oklab(lab: Picture) -> Picture:
    """The picture whose OKLab is ``lab``, (height, width, 3); it is clipped to [0, 1].

    There and back, a picture is the same to 3e-5: what float32 loses where a channel is next to 0.
    """
    return _in_bands(lambda colors: _encoded(_linear_of_roots(_ROOTS_OF_LAB @ colors)), lab)


def lightness_gray(picture: Picture) -> Picture:
    """The gray picture, three equal channels, that has the picture's L of OKLab in each pixel."""

    def gray(colors: _Planes) -> _Planes:
        lightness = _lightness(colors)
        return np.broadcast_to(_encoded(lightness * lightness * lightness), colors.shape)

    return _in_bands(gray, picture)


def with_chroma(picture: Picture, chroma_of: Picture) -> Picture:
    """L of ``picture``, and a and b of ``chroma_of``, which has the same size.

    Where sRGB has no such color, a and b are scaled by one factor, to 2^-16 the one that reaches
    the edge of sRGB: L, to 1e-5, and the hue stay.
    """

    def combined(colors: _Planes, others: _Planes) -> _Planes:
        chroma = _ROOTS_OF_LAB[:, 1:] @ (_LAB_OF_ROOTS[1:] @ _roots(others))
        return _encoded(_in_gamut(_lightness(colors), chroma))

    return _in_bands(combined, picture, chroma_of)


def _in_gamut(lightness: _Planes, chroma: _Planes) -> _Planes:
    """Linear RGB (3, pixels) of L (pixels,) and of what a and b add to the roots, (3, pixels).

    On the way from gray, a hue leaves sRGB once, and halving finds where. Only between 264.05 and
    264.2 degrees, next to pure blue, it comes back for a while: the factor may be that of the first
    edge or the last, up to 15 percent further.
    """
    linear = _linear_of_roots(lightness + chroma)
    outside = np.flatnonzero(~_is_inside(linear, lightness))
    if outside.size:
        lightness, chroma = lightness[outside], chroma[:, outside]
        factor = np.zeros_like(lightness)
        for halving in range(1, _HALVINGS + 1):
            trial = factor + np.float32(0.5**halving)
            inside = _is_inside(_linear_of_roots(lightness + trial * chroma), lightness)
            np.copyto(factor, trial, where=inside)
        linear[:, outside] = _linear_of_roots(lightness + factor * chroma)
    return linear


def _is_inside(linear: _Planes, lightness: _Planes) -> NDArray[np.bool_]:
    """Whether all three are in [0, 1], but for what float32 loses at that lightness."""
    least = lightness * lightness * lightness * -_ROUNDING
    inside: NDArray[np.bool_] = linear.min(axis=0) >= least
    inside &= linear.max(axis=0) <= 1 + _ROUNDING
    return inside


def _lightness(colors: _Planes) -> _Planes:
    return np.asarray(_LAB_OF_ROOTS[0] @ _roots(colors))


def _roots(colors: _Planes) -> _Planes:
    """Cube roots of LMS."""
    lms: _Planes = _LMS_OF_RGB @ _decoded(colors)
    np.cbrt(lms, out=lms)
    return lms


def _linear_of_roots(roots: _Planes) -> _Planes:
    return np.asarray(_RGB_OF_LMS @ (roots * roots * roots))


def _decoded(colors: _Planes) -> _Planes:
    """Linear RGB, by the transfer function of sRGB (IEC 61966-2-1)."""
    curve = (colors + 0.055) * (1 / 1.055)
    np.power(curve, 2.4, out=curve)
    np.multiply(colors, 1 / 12.92, out=curve, where=colors <= 0.04045)
    return curve


def _encoded(linear: _Planes) -> _Planes:
    """The inverse, of what is clipped to [0, 1]; x^(1 / 2.4) is r^(5 / 4) of the cube root r."""
    linear = linear.clip(0, 1)
    root = np.cbrt(linear)
    curve = np.sqrt(np.sqrt(root))
    curve *= root
    curve *= 1.055
    curve -= 0.055
    np.multiply(linear, 12.92, out=curve, where=linear <= 0.0031308)
    return curve


def _bands(picture: Picture) -> Iterator[slice]:
    height, width = picture.shape[:2]
    step = max(1, _BAND // width)
    return (slice(top, top + step) for top in range(0, height, step))


def _in_bands(operation: Callable[..., _Planes], *pictures: Picture) -> Picture:
    """What ``operation`` makes of the planes of each band."""
    result = np.empty(pictures[0].shape, np.float32)
    for rows in _bands(result):
        planes = [
            np.ascontiguousarray(picture[rows].reshape(-1, 3).T, np.float32) for picture in pictures
        ]
        result[rows].reshape(-1, 3).T[:] = operation(*planes)
    return result
