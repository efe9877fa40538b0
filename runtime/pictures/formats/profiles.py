"""Colour profiles: from what they describe to sRGB.

LittleCMS, as Pillow has it, gives 8 bits a channel. A picture of 16 bits would show steps, so the
profiles that such pictures have, curves and a matrix, are computed here (ICC.1:2022, 8.3 and 10);
the others, which are tables, go through LittleCMS. What a PNG says of its colours without a profile
is made one.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

_COLORANTS = (b"rXYZ", b"gXYZ", b"bXYZ")
_CURVES = (b"rTRC", b"gTRC", b"bTRC")
_WHOLE = np.linspace(0, 1, 1 << 16)

D65 = (0.3127, 0.3290)
SRGB = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""x and y of white, red, green and blue."""
_SRGB_CURVE = (3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # ICC.1, table 68
_PRIMARIES = {  # ITU-T H.273, table 2
    1: SRGB,
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_TRANSFERS = {4: (0, 2.2), 5: (0, 2.8), 8: (0, 1.0), 13: _SRGB_CURVE}  # table 3
_FULL_RANGE_RGB = b"\0\1"
_D50 = np.array([0.9642, 1, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


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


def of_code_points(code: bytes) -> bytes | None:
    """The profile that a PNG's cICP means; None for video levels and for light beyond white."""
    primaries, curve = _PRIMARIES.get(code[0]), _TRANSFERS.get(code[1])
    if primaries is None or curve is None or code[2:] != _FULL_RANGE_RGB:
        return None
    return _made(curve, primaries)


def of_chunks(gamma: float | None, chromaticities: tuple[float, ...] | None) -> bytes | None:
    """The profile that a PNG's gAMA and cHRM mean; None: sRGB.

    A sample is the light to the power of ``gamma`` (PNG, 11.3.2.2). What the standard recommends to
    write beside an sRGB chunk, 0.45455 and sRGB's primaries, is understood as sRGB here, as
    libpng does: it is what is left where that chunk was lost. Zero and less mean nothing.
    """
    primaries = chromaticities or SRGB
    if gamma is not None and gamma <= 0:
        gamma = None
    standard = max(abs(a - b) for a, b in zip(primaries, SRGB, strict=True)) < 1e-3
    if standard and (gamma is None or round(gamma, 5) == 0.45455):
        return None
    return _made(_SRGB_CURVE if gamma is None else (0, 1 / gamma), primaries)


def for_gray(profile: bytes) -> bytes:
    """What ``of_chunks`` or ``of_code_points`` made, for pictures of one channel."""
    return _profile(b"GRAY", {b"kTRC": _tags(profile)[b"rTRC"]})


def _made(curve: tuple[float, ...], primaries: tuple[float, ...]) -> bytes:
    """A profile of one curve, parametric, and of the chromaticities of white, red, green, blue."""
    white, *colours = (
        np.array([x / y, 1, (1 - x - y) / y])
        for x, y in zip(primaries[::2], primaries[1::2], strict=True)
    )
    columns = np.array(colours).T
    columns = columns * np.linalg.solve(columns, white)
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    adapted = np.linalg.solve(_BRADFORD, cones @ _BRADFORD @ columns)
    kind, *values = curve
    body = b"para\0\0\0\0" + struct.pack(">HH", int(kind), 0) + _fixed(values)
    tags = {
        name: b"XYZ \0\0\0\0" + _fixed(c) for name, c in zip(_COLORANTS, adapted.T, strict=True)
    }
    return _profile(b"RGB ", {**tags, **dict.fromkeys(_CURVES, body)})


def _fixed(values: Iterable[float]) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A display profile (ICC.1:2022, 7)."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + _fixed(_D50), **tags}
    offset, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += struct.pack(">4sII", name, offset + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    head = struct.pack(">I4sI4s4s4s", offset + len(data), b"", 0x04300000, b"mntr", space, b"XYZ ")
    head = (head + bytes(12) + b"acsp").ljust(68, b"\0") + _fixed(_D50)
    return head.ljust(128, b"\0") + table + data


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
