"""What profiles, gAMA, cHRM and cICP say of colours, against the formulas in float64.

The oracle goes from chromaticities to sRGB by XYZ at D65; nothing of it is a profile.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.runtime.pictures.image import read_picture

RNG = np.random.default_rng(31)
DEEP = RNG.integers(0, 65536, (24, 32, 3), dtype=np.uint16)
D65 = (0.3127, 0.3290)
SRGB = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
DISPLAY_P3 = (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
ADOBE_RGB = (*D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
REC_2020 = (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)


# The oracle


def to_xyz(chromaticities: tuple[float, ...]) -> np.ndarray:
    """From linear RGB; the columns are scaled so that white has Y 1."""
    points = np.array(chromaticities).reshape(4, 2)
    white, *colours = np.stack(
        [points[:, 0] / points[:, 1], np.ones(4), (1 - points.sum(1)) / points[:, 1]], 1
    )
    columns = np.array(colours).T
    return columns * np.linalg.inv(columns).dot(white)


def encoded(light: np.ndarray) -> np.ndarray:
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def decoded(samples: np.ndarray) -> np.ndarray:
    return np.where(samples <= 0.04045, samples / 12.92, ((samples + 0.055) / 1.055) ** 2.4)


def mapped(light: np.ndarray, chromaticities: tuple[float, ...]) -> np.ndarray:
    matrix = np.linalg.inv(to_xyz(SRGB)) @ to_xyz(chromaticities)
    return encoded(light @ matrix.T)


# PNG without a profile


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def gama(gamma: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))


def chrm(chromaticities: tuple[float, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(v * 100_000) for v in chromaticities)))


def png(path: Path, samples: np.ndarray, *chunks: bytes) -> Path:
    bits = 8 * samples.dtype.itemsize
    kind = {2: 0, 3: 2}[samples.ndim]
    rows = samples.astype(">u2") if bits == 16 else samples
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    body = chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def depths(samples: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """With 16 and with 8 bits: the samples, in [0, 1] too, and how exactly they are read."""
    eight = np.rint(samples / 257).astype(np.uint8)
    return [(samples, samples / 65535, 4e-4), (eight, eight / 255, 1.6 / 255)]


@pytest.mark.parametrize("gamma", [1.0, 0.7, 1 / 1.8, 0.5, 1 / 2.19921875, 1 / 2.6])
def test_gamma_alone(tmp_path: Path, gamma: float) -> None:
    """PNG, 11.3.2.2: a sample is the light to the power of gamma; gray too."""
    gamma = round(gamma, 5)
    for samples, unit, atol in depths(DEEP):
        found = read_picture(png(tmp_path / "a.png", samples, gama(gamma)))
        np.testing.assert_allclose(found, encoded(unit ** (1 / gamma)), rtol=0, atol=atol)
        gray = read_picture(png(tmp_path / "a.png", samples[:, :, 0], gama(gamma)))
        expected = encoded(unit[:, :, :1] ** (1 / gamma)).repeat(3, 2)
        np.testing.assert_allclose(gray, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB, REC_2020])
@pytest.mark.parametrize("gamma", [1.0, 0.5, 1 / 2.2])
def test_gamma_and_chromaticities(
    tmp_path: Path, gamma: float, primaries: tuple[float, ...]
) -> None:
    gamma = round(gamma, 5)
    for samples, unit, atol in depths(DEEP):
        path = png(tmp_path / "a.png", samples, gama(gamma), chrm(primaries))
        expected = mapped(unit ** (1 / gamma), primaries)
        np.testing.assert_allclose(read_picture(path), expected, rtol=0, atol=3 * atol)
        assert np.abs(read_picture(path) - expected).mean() < atol / 2


def test_chromaticities_alone_mean_srgbs_curve(tmp_path: Path) -> None:
    for samples, unit, atol in depths(DEEP):
        path = png(tmp_path / "a.png", samples, chrm(DISPLAY_P3))
        expected = mapped(decoded(unit), DISPLAY_P3)
        np.testing.assert_allclose(read_picture(path), expected, rtol=0, atol=3 * atol)


def test_another_white_is_white(tmp_path: Path) -> None:
    white = np.full((16, 16, 3), 255, np.uint8)
    equal_energy = (1 / 3, 1 / 3, *SRGB[2:])
    found = read_picture(png(tmp_path / "a.png", white, gama(0.5), chrm(equal_energy)))
    np.testing.assert_allclose(found, 1, atol=1.01 / 255)


@pytest.mark.parametrize(
    "chunks",
    [
        (chunk(b"sRGB", b"\0"), gama(1.0), chrm(DISPLAY_P3)),
        (gama(0.45455), chrm(SRGB)),  # what is written beside an sRGB chunk
        (gama(0.45455),),
        (gama(0.0),),
        (chrm((0,) * 8),),
        (chunk(b"gAMA", struct.pack(">I", 0xFFFFFFFF)), chrm((0.3127, 0.329, *[0.3] * 6))),
        (gama(0.00001),),
        (chunk(b"cICP", bytes([1, 13, 0, 1])), gama(1.0)),
        (chunk(b"cICP", bytes([9, 16, 0, 1])),),  # perceptual quantizer: not for this range
    ],
)
def test_what_means_srgb(tmp_path: Path, chunks: tuple[bytes, ...]) -> None:
    path = png(tmp_path / "a.png", DEEP, *chunks)
    np.testing.assert_allclose(read_picture(path), DEEP / 65535, rtol=0, atol=4e-4)


def test_code_points_come_before_all_else(tmp_path: Path) -> None:
    """PNG, 4.3; and a Pillow image that is not loaded has them too."""
    code = chunk(b"cICP", bytes([12, 13, 0, 1]))
    path = png(tmp_path / "a.png", DEEP, code, chunk(b"sRGB", b"\0"), gama(1.0))
    expected = mapped(decoded(DEEP / 65535), DISPLAY_P3)
    np.testing.assert_allclose(read_picture(path), expected, rtol=0, atol=1.2e-3)
    with Image.open(path) as image:
        np.testing.assert_allclose(read_picture(image), expected, rtol=0, atol=1.2e-3)


def test_a_transparent_colour_is_no_matter_of_gamma(tmp_path: Path) -> None:
    key = chunk(b"tRNS", struct.pack(">3H", *DEEP[3, 4]))
    found = read_picture(png(tmp_path / "a.png", DEEP, gama(1.0), key))
    expected = encoded(DEEP / 65535)
    expected[(DEEP[3, 4] == DEEP).all(2)] = 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=4e-4)


# Profiles of wide gamut, and of inks. ICC.1:2022, 7: the layout, written here.

PUBLISHED = {  # colorants at D50, as their publishers give them
    "Display P3": (
        DISPLAY_P3,
        ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
        b"para\0\0\0\0\0\3\0\0" + struct.pack(">5i", 157286, 62119, 3417, 5072, 2651),
        decoded,
    ),
    "Adobe RGB (1998)": (
        ADOBE_RGB,
        ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
        b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", 0x233),
        lambda samples: samples ** (0x233 / 256),
    ),
}


def s15(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def icc(space: bytes, kind: bytes, tags: dict[bytes, bytes], pcs: bytes = b"XYZ ") -> bytes:
    tags = {b"wtpt": b"XYZ \0\0\0\0" + s15(0.9642, 1, 0.8249), **tags}
    offset, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += struct.pack(">4sII", name, offset + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    head = struct.pack(">I4sI4s4s4s", offset + len(data), b"", 0x02400000, kind, space, pcs)
    head = (head + bytes(12) + b"acsp").ljust(68, b"\0") + s15(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + table + data


@pytest.mark.parametrize("name", PUBLISHED)
def test_wide_gamut_is_mapped_to_srgb(tmp_path: Path, name: str) -> None:
    primaries, colorants, curve, light = PUBLISHED[name]
    tags = {b"%cXYZ" % c: b"XYZ \0\0\0\0" + s15(*v) for c, v in zip(b"rgb", colorants, strict=True)}
    profile = icc(b"RGB ", b"mntr", {**tags, **{b"%cTRC" % c: curve for c in b"rgb"}})
    packed = chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))
    for samples, unit, atol in depths(DEEP):
        expected = mapped(light(unit), primaries)
        found = read_picture(png(tmp_path / "a.png", samples, packed, gama(1.0)))  # no matter here
        np.testing.assert_allclose(found, expected, rtol=0, atol=4 * atol)
        assert np.abs(found - expected).mean() < atol / 2
        assert np.abs(expected - unit).mean() > 0.02
    smooth = (
        np.linspace((180, 90, 100), (100, 160, 120), 64 * 64).reshape(64, 64, 3).astype(np.uint8)
    )
    expected = mapped(light(smooth / 255), primaries)
    for suffix, options in {
        ".jpg": {"quality": 100, "subsampling": 0},
        ".webp": {"lossless": True},
        ".tif": {},
        ".avif": {"quality": 100, "subsampling": "4:4:4"},
    }.items():
        path = tmp_path / f"a{suffix}"
        Image.fromarray(smooth).save(path, icc_profile=profile, **options)
        np.testing.assert_allclose(read_picture(path), expected, rtol=0, atol=6 / 255)
        assert np.abs(read_picture(path) - expected).mean() < 1 / 255


def test_a_profile_of_inks_gives_its_colours(tmp_path: Path) -> None:
    """A table (lut16, ICC.1:2022, 10.10) whose corners are colours of our own choice, in XYZ."""
    corners = RNG.uniform(0.15, 0.85, (16, 3))
    corners[0], corners[15] = 1, 0  # paper is white, all inks are black
    to_d50 = np.array(
        [[0.43607, 0.38515, 0.14308], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
    )
    values = np.rint(decoded(corners) @ to_d50.T * 32768).clip(0, 65535).astype(">u2").tobytes()
    head = b"mft2\0\0\0\0" + bytes([4, 3, 2, 0]) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1)
    straight = np.array([0, 65535], ">u2").tobytes()
    table = head + struct.pack(">HH", 2, 2) + straight * 4 + values + straight * 3
    profile = icc(b"CMYK", b"prtr", {b"A2B0": table})
    for inks, expected in zip(itertools.product((0, 255), repeat=4), corners, strict=True):
        image = Image.new("CMYK", (16, 16), inks)
        for suffix, options in ((".tif", {}), (".jpg", {"quality": 100})):
            path = tmp_path / f"a{suffix}"
            image.save(path, icc_profile=profile, **options)
            found = read_picture(path)
            np.testing.assert_allclose(
                found, np.broadcast_to(expected, found.shape), atol=3 / 255, err_msg=str(inks)
            )
