"""Depths and layouts beyond 8 bits a channel, and what TIFFs and PNGs may do with white and keys.

PNGs are written here after the specification; TIFFs by tifffile, which shares nothing with Pillow.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.image import picture_size, read_picture

RNG = np.random.default_rng(23)
DEEP = RNG.integers(0, 65536, (19, 29, 4), dtype=np.uint16)
BYTES = RNG.integers(0, 256, (19, 29, 4), dtype=np.uint8)
RAMP = np.broadcast_to(np.linspace(0.40, 0.42, 128)[None, :, None], (16, 128, 3))


def on_white(samples: np.ndarray, white: int = 65535) -> np.ndarray:
    """Of (height, width, 1 to 4): gray or RGB, the last of 2 or 4 being alpha."""
    unit = samples.astype(float) / white
    channels = unit.shape[2]
    colour = unit[:, :, : 1 if channels < 3 else 3]
    if channels in {2, 4}:
        alpha = unit[:, :, -1:]
        colour = colour * alpha + 1 - alpha
    return np.broadcast_to(colour, (*unit.shape[:2], 3))


def assert_reads(path: Path, expected: np.ndarray, atol: float = 1e-6) -> None:
    if expected.ndim == 2:
        expected = np.stack([expected] * 3, axis=2)
    np.testing.assert_allclose(read_picture(path), expected, rtol=0, atol=atol)


# PNG


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(samples: np.ndarray, bits: int) -> list[bytes]:
    """The rows of (height, width, channels) samples, most significant bits first."""
    rows = samples.reshape(len(samples), -1)
    if bits == 16:
        return [row.astype(">u2").tobytes() for row in rows]
    digits = (rows[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
    return [np.packbits(row.reshape(-1).astype(np.uint8)).tobytes() for row in digits]


def filtered(rows: Iterable[bytes], pixel: int) -> bytes:
    """PNG, 9: the five filters in turn."""
    out, above = b"", b""
    for index, text in enumerate(rows):
        row, kind = np.frombuffer(text, np.uint8).astype(int), index % 5
        up = np.frombuffer(above or bytes(len(text)), np.uint8).astype(int)
        left = np.concatenate([np.zeros(pixel, int), row])[: len(row)]
        corner = np.concatenate([np.zeros(pixel, int), up])[: len(row)]
        guess = left + up - corner
        far = [abs(guess - value) for value in (left, up, corner)]
        paeth = np.where(
            (far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], up, corner)
        )
        predicted = [0, left, up, (left + up) // 2, paeth][kind]
        out += bytes([kind]) + ((row - predicted) % 256).astype(np.uint8).tobytes()
        above = text
    return out


ADAM7 = (
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
    *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
)


def png(
    samples: np.ndarray,
    bits: int,
    *chunks: bytes,
    interlaced: bool = False,
    palette: bytes = b"",
) -> bytes:
    height, width, channels = samples.shape
    kind = 3 if palette else {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    chunks = (chunk(b"PLTE", palette), *chunks) if palette else chunks
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    pixel = max(1, channels * bits // 8)
    data = b"".join(
        filtered(packed(samples[y::rows, x::columns], bits), pixel)
        for y, x, rows, columns in passes
        if samples[y::rows, x::columns].size
    )
    body = chunk(b"IHDR", header) + b"".join(chunks)
    body += chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def written(folder: Path, content: bytes, name: str = "a.png") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_pngs_of_every_colour_type(
    tmp_path: Path, bits: int, channels: int, interlaced: bool
) -> None:
    samples = (DEEP if bits == 16 else BYTES)[:, :, :channels]
    path = written(tmp_path, png(samples, bits, interlaced=interlaced))
    assert_reads(path, on_white(samples, (1 << bits) - 1))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_gray_png_with_a_transparent_value(tmp_path: Path, bits: int, interlaced: bool) -> None:
    white = (1 << bits) - 1
    samples = RNG.integers(0, white + 1, (19, 29, 1))
    for key in (int(samples[3, 4, 0]), 0, white):
        transparency = chunk(b"tRNS", struct.pack(">H", key))
        path = written(tmp_path, png(samples, bits, transparency, interlaced=interlaced))
        expected = np.where(samples == key, 1, samples / white)
        assert_reads(path, np.repeat(expected, 3, 2))
    assert_reads(written(tmp_path, png(samples, bits)), on_white(samples, white))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_png_with_a_palette_and_transparency(tmp_path: Path, bits: int, interlaced: bool) -> None:
    """The last colour has no entry: it is opaque."""
    colours = RNG.integers(0, 256, (1 << bits, 3), dtype=np.uint8)
    alpha = RNG.integers(0, 256, (1 << bits, 1), dtype=np.uint8)
    alpha[-1] = 255
    indices = RNG.integers(0, 1 << bits, (19, 29))
    transparency = chunk(b"tRNS", alpha[:-1].tobytes())
    content = png(
        indices[:, :, None], bits, transparency, interlaced=interlaced, palette=colours.tobytes()
    )
    expected = on_white(np.concatenate([colours, alpha], 1)[indices], 255)
    assert_reads(written(tmp_path, content), expected)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_colour_is_compared_with_all_bits(tmp_path: Path, bits: int) -> None:
    """Its neighbours, one level off in one channel, stay; as do those that share its high bytes."""
    white = (1 << bits) - 1
    samples = np.tile((DEEP if bits == 16 else BYTES)[3, 4, :3], (16, 16, 1)).astype(int)
    samples[0, 0] ^= [0, 0, 1]
    samples[5, 6] ^= [1, 0, 0]
    key = samples[8, 8]
    path = written(tmp_path, png(samples, bits, chunk(b"tRNS", struct.pack(">3H", *key))))
    assert_reads(path, np.where((samples == key).all(2, keepdims=True), 1, samples / white))


def test_a_key_has_no_more_bits_than_the_samples(tmp_path: Path) -> None:
    """PNG, 11.3.2.1: only the least significant ones count."""
    samples = np.arange(256).reshape(16, 16, 1) % 4
    path = written(tmp_path, png(samples, 2, chunk(b"tRNS", struct.pack(">H", 0xFF01))))
    assert_reads(path, np.repeat(np.where(samples == 1, 1, samples / 3), 3, 2))


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("profiled", [False, True])
def test_a_ramp_keeps_its_levels(tmp_path: Path, channels: int, profiled: bool) -> None:
    samples = np.rint(RAMP * 65535).astype(np.uint16)[:, :, :1].repeat(channels, 2)
    if channels == 4:
        samples[:, :, 3] = 65535
    profile = gray_profile(2.2) if channels == 1 else srgb()
    path = written(tmp_path, png(samples, 16, *([iccp(profile)] if profiled else [])))
    picture = read_picture(path)
    assert len(np.unique(picture[0, :, 1])) == 128
    assert (np.diff(picture[0, :, 1]) > 0).all()
    np.testing.assert_allclose(picture, RAMP, atol=0.004 if profiled else 1e-5)


def test_a_pillow_image_that_is_not_loaded_has_all_bits_too(tmp_path: Path) -> None:
    path = written(tmp_path, png(DEEP, 16))
    with Image.open(path) as image:
        np.testing.assert_allclose(read_picture(image), on_white(DEEP), rtol=0, atol=1e-6)
        np.testing.assert_array_equal(np.asarray(image), DEEP >> 8)  # and may be used further
        np.testing.assert_allclose(read_picture(image), on_white(DEEP), rtol=0, atol=1 / 128)


# Profiles of pictures with 16 bits, against LittleCMS on what 8 bits can say


def s15(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def icc(space: bytes, tags: dict[str, bytes]) -> bytes:
    """An ICC 4.3 display profile, after ICC.1:2010, 7."""
    tags = {"wtpt": b"XYZ \0\0\0\0" + s15(0.9642, 1, 0.8249), **tags}
    offset, table, data = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += struct.pack(">4sII", name.encode(), offset + len(data), len(body))
        data += body + b"\0" * (-len(body) % 4)
    head = struct.pack(">I4sI4s4s4s", offset + len(data), b"", 0x04300000, b"mntr", space, b"XYZ ")
    head = (head + bytes(12) + b"acsp").ljust(68, b"\0") + s15(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + table + data


def gray_profile(gamma: float) -> bytes:
    return icc(b"GRAY", {"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))})


def parametric(kind: int, *values: float) -> bytes:
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + s15(*values)


def table(values: np.ndarray) -> bytes:
    samples = np.rint(values * 65535).astype(">u2").tobytes()
    return b"curv\0\0\0\0" + struct.pack(">I", len(values)) + samples


CURVES = {
    "linear": (b"curv\0\0\0\0" + struct.pack(">I", 0), lambda x: x),
    "gamma": (b"curv\0\0\0\0" + struct.pack(">IH", 1, 0x1C0), lambda x: x**1.75),
    "table": (table(np.linspace(0, 1, 4096) ** 2.4), lambda x: x**2.4),
    "power": (parametric(0, 2.25), lambda x: x**2.25),
    "cut": (parametric(1, 2, 1.5, -0.5), lambda x: np.maximum(1.5 * x - 0.5, 0) ** 2),
    "lifted": (parametric(2, 2, 0.75, 0.125, 0.125), lambda x: (0.75 * x + 0.125) ** 2 + 0.125),
    "two parts": (
        parametric(3, 2, 0.75, 0.25, 0.5, 0.25),
        lambda x: np.where(x >= 0.25, (0.75 * x + 0.25) ** 2, 0.5 * x),
    ),
    "all seven": (
        parametric(4, 2, 0.75, 0.125, 0.5, 0.25, 0.125, 0.0625),
        lambda x: np.where(x >= 0.25, (0.75 * x + 0.125) ** 2 + 0.125, 0.5 * x + 0.0625),
    ),
}
ADOBE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).profile
STANDARD = [getattr(_SRGB, f"{name}_colorant")[0] for name in ("red", "green", "blue")]


def encoded(linear: np.ndarray) -> np.ndarray:
    light = linear.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def linear(curve: str, unit: np.ndarray) -> np.ndarray:
    """Black is taken to black."""
    formula = CURVES[curve][1]
    black = formula(np.zeros(1))
    return (formula(unit) - black) / (1 - black)


@pytest.mark.parametrize("curve", CURVES)
def test_a_gray_profile_is_computed_with_all_bits(tmp_path: Path, curve: str) -> None:
    profile = iccp(icc(b"GRAY", {"kTRC": CURVES[curve][0]}))
    for samples, bits in ((DEEP[:, :, :1], 16), (BYTES[:, :, :1], 8)):
        expected = encoded(linear(curve, samples / ((1 << bits) - 1)))
        assert_reads(
            written(tmp_path, png(samples, bits, profile)), np.repeat(expected, 3, 2), 1e-4
        )


@pytest.mark.parametrize("curve", CURVES)
def test_an_rgb_profile_is_computed_with_all_bits(tmp_path: Path, curve: str) -> None:
    """And LittleCMS says the same, as far as 8 bits can."""
    body = CURVES[curve][0]
    columns = {f"{n}XYZ": b"XYZ \0\0\0\0" + s15(*c) for n, c in zip("rgb", ADOBE, strict=True)}
    profile = iccp(icc(b"RGB ", {**columns, **{f"{n}TRC": body for n in "rgb"}}))
    samples = DEEP[:, :, :3]
    matrix = np.linalg.solve(np.array(STANDARD).T, np.array(ADOBE).T)
    expected = encoded(linear(curve, samples / 65535) @ matrix.T)
    assert_reads(written(tmp_path, png(samples, 16, profile)), expected, 4e-4)
    exact = read_picture(
        written(tmp_path, png(BYTES[:, :, :3].astype(np.uint16) * 257, 16, profile))
    )
    roughly = read_picture(written(tmp_path, png(BYTES[:, :, :3], 8, profile)))
    lifted = CURVES[curve][1](np.zeros(1)) > 0  # then lcms interpolates in a coarse table
    assert np.abs(exact - roughly).max() < (0.06 if lifted else 1.01 / 255)
    assert np.abs(exact - roughly).mean() < 0.5 / 255


def test_a_profile_of_tables_is_applied_with_8_bits(tmp_path: Path) -> None:
    grid = np.array([[0, 1]] * 3, float)  # XYZ of the 8 corners: the channels are swapped
    corners = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(-1, 3)[:, ::-1]
    profile = lut_profile(corners @ np.array(ADOBE))
    path = written(tmp_path, png(DEEP[:, :, :3], 16, iccp(profile)))
    eight = np.rint(DEEP[:, :, :3] / 257).astype(np.uint8)
    plain = written(tmp_path, png(eight, 8, iccp(profile)), "b.png")
    assert np.abs(read_picture(plain) - on_white(eight, 255)).max() > 0.2
    assert_reads(path, read_picture(plain), 1e-6)


def lut_profile(corners: np.ndarray) -> bytes:
    """A table of two steps a side, lut16 (ICC.1:2010, 10.10)."""
    scale = np.rint(corners * 32768).clip(0, 65535).astype(">u2").tobytes()
    straight = np.array([0, 65535] * 3, ">u2").tobytes()
    head = b"mft2\0\0\0\0" + bytes([3, 3, 2, 0]) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return icc(b"RGB ", {"A2B0": head + struct.pack(">HH", 2, 2) + straight + scale + straight})


@pytest.mark.parametrize("profile", [b"not one", srgb()[:300], gray_profile(2.2)])
def test_profiles_that_do_not_fit_mean_srgb_at_16_bits_too(tmp_path: Path, profile: bytes) -> None:
    path = written(tmp_path, png(DEEP[:, :, :3], 16, iccp(profile)))
    assert_reads(path, on_white(DEEP[:, :, :3]))


# TIFF


def tiff(path: Path, samples: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path / "a.tif", samples, metadata=None, **options)
    return path / "a.tif"


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("kind", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float32])
def test_gray_tiffs_with_either_white(
    tmp_path: Path, dtype: Any, kind: str, compression: str | None, byteorder: str
) -> None:
    samples = (DEEP[:, :, 0] / 65535).astype(dtype) if dtype == np.float32 else None
    if samples is None:
        samples = DEEP[:, :, 0] > 30000 if dtype is bool else DEEP[:, :, 0].astype(dtype)
    white = {bool: 1, np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    path = tiff(tmp_path, samples, photometric=kind, byteorder=byteorder, compression=compression)
    unit = samples.astype(float) / white
    assert_reads(path, 1 - unit if kind == "miniswhite" else unit)


def test_white_is_zero_in_a_big_tiff_and_in_a_pillow_image(tmp_path: Path) -> None:
    samples = DEEP[:, :, 0]
    path = tiff(tmp_path, samples, photometric="miniswhite", bigtiff=True, byteorder="<")
    assert_reads(path, 1 - samples / 65535)
    path = tiff(tmp_path, samples, photometric="miniswhite", byteorder="<")
    for load in (False, True):
        with Image.open(path) as image:
            if load:
                image.load()
            np.testing.assert_allclose(read_picture(image)[:, :, 0], 1 - samples / 65535, atol=1e-6)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_tiffs(
    tmp_path: Path, channels: int, tile: Any, compression: str | None, byteorder: str
) -> None:
    samples = DEEP[:, :, :channels]
    options = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    options |= {"compression": compression, "predictor": bool(compression)}
    path = tiff(tmp_path, samples, photometric="rgb", tile=tile, byteorder=byteorder, **options)
    assert_reads(path, on_white(samples))


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_premultiplied_16_bit_colour(tmp_path: Path, byteorder: str) -> None:
    alpha = DEEP[:, :, 3:]
    multiplied = np.rint(DEEP[:, :, :3] / 65535 * alpha).astype(np.uint16)
    samples = np.concatenate([multiplied, alpha], 2)
    path = tiff(
        tmp_path, samples, photometric="rgb", extrasamples=["assocalpha"], byteorder=byteorder
    )
    expected = (multiplied + 65535.0 - alpha) / 65535
    assert_reads(path, expected, 2e-5)


def test_a_fourth_channel_that_is_no_alpha(tmp_path: Path) -> None:
    path = tiff(tmp_path, DEEP, photometric="rgb", extrasamples=["unspecified"])
    assert_reads(path, on_white(DEEP[:, :, :3]))


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_channels_that_are_apart(tmp_path: Path, compression: str | None) -> None:
    apart = {"photometric": "rgb", "planarconfig": "separate", "compression": compression}
    path = tiff(tmp_path, BYTES[:, :, :3].transpose(2, 0, 1), **apart)
    assert_reads(path, on_white(BYTES[:, :, :3], 255))
    path = tiff(tmp_path, DEEP[:, :, :3].transpose(2, 0, 1), **apart)
    with pytest.raises(ImageError, match=r"a.tif keeps its channels apart, with 16 bits .*; save"):
        read_picture(path)


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_signed_samples(tmp_path: Path, dtype: Any) -> None:
    path = tiff(tmp_path, DEEP[:, :, 0].astype(dtype), photometric="minisblack")
    with pytest.raises(ImageError, match=r"^\S+a.tif has signed samples; save it with unsigned"):
        read_picture(path)


def plain_tiff(
    rows: list[bytes], width: int, bits: int, photometric: int, order: str, colours: np.ndarray
) -> bytes:
    """One strip of packed samples, which tifffile does not write."""
    data, start = b"".join(rows), 10 + 12 * 10 + 4
    longs = {256: width, 257: len(rows), 273: start, 278: len(rows), 279: len(data)}
    shorts = {258: bits, 259: 1, 262: photometric, 277: 1}
    entries = [struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in longs.items()]
    entries += [struct.pack(order + "HHIHH", tag, 3, 1, value, 0) for tag, value in shorts.items()]
    entries += [struct.pack(order + "HHII", 320, 3, colours.size, start + len(data))]
    entries.sort(key=lambda entry: struct.unpack_from(order + "H", entry))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return head + b"".join(entries) + bytes(4) + data + colours.astype(order + "u2").tobytes()


def test_12_bit_gray(tmp_path: Path) -> None:
    samples = DEEP[:, :28, :1] >> 4
    content = plain_tiff(packed(samples, 12), 28, 12, 1, "<", np.zeros(4))
    assert_reads(written(tmp_path, content, "a.tif"), on_white(samples, 4095))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("factor", [1, 257])
def test_palettes(tmp_path: Path, bits: int, order: str, factor: int) -> None:
    """Of 16 bits, as the standard says, or of 8, as some writers do."""
    colours = RNG.integers(0, 256, (3, 1 << bits))
    indices = RNG.integers(0, 1 << bits, (19, 29))
    content = plain_tiff(packed(indices[:, :, None], bits), 29, bits, 3, order, colours * factor)
    assert_reads(written(tmp_path, content, "a.tif"), colours.T[indices] / 255)


PICTURE = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
SMALL = RNG.integers(0, 256, (16, 24, 3), dtype=np.uint8)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_tiff_that_begins_with_a_thumbnail(
    tmp_path: Path, nested: bool, bigtiff: bool, byteorder: Any, compression: Any
) -> None:
    """The picture is in a SubIFD, or on a page of its own, after other previews."""
    path = tmp_path / "a.dng"
    options = {"photometric": "rgb", "metadata": None, "compression": compression}
    with tifffile.TiffWriter(path, bigtiff=bigtiff, byteorder=byteorder) as file:
        file.write(SMALL, subfiletype=1, subifds=2 if nested else 0, **options)
        file.write(SMALL[::-1], subfiletype=1, **options)
        file.write(PICTURE, subfiletype=0, **options)
    if bigtiff and byteorder == ">":
        with pytest.raises(ImageError, match=r"a.dng is a BigTIFF that cannot be read here; save"):
            read_picture(path)
        return
    assert_reads(path, PICTURE / 255)
    assert picture_size(path) == PICTURE.shape[:2]


@pytest.mark.parametrize("own", [False, True])
def test_a_camera_tells_the_orientation_with_the_thumbnail(tmp_path: Path, own: bool) -> None:
    """Unless the picture itself has one."""
    turned = [(274, 3, 1, 6, True)]  # stored row 0 is seen at the right
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        options = {"photometric": "rgb", "metadata": None}
        file.write(SMALL, subfiletype=1, subifds=1, extratags=turned, **options)
        file.write(PICTURE, extratags=[(274, 3, 1, 3, True)] if own else [], **options)
    expected = PICTURE[::-1, ::-1] if own else PICTURE.swapaxes(0, 1)[:, ::-1]
    assert picture_size(tmp_path / "a.dng") == expected.shape[:2]
    assert_reads(tmp_path / "a.dng", expected / 255)


def test_several_pages_of_which_the_first_is_whole(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(PICTURE, subfiletype=0, photometric="rgb", metadata=None)
        file.write(SMALL, subfiletype=1, photometric="rgb", metadata=None)
    assert_reads(tmp_path / "a.tif", PICTURE / 255)


def test_nothing_but_a_reduced_image(tmp_path: Path) -> None:
    assert_reads(tiff(tmp_path, PICTURE, photometric="rgb", subfiletype=1), PICTURE / 255)


@pytest.mark.parametrize("photometric", ["cfa", "linear_raw"])
def test_raw_data_of_a_camera(tmp_path: Path, photometric: str) -> None:
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        file.write(SMALL, subfiletype=1, subifds=1, photometric="rgb", metadata=None)
        raw = DEEP[:, :, 0] if photometric == "cfa" else DEEP[:, :, :3]
        file.write(raw, subfiletype=0, photometric=photometric, metadata=None)
    with pytest.raises(ImageError, match=r"a.dng holds a camera's raw data; develop it and save"):
        read_picture(tmp_path / "a.dng")


def test_directories_in_a_circle(tmp_path: Path) -> None:
    path = tiff(tmp_path, PICTURE, photometric="rgb", subfiletype=1)
    content = bytearray(path.read_bytes())
    start = int.from_bytes(content[4:8], "little")
    count = int.from_bytes(content[start : start + 2], "little")
    end = start + 2 + 12 * count
    content[end : end + 4] = content[4:8]
    path.write_bytes(content)
    assert_reads(path, PICTURE / 255)


# BMP and PPM


@pytest.mark.parametrize("greens", [5, 6])
def test_a_bitmap_of_two_bytes_a_pixel(tmp_path: Path, greens: int) -> None:
    """Of 15 bits, or of 16 with masks."""
    whites = np.array([31, (1 << greens) - 1, 31])
    samples = RNG.integers(0, whites + 1, (16, 20, 3))
    data = (samples @ [1 << (5 + greens), 1 << 5, 1]).astype("<u2")[::-1].tobytes()
    masks = struct.pack("<3I", 31 << (5 + greens), int(whites[1]) << 5, 31)
    head = struct.pack("<IiiHHIIiiII", 40, 20, 16, 1, 16, 3, len(data), 0, 0, 0, 0) + masks
    file = b"BM" + struct.pack("<IHHI", 14 + len(head) + len(data), 0, 0, 14 + len(head))
    assert_reads(written(tmp_path, file + head + data, "a.bmp"), samples / whites, 1.01 / 255)


@pytest.mark.parametrize("maxval", [100, 255, 256, 1023, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_anymaps_of_any_depth(tmp_path: Path, channels: int, maxval: int) -> None:
    samples = RNG.integers(0, maxval + 1, (19, 29, channels))
    data = samples.astype(np.uint8 if maxval < 256 else ">u2").tobytes()
    head = f"P{5 if channels == 1 else 6} 29 19 {maxval}\n".encode()
    assert_reads(written(tmp_path, head + data, "a.ppm"), on_white(samples, maxval))


def test_samples_of_an_anymap_over_its_white(tmp_path: Path) -> None:
    path = written(tmp_path, b"P6 16 16 100\n" + bytes([255]) * 768, "a.ppm")
    assert_reads(path, np.ones((16, 16, 3)))
