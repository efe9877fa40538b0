"""Colour profiles: from what they describe to sRGB.

LittleCMS, as Pillow has it, gives 8 bits a channel. A picture of 16 bits would show steps, so the
profiles that such pictures have, curves and a matrix, are computed here (ICC.1:2022, 8.3 and 10);
the others, which are tables, go through LittleCMS.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_COLORANTS = (b"rXYZ", b"gXYZ", b"bXYZ")
_CURVES = (b"rTRC", b"gTRC", b"bTRC")
_WHOLE = np.linspace(0, 1, 1 << 16)


def by_lcms(profile: bytes | None, mode: str) -> Callable[[Image.Image], Image.Image]:
    """From images of ``mode`` to RGB ones, with 8 bits; without a profile they are LAB.

    Raises:
        Exception: the profile is damaged, or is not for this mode.
    """
    source = (
        ImageCms.createProfile("LAB")
        if profile is None
        else ImageCms.ImageCmsProfile(BytesIO(profile))
    )
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")

    def convert(image: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None  # it is None only when converting in place
        return converted

    return convert


def by_numbers(
    profile: bytes, channels: int
) -> Callable[[NDArray[np.uint16]], NDArray[np.float32]] | None:
    """From (..., channels) 16-bit samples to float32 sRGB in [0, 1]; None: it has tables.

    ``channels`` is 3, or 1 for gray.
    """
    tags = _tags(profile)
    wanted = (b"kTRC",) if channels == 1 else (*_CURVES, *_COLORANTS)
    if b"A2B0" in tags or not all(tag in tags for tag in wanted):
        return None
    if channels == 1:
        gray = _encoded(_curve(tags[b"kTRC"])).astype(np.float32)
        return lambda samples: gray[samples]
    curves = [_curve(tags[name]).astype(np.float32) for name in _CURVES]
    standard = _tags(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    matrix = np.linalg.solve(_matrix(standard), _matrix(tags)).astype(np.float32)

    def convert(samples: NDArray[np.uint16]) -> NDArray[np.float32]:
        linear = np.stack([curve[samples[..., n]] for n, curve in enumerate(curves)], axis=-1)
        return _encoded(linear @ matrix.T)

    return convert


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * n) for n in range(min(count, 100)))
    return {name: profile[start : start + size] for name, start, size in entries}


def _matrix(tags: dict[bytes, bytes]) -> NDArray[np.float64]:
    columns = [struct.unpack_from(">3i", tags[name], 8) for name in _COLORANTS]
    return np.array(columns, np.float64).T / 65536


def _curve(data: bytes) -> NDArray[np.float64]:
    """Linear light for each 16-bit sample; black is 0, as with lcms' black point compensation."""
    light = _described(data, _WHOLE)
    return np.asarray(np.clip((light - light[0]) / (1 - light[0]), 0, 1))


def _described(data: bytes, x: NDArray[np.float64]) -> NDArray[np.float64]:
    if data[:4] == b"curv":
        (count,) = struct.unpack_from(">I", data, 8)
        values = np.frombuffer(data, ">u2", count, 12)
        if count <= 1:
            return np.asarray(x ** (values[0] / 256) if count else x)
        return np.asarray(np.interp(x, np.linspace(0, 1, count), values / 65535))
    (kind,) = struct.unpack_from(">H", data, 8)
    count = (1, 3, 4, 5, 7)[kind]
    found = [value / 65536 for value in struct.unpack_from(f">{count}i", data, 12)]
    g, (a, b, c, d, e, f) = found[0], _linear_part(kind, found[1:])
    power = np.maximum(a * x + b, 0) ** g + e
    return np.where(x >= d, power, c * x + f)


def _linear_part(kind: int, found: list[float]) -> tuple[float, ...]:
    """a, b, c, d, e, f of y = (a x + b)^g + e from d on, and c x + f below (ICC.1, table 68)."""
    if kind == 0:
        return 1, 0, 0, 0, 0, 0
    a, b, *rest = found
    if kind == 1:
        return a, b, 0, -b / a, 0, 0
    if kind == 2:
        return a, b, 0, -b / a, rest[0], rest[0]
    return (a, b, *rest, 0, 0)[:6]


def _encoded(linear: NDArray[np.floating]) -> NDArray[np.float32]:
    """IEC 61966-2-1: what sRGB stores for linear light."""
    light = np.clip(linear, 0, 1).astype(np.float32)
    bright = 1.055 * light ** np.float32(1 / 2.4) - 0.055
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, bright), np.float32)
