"""Every mode, orientation, profile and damage that a picture file can have, by read_picture."""

from __future__ import annotations

import re
import struct
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.image import picture_size, read_picture

RNG = np.random.default_rng(11)
RGB = RNG.integers(0, 256, (17, 23, 3), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (17, 23), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (17, 23), dtype=np.uint8)
DEEP = np.linspace(0, 65535, 17 * 23).astype(np.uint16).reshape(17, 23)

LOSSLESS_WEBP = {"lossless": True, "exact": True}


def saved(folder: Path, image: Image.Image, suffix: str = ".png", **options: object) -> Path:
    path = folder / f"a{suffix}"
    image.save(path, **options)
    return path


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    opacity = alpha[..., None] / 255
    return colour / 255 * opacity + 1 - opacity


def assert_reads(path: Path, expected: np.ndarray, atol: float = 1e-6) -> None:
    picture = read_picture(path)
    assert picture.min() >= 0
    assert picture.max() <= 1
    if expected.ndim == 2:
        expected = np.stack([expected] * 3, axis=2)
    np.testing.assert_allclose(picture, expected, rtol=0, atol=atol)


# Modes


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".ppm", ".webp"])
def test_rgb(tmp_path: Path, suffix: str) -> None:
    options = LOSSLESS_WEBP if suffix == ".webp" else {}
    assert_reads(saved(tmp_path, Image.fromarray(RGB), suffix, **options), RGB / 255)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".pgm", ".gif"])
def test_gray(tmp_path: Path, suffix: str) -> None:
    assert_reads(saved(tmp_path, Image.fromarray(GRAY), suffix), GRAY / 255)


def test_jpeg(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 16 * 16).reshape(16, 16).astype(np.uint8)
    for image, expected in (
        (Image.fromarray(smooth), smooth),
        (Image.fromarray(np.stack([smooth, smooth.T, 255 - smooth], 2)), None),
    ):
        wanted = np.asarray(image if expected is None else expected) / 255
        assert_reads(saved(tmp_path, image, ".jpg", quality=100, subsampling=0), wanted, 3 / 255)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".pbm"])
def test_bilevel(tmp_path: Path, suffix: str) -> None:
    assert_reads(saved(tmp_path, Image.fromarray(GRAY > 99), suffix), (GRAY > 99).astype(float))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bit_gray(tmp_path: Path, suffix: str) -> None:
    assert_reads(saved(tmp_path, Image.fromarray(DEEP), suffix), DEEP / 65535)


def test_16_bit_gray_of_the_other_byte_order(tmp_path: Path) -> None:
    image = Image.frombytes("I;16B", (23, 17), DEEP.astype(">u2").tobytes())
    assert_reads(saved(tmp_path, image, ".tif"), DEEP / 65535)


def test_32_bit_gray_has_to_be_in_the_range_of_16(tmp_path: Path) -> None:
    wide = DEEP.astype(np.int32)
    assert_reads(saved(tmp_path, Image.fromarray(wide), ".tif"), DEEP / 65535)
    for shift in (-1, 1):
        path = saved(tmp_path, Image.fromarray(wide + shift), ".tif")
        with pytest.raises(ImageError, match=f"{path} has samples from .* 0 to 65535"):
            read_picture(path)


def test_float_gray_has_to_be_in_the_unit_range(tmp_path: Path) -> None:
    unit = (DEEP / 65535).astype(np.float32)
    assert_reads(saved(tmp_path, Image.fromarray(unit), ".tif"), unit, 0)
    for bad in (unit * 255, unit - 0.5, np.where(unit > 0.5, np.nan, unit)):
        with pytest.raises(ImageError, match=r"samples from .* 0 to 1 is expected"):
            read_picture(saved(tmp_path, Image.fromarray(bad.astype(np.float32)), ".tif"))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".gif"])
def test_palette(tmp_path: Path, suffix: str) -> None:
    palette = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
    image = Image.fromarray(GRAY, "L")
    image.putpalette(palette.tobytes())
    assert image.mode == "P"
    assert_reads(saved(tmp_path, image, suffix), palette[GRAY] / 255)


def test_cmyk(tmp_path: Path) -> None:
    inks = RNG.integers(0, 256, (16, 16, 4), dtype=np.uint8)
    light = 1 - inks / 255
    expected = light[..., :3] * light[..., 3:]
    assert_reads(saved(tmp_path, Image.fromarray(inks, "CMYK"), ".tif"), expected, 1 / 255)
    flat = Image.new("CMYK", (16, 16), (51, 102, 153, 51))
    assert_reads(
        saved(tmp_path, flat, ".jpg", quality=100), expected_flat(51, 102, 153, 51), 3 / 255
    )


def expected_flat(*inks: int) -> np.ndarray:
    light = 1 - np.array(inks) / 255
    return np.broadcast_to(light[:3] * light[3], (16, 16, 3))


def test_lab(tmp_path: Path) -> None:
    """A neutral L* is the gray whose luminance is ((L* + 16) / 116) ** 3."""
    lightness = np.repeat(np.arange(32, 250, 12, dtype=np.uint8)[:, None], 16, axis=1)
    neutral = Image.new("L", lightness.shape[::-1], 128)
    image = Image.merge("LAB", (Image.fromarray(lightness), neutral, neutral))
    luminance = ((lightness / 2.55 + 16) / 116) ** 3
    assert_reads(saved(tmp_path, image, ".tif"), encoded(luminance), 3 / 255)


@pytest.mark.parametrize("mode", ["HSV", "YCbCr", "RGBX"])
def test_pillow_images_of_other_modes(mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    expected = np.asarray(image.convert("RGB")) / 255
    np.testing.assert_allclose(read_picture(image), expected, atol=1e-6)


# Formats that came later


def smooth(height: int = 64, width: int = 96) -> np.ndarray:
    """RGB in [0, 1], as in tests/data/ramp.heic."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x / (width - 1), y / (height - 1), (x + y) / (width + height - 2)], 2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif(tmp_path: Path, orientation: int) -> None:
    ramp = np.rint(smooth() * 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(stored(ramp, orientation)))
    options = {"quality": 100, "subsampling": "4:4:4", "exif": oriented(orientation)}
    assert_reads(saved(tmp_path, image, ".avif", **options), smooth(), 5 / 255)


def test_avif_with_transparency_and_gray(tmp_path: Path) -> None:
    ramp = np.rint(smooth() * 255).astype(np.uint8)
    alpha = np.ascontiguousarray(ramp[:, ::-1, 0])
    image = Image.fromarray(np.dstack([ramp, alpha]))
    path = saved(tmp_path, image, ".avif", quality=100, subsampling="4:4:4")
    assert_reads(path, on_white(ramp, alpha), 6 / 255)
    path = saved(tmp_path, Image.fromarray(alpha), ".avif", quality=100)
    assert_reads(path, alpha / 255, 3 / 255)


def test_heic() -> None:
    """It is turned by its decoder, and EXIF says so too: once is enough."""
    pytest.importorskip("pi_heif")
    path = Path(__file__).parents[3] / "data" / "ramp.heic"
    assert picture_size(path) == (64, 96)
    assert_reads(path, smooth(), 6 / 255)
    np.testing.assert_array_equal(read_picture(path.read_bytes()), read_picture(path))


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_without_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brand: bytes
) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)  # as if it were not installed
    content = (Path(__file__).parents[3] / "data" / "ramp.heic").read_bytes()
    (tmp_path / "a.png").write_bytes(content[:8] + brand + content[12:])
    with pytest.raises(ImageError, match=r"a\.png is HEIC; to read it, pip install pi-heif$"):
        read_picture(tmp_path / "a.png")


def test_mp4_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + bytes(99))
    with pytest.raises(ImageError, match=r"a\.mp4 is not a picture; give one of .*AVIF, or HEIC"):
        read_picture(tmp_path / "a.mp4")


def test_the_first_of_several_jpegs_in_a_file(tmp_path: Path) -> None:
    first, other = (Image.fromarray(np.rint(s * 255).astype(np.uint8)) for s in (smooth(), RGB))
    first.save(
        tmp_path / "a.mpo", save_all=True, append_images=[other], quality=95, exif=oriented(6)
    )
    with Image.open(tmp_path / "a.mpo") as image:
        assert image.format == "MPO"
        expected = np.rot90(np.asarray(image), -1) / 255
        np.testing.assert_allclose(read_picture(image), expected, atol=1e-6)
    assert_reads(tmp_path / "a.mpo", expected)


# Transparency


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_rgba_lies_on_white(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(np.dstack([RGB, ALPHA]))
    options = LOSSLESS_WEBP if suffix == ".webp" else {}
    assert_reads(saved(tmp_path, image, suffix, **options), on_white(RGB, ALPHA))


def test_gray_with_alpha_lies_on_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([GRAY, ALPHA]), "LA")
    assert_reads(saved(tmp_path, image), on_white(np.dstack([GRAY] * 3), ALPHA))


@pytest.mark.parametrize(("mode", "channels"), [("RGBa", "RGBA"), ("La", "LA")])
def test_premultiplied_alpha(mode: str, channels: str) -> None:
    whole = np.dstack([RGB, ALPHA]) if mode == "RGBa" else np.dstack([GRAY, ALPHA])
    image = Image.fromarray(whole, channels).convert(mode)
    colour = RGB if mode == "RGBa" else np.dstack([GRAY] * 3)
    np.testing.assert_allclose(read_picture(image), on_white(colour, ALPHA), atol=1.5 / 255)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("transparency", [77, bytes(range(256))])
def test_a_palette_with_transparency(tmp_path: Path, transparency: int | bytes) -> None:
    palette = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
    image = Image.fromarray(GRAY, "L")
    image.putpalette(palette.tobytes())
    path = saved(tmp_path, image, transparency=transparency)
    by_index = np.arange(256) if isinstance(transparency, bytes) else np.arange(256) != 77
    alpha = by_index * (1 if isinstance(transparency, bytes) else 255)
    assert_reads(path, on_white(palette[GRAY], alpha[GRAY]))


def test_a_transparent_colour(tmp_path: Path) -> None:
    key = tuple(int(sample) for sample in RGB[3, 4])
    path = saved(tmp_path, Image.fromarray(RGB), transparency=key)
    assert_reads(path, on_white(RGB, 255 * (RGB[3, 4] != RGB).any(2)))
    path = saved(tmp_path, Image.fromarray(GRAY), transparency=int(GRAY[3, 4]))
    assert_reads(path, np.where(GRAY[3, 4] == GRAY, 1, GRAY / 255))
    path = saved(tmp_path, Image.fromarray(DEEP), transparency=int(DEEP[3, 4]))
    assert_reads(path, np.where(DEEP[3, 4] == DEEP, 1, DEEP / 65535))


# Orientation

SIDES = {  # EXIF 2.32, tag 0x0112: where the stored row 0 and the stored column 0 are seen
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def stored(seen: np.ndarray, orientation: int) -> np.ndarray:
    first_row, first_column = SIDES[orientation]
    pixels = seen if first_row in {"top", "bottom"} else seen.swapaxes(0, 1)
    pixels = pixels[::-1] if first_row in {"bottom", "right"} else pixels
    return pixels[:, ::-1] if first_column in {"bottom", "right"} else pixels


def oriented(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", SIDES)
def test_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    image = Image.fromarray(np.ascontiguousarray(stored(RGB, orientation)))
    options = LOSSLESS_WEBP if suffix == ".webp" else {}
    path = saved(tmp_path, image, suffix, exif=oriented(orientation), **options)
    assert_reads(path, RGB / 255)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damaged metadata
@pytest.mark.parametrize(
    "exif", [oriented(0), oriented(99), b"Exif\0\0II*\0junk", b"Exif\0\0", b"?"]
)
def test_orientations_that_mean_nothing(tmp_path: Path, exif: Image.Exif | bytes) -> None:
    path = saved(tmp_path, Image.fromarray(GRAY), ".jpg", exif=exif)
    plain = saved(tmp_path, Image.fromarray(GRAY), ".jpeg")
    assert_reads(path, read_picture(plain), 0)


# Colour profiles

# Chromatic adaptation to D50 of the sRGB primaries, the columns of every sRGB profile
RED, GREEN, BLUE = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)
WHITE = (0.9642, 1.0, 0.8249)


def encoded(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1: what sRGB stores for linear light."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def profile(space: bytes, **tags: bytes) -> bytes:
    """An ICC 2.1 display profile, after the layout in ICC.1:1998-09."""
    tags = {"wtpt": xyz(WHITE), "desc": b"desc" + bytes(8) + b"\0" * 84, **tags}
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += struct.pack(">4sII", name.encode(), offset + len(data), len(body))
        data += body + b"\0" * (-len(body) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12s4s40s",
        offset + len(data),
        b"",
        0x02100000,
        b"mntr",
        space,
        b"XYZ ",
        b"",
        b"acsp",
        b"",
    )
    illuminant = struct.pack(">3i", *(round(value * 65536) for value in WHITE))
    return header[:68] + illuminant + b"\0" * 48 + table + data


def xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


LINEAR = b"curv" + bytes(8)
SQUARE = b"curv" + struct.pack(">IIH", 0, 1, 2 << 8)  # gamma 2


def rgb_profile(red: tuple, green: tuple, blue: tuple) -> bytes:
    columns = {"rXYZ": xyz(red), "gXYZ": xyz(green), "bXYZ": xyz(blue)}
    return profile(b"RGB ", **columns, rTRC=LINEAR, gTRC=LINEAR, bTRC=LINEAR)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_an_rgb_profile_is_applied(tmp_path: Path, suffix: str) -> None:
    """The profile says: linear light, and the channels are blue, red, green."""
    options = LOSSLESS_WEBP if suffix == ".webp" else {}
    icc = rgb_profile(BLUE, RED, GREEN)
    path = saved(tmp_path, Image.fromarray(RGB), suffix, icc_profile=icc, **options)
    assert_reads(path, encoded(RGB[:, :, [1, 2, 0]] / 255), 3 / 255)


def test_a_profile_leaves_transparency_alone(tmp_path: Path) -> None:
    icc = rgb_profile(BLUE, RED, GREEN)
    path = saved(tmp_path, Image.fromarray(np.dstack([RGB, ALPHA])), icc_profile=icc)
    assert_reads(path, on_white(255 * encoded(RGB[:, :, [1, 2, 0]] / 255), ALPHA), 3 / 255)


@pytest.mark.parametrize("samples", [GRAY, DEEP])
def test_a_gray_profile_is_applied(tmp_path: Path, samples: np.ndarray) -> None:
    icc = profile(b"GRAY", kTRC=SQUARE)
    path = saved(tmp_path, Image.fromarray(samples), icc_profile=icc)
    assert_reads(path, encoded((samples / np.iinfo(samples.dtype).max) ** 2), 3 / 255)


def test_an_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert_reads(saved(tmp_path, Image.fromarray(RGB), icc_profile=icc), RGB / 255, 1 / 255)


@pytest.mark.parametrize(
    "icc",
    [
        b"not a profile",
        rgb_profile(BLUE, RED, GREEN)[:200],
        profile(b"GRAY", kTRC=SQUARE),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    ],
)
def test_a_profile_that_does_not_fit_means_srgb(tmp_path: Path, icc: bytes) -> None:
    assert_reads(saved(tmp_path, Image.fromarray(RGB), icc_profile=icc), RGB / 255)
    inks = Image.new("CMYK", (16, 16), (51, 102, 153, 51))
    path = saved(tmp_path, inks, ".tif", icc_profile=icc)
    assert_reads(path, expected_flat(51, 102, 153, 51), 1 / 255)


def test_a_profile_for_rgb_on_a_gray_picture_means_srgb(tmp_path: Path) -> None:
    icc = rgb_profile(BLUE, RED, GREEN)
    for samples, white in ((GRAY, 255), (DEEP, 65535)):
        path = saved(tmp_path, Image.fromarray(samples), icc_profile=icc)
        assert_reads(path, samples / white)


# Damage


def samples_of_every_format() -> dict[str, bytes]:
    colour, deep = Image.fromarray(RGB), Image.fromarray(DEEP)
    palette = colour.quantize(16)
    text = PngInfo()
    text.add_text("Comment", "x" * 40, zip=True)
    cases = {
        "png": (colour, "PNG", {"exif": oriented(6), "pnginfo": text}),
        "png palette": (palette, "PNG", {"transparency": 3}),
        "png 16 bit": (deep, "PNG", {"icc_profile": profile(b"GRAY", kTRC=SQUARE)}),
        "jpeg": (
            colour,
            "JPEG",
            {"exif": oriented(6), "icc_profile": rgb_profile(RED, GREEN, BLUE)},
        ),
        "jpeg progressive": (colour, "JPEG", {"progressive": True}),
        "jpeg cmyk": (colour.convert("CMYK"), "JPEG", {}),
        "webp": (colour, "WEBP", {"exif": oriented(6)}),
        "webp lossless": (colour.convert("RGBA"), "WEBP", {"lossless": True}),
        "tiff": (colour, "TIFF", {"exif": oriented(6)}),
        "tiff lzw": (colour, "TIFF", {"compression": "tiff_lzw"}),
        "avif": (colour, "AVIF", {"exif": oriented(6)}),
        "mpo": (colour, "MPO", {"save_all": True, "append_images": [colour.rotate(180)]}),
        "bmp": (colour, "BMP", {}),
        "bmp palette": (palette, "BMP", {}),
        "gif": (palette, "GIF", {"save_all": True, "append_images": [palette.rotate(180)]}),
        "ppm": (colour, "PPM", {}),
    }
    files = {}
    for name, (image, kind, options) in cases.items():
        buffer = BytesIO()
        image.save(buffer, kind, **options)
        files[name] = buffer.getvalue()
    files["ppm plain"] = b"P3 17 16 255\n" + b"12 200 7\n" * 17 * 16
    files["ppm 16 bit"] = b"P6 17 16 65535\n" + bytes(range(204)) * 8
    deep = np.stack([DEEP, DEEP.T.reshape(17, 23), DEEP[::-1]], 2)
    for name, options in {
        "tiff 16 bit": {"photometric": "rgb", "compression": "deflate"},
        "tiff white is zero": {"photometric": "miniswhite"},
    }.items():
        buffer = BytesIO()
        samples = deep if options["photometric"] == "rgb" else DEEP
        tifffile.imwrite(buffer, samples, metadata=None, **options)
        files[name] = buffer.getvalue()
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(RGB[:16, :16], subfiletype=1, subifds=1, photometric="rgb", metadata=None)
        file.write(RGB, photometric="rgb", metadata=None)
    return {**files, "tiff thumbnail first": buffer.getvalue()}


FILES = samples_of_every_format()


def refusal(path: Path, content: bytes) -> str | None:
    """Read ``content``: None if that gives a picture, else the one sentence that says why not."""
    path.write_bytes(content)
    try:
        picture = read_picture(path, max_pixels=1_000_000)
    except ImageError as error:
        return str(error)
    assert picture.dtype == np.float32
    assert picture.shape[2] == 3
    assert 0 <= picture.min() <= picture.max() <= 1
    return None


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damaged metadata
@pytest.mark.parametrize("name", FILES)
def test_cut_short(tmp_path: Path, name: str) -> None:
    path, content = tmp_path / "cut", FILES[name]
    assert refusal(path, content) is None
    for size in range(0, len(content) // 3, max(len(content) // 80, 1)):
        assert re.fullmatch(f"{path} .+; .+", refusal(path, content[:size]) or "it was read")
    for missing in range(1, 40):
        refusal(path, content[:-missing])  # only a checksum or a trailer, perhaps


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_flipped_bytes(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(3)
    path = tmp_path / "flipped"
    sentences = set()
    for header in (64, 400, len(FILES[name])):
        for _ in range(30):
            content = bytearray(FILES[name])
            for position in rng.integers(0, min(header, len(content)), rng.integers(1, 6)):
                content[position] = rng.integers(256)
            sentences.add(refusal(path, bytes(content)))
    assert len(sentences) > 1  # the flips did reach the parsers
    assert all(re.fullmatch(f"{path} .+; .+", sentence) for sentence in sentences - {None})
