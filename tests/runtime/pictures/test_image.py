"""What read_picture accepts and refuses, and the arithmetic on pictures."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from impasto.runtime.errors import ImageError, OutOfMemoryError
from impasto.runtime.pictures import shapes
from impasto.runtime.pictures.image import (
    MIN_SIDE,
    from_tensor,
    padded_size,
    picture_size,
    read_picture,
    resample,
    resize,
    to_tensor,
)

RNG = np.random.default_rng(7)
BYTES = RNG.integers(0, 256, (18, 24, 3), dtype=np.uint8)


def test_a_file_a_pillow_image_and_an_array_read_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(BYTES).save(path)
    unit = (BYTES / 255).astype(np.float32)
    for source in (
        path,
        str(path),
        Image.open(path),
        Image.fromarray(BYTES),
        BYTES,
        unit,
        BYTES / 255,
    ):
        picture = read_picture(source)
        assert picture.dtype == np.float32
        assert picture.flags.c_contiguous
        np.testing.assert_array_equal(picture, unit)


def test_arrays_of_any_layout_and_gray_ones() -> None:
    for array in (np.asfortranarray(BYTES), BYTES[::-1, ::-1], BYTES.swapaxes(0, 1)):
        picture = read_picture(array)
        assert picture.flags.c_contiguous
        np.testing.assert_array_equal(picture, (array / 255).astype(np.float32))
    gray = np.linspace(0, 1, 400).reshape(20, 20).astype(np.float16)
    np.testing.assert_array_equal(read_picture(gray), np.stack([gray] * 3, 2).astype(np.float32))


def test_the_result_shares_no_memory_with_the_array() -> None:
    unit = read_picture(BYTES)
    assert not np.shares_memory(read_picture(unit), unit)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((20, 20, 4), np.uint8), "20, 20, 4"),
        (np.zeros((3, 20, 20), np.float32), "3, 20, 20"),
        (np.zeros(400, np.uint8), "400,"),
        (np.zeros((20, 20, 3), np.uint16), "uint16"),
        (np.zeros((20, 20, 3), bool), "bool"),
        (np.full((20, 20, 3), "x"), "give uint8"),
        (np.full((20, 20), np.nan), "nan"),
        (np.full((20, 20, 3), 1.5), "1.5"),
        (np.full((20, 20, 3), -1e-9), "-1e-09"),
        (np.full((20, 20, 3), np.inf), "inf"),
        (np.zeros((0, 20, 3), np.uint8), "20 x 0 pixels"),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray, reason: str) -> None:
    with pytest.raises(ImageError, match=f"^the array.*{reason}"):
        read_picture(array)


@pytest.mark.parametrize("source", [None, 3, [[0]], object()])
def test_things_that_are_no_source(source: object) -> None:
    with pytest.raises(ImageError, match="give a path, bytes, a file object, a Pillow image or a"):
        read_picture(source)  # type: ignore[arg-type]


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "missing.png", "does not exist; check the path"),
        (lambda folder: folder, "is a folder"),
        (lambda folder: _write(folder / "a.png", b""), "is empty"),
        (
            lambda folder: _write(folder / "a.png", b"hello, world"),
            "not a picture; give one of PNG",
        ),
        (lambda folder: _write(folder / "a.png", b"P"), "a.png is"),
        (lambda folder: _write(folder / "a.png", b"\x89PNG\r\n\x1a\n"), "damaged, cut short"),
        (lambda folder: _pipe(folder / "a.png"), "pipe or device"),
        (lambda folder: folder / "a\0.png", "cannot be opened"),
        (lambda folder: folder / ("a" * 300), "cannot be opened"),
    ],
)
def test_paths_without_a_picture(tmp_path: Path, make: object, reason: str) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    with pytest.raises(ImageError, match=reason) as error:
        read_picture(path)
    assert str(error.value).startswith(str(path))


def test_a_damaged_pillow_image(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(BYTES).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    with Image.open(path) as image, pytest.raises(ImageError, match="the image is damaged"):
        read_picture(image)


@pytest.mark.parametrize("shape", [(MIN_SIDE - 1, 30), (30, MIN_SIDE - 1), (1, 1)])
def test_pictures_that_are_too_small(tmp_path: Path, shape: tuple[int, int]) -> None:
    small = np.zeros(shape, np.uint8)
    Image.fromarray(small).save(tmp_path / "a.png")
    for source in (tmp_path / "a.png", Image.fromarray(small), small):
        with pytest.raises(ImageError, match=f"{shape[1]} x {shape[0]} pixels.*at least 16 x 16"):
            read_picture(source)


def test_the_smallest_picture() -> None:
    assert read_picture(np.zeros((MIN_SIDE, MIN_SIDE), np.uint8)).shape == (MIN_SIDE, MIN_SIDE, 3)


HEADERS = {
    "a.ppm": b"P6 20000 20000 255\n",
    "a.gif": b"GIF89a" + b"\x20\x4e" * 2 + b"\0\0\0," + b"\0\0" * 2 + b"\x20\x4e" * 2 + b"\0\x08",
    "a.bmp": b"BM"
    + bytes(8)
    + b"\x36\0\0\0\x28\0\0\0"
    + b"\x20\x4e\0\0" * 2
    + b"\1\0\x18"
    + bytes(25),
}


@pytest.mark.parametrize("name", HEADERS)
def test_the_size_is_judged_by_the_header_alone(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path / name, HEADERS[name])
    with pytest.raises(ImageError, match=r"20000 x 20000 = 400,000,000 pixels.*max_pixels="):
        read_picture(path)
    with pytest.raises(ImageError, match="damaged, cut short"):  # there was nothing to decode
        read_picture(path, max_pixels=400_000_000)


def test_a_picture_that_does_not_fit_into_memory(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.ppm", b"P6 1000000000 1000000000 255\n")
    with pytest.raises(ImageError, match=r"a\.ppm does not fit into memory; make it smaller"):
        read_picture(path, max_pixels=10**18)


def test_the_limit_on_pixels(tmp_path: Path) -> None:
    Image.fromarray(BYTES).save(tmp_path / "a.png")
    for source in (tmp_path / "a.png", Image.fromarray(BYTES), BYTES):
        assert read_picture(source, max_pixels=18 * 24).shape == (18, 24, 3)
        with pytest.raises(ImageError, match="24 x 18 = 432 pixels, over the limit of 431"):
            read_picture(source, max_pixels=18 * 24 - 1)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".ppm"])
def test_pillows_own_limit_neither_warns_nor_counts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
    suffix: str,
) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(BYTES).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 18 * 24 - 1)
    with pytest.warns(Image.DecompressionBombWarning), Image.open(path):
        pass
    assert read_picture(path).shape == (18, 24, 3)
    assert not recwarn.list
    assert Image.MAX_IMAGE_PIXELS == 18 * 24 - 1


def test_pillows_own_limit_where_it_cannot_be_avoided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(BYTES).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 18 * 24 // 2 - 1)
    with pytest.raises(ImageError, match=r"a\.tif is over Pillow's own limit.*make it smaller"):
        read_picture(path)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_the_first_frame_of_an_animation_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    black, white = Image.new("L", (20, 20), 0), Image.new("L", (20, 20), 255)
    black.save(path, save_all=True, append_images=[white])
    with caplog.at_level(logging.INFO):
        assert read_picture(path).max() == 0
    assert f"{path} has several frames" in caplog.text


# Smaller while it is read, and no more memory than is allowed


@pytest.mark.parametrize("band", [1, 23 * 3, 1 << 19])
@pytest.mark.parametrize("size", [(9, 12), (17, 23), (16, 40), (48, 64), (2, 3), (18, 64)])
def test_a_picture_is_reduced_as_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], band: int
) -> None:
    monkeypatch.setattr(shapes, "BAND", band)
    big = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(big).save(tmp_path / "a.png")
    expected = resize(read_picture(big), *size)
    for source in (tmp_path / "a.png", Image.fromarray(big), big):
        found = read_picture(source, within=size)
        assert found.flags.c_contiguous
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_picture_that_is_smaller_stays_as_it_is() -> None:
    for within in ((18, 24), (18, 100), (100, 100)):
        np.testing.assert_array_equal(read_picture(BYTES, within=within), read_picture(BYTES))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_and_reduction_are_those_of_the_upright_picture(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(BYTES).save(path, exif=exif)
    whole = read_picture(path)
    assert picture_size(path) == whole.shape[:2] == ((18, 24) if orientation < 5 else (24, 18))
    np.testing.assert_allclose(
        read_picture(path, within=(11, 7)), resize(whole, 11, 7), rtol=0, atol=1e-6
    )


def test_an_orientation_that_comes_after_the_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(BYTES).save(tmp_path / "a.png", exif=exif)
    content = (tmp_path / "a.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    late = content[:start] + content[end:-12] + content[start:end] + content[-12:]
    (tmp_path / "b.png").write_bytes(late)
    assert picture_size(tmp_path / "b.png") == (24, 18)
    np.testing.assert_array_equal(
        read_picture(tmp_path / "b.png"), read_picture(tmp_path / "a.png")
    )
    with Image.open(tmp_path / "b.png") as image:
        np.testing.assert_array_equal(read_picture(image), read_picture(tmp_path / "a.png"))


def test_a_size_needs_no_pixels(tmp_path: Path) -> None:
    for name, header in HEADERS.items():
        path = _write(tmp_path / name, header)
        assert picture_size(path, max_pixels=400_000_000) == (20000, 20000)
        with pytest.raises(ImageError, match=r"400,000,000 pixels.*max_pixels="):
            picture_size(path)
    assert picture_size(BYTES) == picture_size(Image.fromarray(BYTES)) == (18, 24)
    with pytest.raises(ImageError, match="does not exist"):
        picture_size(tmp_path / "missing.png")


def test_what_takes_too_much_memory_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.ppm", b"P6 9000 9000 255\n")  # without pixels
    with pytest.raises(
        ImageError,
        match=r"a.ppm takes 1\.\d GB to read, and 900 MB are free for it; .* memory=\d",
    ):
        read_picture(path, memory=900_000_000)
    with pytest.raises(ImageError, match="damaged, cut short"):  # reduced, it would fit
        read_picture(path, memory=900_000_000, within=(512, 512))


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_a_file_that_is_read_whole_has_to_fit(tmp_path: Path, suffix: str) -> None:
    """Pillow would hold these when it opens them."""
    path = tmp_path / f"a{suffix}"
    Image.fromarray(BYTES).save(path)
    with open(path, "ab") as file:
        file.truncate(50_000_000)
    for read in (picture_size, read_picture):
        with pytest.raises(
            ImageError, match=r"has 50 MB, and 10 MB are free to read it; .*memory="
        ):
            read(path, memory=10_000_000)


DECODING = """
import os
import sys
import numpy as np
from impasto.runtime.pictures.formats.decode import open_header, stored
from impasto.runtime.pictures.sources import opened

def resident(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) * 1024

for name in sys.argv[1:]:  # each in a process of its own, with nothing of those before
    if os.fork():
        os.wait()
        continue
    with opened(name, name) as file:
        picture = stored(open_header(file, name), name, file)
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
        before, planned = resident("VmRSS"), picture.decoding
        picture.load()
        print(planned, resident("VmHWM") - before, flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what is resident is measured on Linux")
def test_what_decoding_takes_is_known_before(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    colour = Image.fromarray(rng.integers(0, 256, (1500, 2000, 3), dtype=np.uint8))
    deep = rng.integers(0, 65536, (1500, 2000, 3), dtype=np.uint16)
    turned = Image.Exif()
    turned[0x0112] = 6
    colour.save(tmp_path / "a.png", compress_level=1)
    colour.save(tmp_path / "a.jpg")
    colour.convert("CMYK").save(tmp_path / "progressive.jpg", progressive=True)
    colour.save(tmp_path / "a.webp", method=0)
    colour.save(tmp_path / "a.avif", speed=10)
    colour.convert("L").save(tmp_path / "gray.avif", speed=10)
    colour.save(tmp_path / "a.tif")
    colour.save(tmp_path / "turned.tif", exif=turned)
    colour.quantize(64, method=2).save(tmp_path / "a.gif")
    colour.save(tmp_path / "a.bmp")
    tifffile.imwrite(tmp_path / "strip.tif", deep, compression="deflate", rowsperstrip=1500)
    tifffile.imwrite(tmp_path / "deep.tif", deep)
    tifffile.imwrite(tmp_path / "float.tif", deep[:, :, 0] / np.float32(65535))
    paths = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run(
        [sys.executable, "-c", DECODING, *paths], capture_output=True, text=True, check=True
    )
    for path, line in zip(paths, done.stdout.splitlines(), strict=True):
        planned, taken = map(int, line.split())
        assert taken < 1.05 * planned + 5e6, path
        assert planned < 1.5 * taken + 6e6, path


REDUCING = """
import sys
from impasto.runtime.pictures.image import read_picture

def resident(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) * 1024

before = resident("VmRSS")
read_picture(sys.argv[1], within=(256, 256))
print(resident("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what is resident is measured on Linux")
def test_a_huge_picture_is_never_there_as_floats(tmp_path: Path) -> None:
    """It would take 300 MB, and its 8 bits a pixel take 25."""
    path = tmp_path / "a.png"
    Image.new("P", (5000, 5000), 1).save(path)
    done = subprocess.run(
        [sys.executable, "-c", REDUCING, path], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 90e6
    with pytest.raises(ImageError, match=r"takes \d\d MB to read, and 20 MB are free for it"):
        read_picture(path, within=(256, 256), memory=20_000_000)


def test_arrays_do_not_end_in_a_memory_error() -> None:
    with pytest.raises(OutOfMemoryError, match="do not fit into memory; choose a smaller size="):
        resize(read_picture(BYTES), 1 << 22, 1 << 22)
    with pytest.raises(OutOfMemoryError, match="do not fit into memory; choose a smaller size="):
        to_tensor(read_picture(BYTES), (1 << 22, 1 << 22))


def test_resize_keeps_constants_and_the_mean() -> None:
    np.testing.assert_allclose(
        resize(np.full((20, 30, 3), 0.3, np.float32), 47, 16), 0.3, atol=1e-6
    )
    picture = read_picture(BYTES)
    half = resize(picture, 9, 12)
    assert half.shape == (9, 12, 3)
    assert half.dtype == np.float32
    np.testing.assert_allclose(half.mean((0, 1)), picture.mean((0, 1)), atol=0.02)


def test_resize_is_the_lanczos_sum() -> None:
    """Each axis is a weighted mean with windowed sincs, stretched when the picture shrinks."""
    picture = read_picture(BYTES) * 0.2 + 0.4  # away from the clip

    def weights(source: int, target: int) -> np.ndarray:
        stretch = max(source / target, 1)
        centre = (np.arange(target)[:, None] + 0.5) * source / target
        x = (np.arange(source)[None] + 0.5 - centre) / stretch
        kernel = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
        return kernel / kernel.sum(1, keepdims=True)

    expected = np.einsum("hy,wx,yxc->hwc", weights(18, 7), weights(24, 50), picture)
    np.testing.assert_allclose(resize(picture, 7, 50), expected, atol=1e-5)


def test_resize_clips_the_overshoot() -> None:
    edge = np.zeros((16, 16, 3), np.float32)
    edge[:, 8:] = 1
    enlarged = resize(edge, 64, 64)
    assert enlarged.min() == 0
    assert enlarged.max() == 1


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize(
    ("height", "width", "alignment"),
    [(18, 24, (16, 16)), (16, 32, (16, 16)), (3, 1, (16, 16)), (1, 50, (1, 16)), (1, 3, (4, 8))],
)
def test_tensors_are_reflected_to_multiples(
    height: int, width: int, alignment: tuple[int, int], channels: int
) -> None:
    picture = RNG.random((height, width, channels), np.float32)
    tensor = to_tensor(picture, alignment)
    assert tensor.flags.c_contiguous
    assert tensor.dtype == np.float32
    assert padded_size(height, width, alignment) == tensor.shape[2:]

    def mirrored(index: int, side: int) -> int:  # 0 1 2 1 0 1 2 ... for a side of 3
        period = max(2 * (side - 1), 1)
        return min(index % period, period - index % period)

    rows = [mirrored(row, height) for row in range(tensor.shape[2])]
    columns = [mirrored(column, width) for column in range(tensor.shape[3])]
    np.testing.assert_array_equal(tensor[0], np.moveaxis(picture[rows][:, columns], 2, 0))
    back = from_tensor(tensor, height, width)
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, picture)


@pytest.mark.parametrize("channels", [1, 5])
def test_resampling_takes_any_number_of_channels(channels: int) -> None:
    values = RNG.random((20, 30, channels), np.float32) * 9 - 4
    found = resample(values, 33, 12)
    for channel in range(channels):
        alone = resample(values[:, :, [channel] * 3], 33, 12)
        np.testing.assert_array_equal(found[:, :, channel], alone[:, :, 1])
    assert resample(values[:1], 1, 12).shape == (1, 12, channels)
