"""What read_image accepts and refuses, and the arithmetic on pictures."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.image import (
    MIN_SIDE,
    from_tensor,
    read_image,
    resize,
    scaled_size,
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
        picture = read_image(source)
        assert picture.dtype == np.float32
        assert picture.flags.c_contiguous
        np.testing.assert_array_equal(picture, unit)


def test_arrays_of_any_layout_and_gray_ones() -> None:
    for array in (np.asfortranarray(BYTES), BYTES[::-1, ::-1], BYTES.swapaxes(0, 1)):
        picture = read_image(array)
        assert picture.flags.c_contiguous
        np.testing.assert_array_equal(picture, (array / 255).astype(np.float32))
    gray = np.linspace(0, 1, 400).reshape(20, 20).astype(np.float16)
    np.testing.assert_array_equal(read_image(gray), np.stack([gray] * 3, 2).astype(np.float32))


def test_the_result_shares_no_memory_with_the_array() -> None:
    unit = read_image(BYTES)
    assert not np.shares_memory(read_image(unit), unit)


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
        read_image(array)


@pytest.mark.parametrize("source", [b"a.png", None, 3, [[0]]])
def test_things_that_are_no_source(source: object) -> None:
    with pytest.raises(ImageError, match="give a path, a Pillow image or a NumPy array"):
        read_image(source)  # type: ignore[arg-type]


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
        read_image(path)
    assert str(error.value).startswith(str(path))


def test_a_damaged_pillow_image(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(BYTES).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    with Image.open(path) as image, pytest.raises(ImageError, match="the image is damaged"):
        read_image(image)


@pytest.mark.parametrize("shape", [(MIN_SIDE - 1, 30), (30, MIN_SIDE - 1), (1, 1)])
def test_pictures_that_are_too_small(tmp_path: Path, shape: tuple[int, int]) -> None:
    small = np.zeros(shape, np.uint8)
    Image.fromarray(small).save(tmp_path / "a.png")
    for source in (tmp_path / "a.png", Image.fromarray(small), small):
        with pytest.raises(ImageError, match=f"{shape[1]} x {shape[0]} pixels.*at least 16"):
            read_image(source)


def test_the_smallest_picture() -> None:
    assert read_image(np.zeros((MIN_SIDE, MIN_SIDE), np.uint8)).shape == (MIN_SIDE, MIN_SIDE, 3)


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
    with pytest.raises(ImageError, match=r"20000 x 20000 = 400,000,000 pixels.*--max-pixels"):
        read_image(path)
    with pytest.raises(ImageError, match="damaged, cut short"):  # there was nothing to decode
        read_image(path, max_pixels=400_000_000)


def test_a_picture_that_does_not_fit_into_memory(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.ppm", b"P6 1000000000 1000000000 255\n")
    with pytest.raises(ImageError, match=r"a\.ppm does not fit into memory; make it smaller"):
        read_image(path, max_pixels=10**18)


def test_the_limit_on_pixels(tmp_path: Path) -> None:
    Image.fromarray(BYTES).save(tmp_path / "a.png")
    for source in (tmp_path / "a.png", Image.fromarray(BYTES), BYTES):
        assert read_image(source, max_pixels=18 * 24).shape == (18, 24, 3)
        with pytest.raises(ImageError, match="24 x 18 = 432 pixels, over the limit of 431"):
            read_image(source, max_pixels=18 * 24 - 1)


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
    assert read_image(path).shape == (18, 24, 3)
    assert not recwarn.list
    assert Image.MAX_IMAGE_PIXELS == 18 * 24 - 1


def test_pillows_own_limit_where_it_cannot_be_avoided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(BYTES).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 18 * 24 // 2 - 1)
    with pytest.raises(ImageError, match=r"a\.tif is over Pillow's own limit.*make it smaller"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_the_first_frame_of_an_animation_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    black, white = Image.new("L", (20, 20), 0), Image.new("L", (20, 20), 255)
    black.save(path, save_all=True, append_images=[white])
    with caplog.at_level(logging.INFO):
        assert read_image(path).max() == 0
    assert f"{path} has several frames" in caplog.text


def test_resize_keeps_constants_and_the_mean() -> None:
    np.testing.assert_allclose(
        resize(np.full((20, 30, 3), 0.3, np.float32), 47, 16), 0.3, atol=1e-6
    )
    picture = read_image(BYTES)
    half = resize(picture, 9, 12)
    assert half.shape == (9, 12, 3)
    assert half.dtype == np.float32
    np.testing.assert_allclose(half.mean((0, 1)), picture.mean((0, 1)), atol=0.02)


def test_resize_is_the_lanczos_sum() -> None:
    """Each axis is a weighted mean with windowed sincs, stretched when the picture shrinks."""
    picture = read_image(BYTES) * 0.2 + 0.4  # away from the clip

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


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [
        ((300, 400), 512, (384, 512)),
        ((400, 300), 512, (512, 384)),
        ((500, 500), 64, (64, 64)),
        ((1000, 999), 100, (100, 100)),
        ((3000, 20), 512, (512, 16)),
        ((300, 400), 10, (16, 16)),
    ],
)
def test_scaled_size(size: tuple[int, int], long_side: int, expected: tuple[int, int]) -> None:
    assert scaled_size(*size, long_side) == expected


@pytest.mark.parametrize(("height", "width", "multiple"), [(18, 24, 16), (16, 32, 16), (3, 1, 16)])
def test_tensors_are_reflected_to_multiples(height: int, width: int, multiple: int) -> None:
    picture = RNG.random((height, width, 3), np.float32)
    tensor = to_tensor(picture, multiple)
    assert tensor.flags.c_contiguous
    assert tensor.dtype == np.float32

    def mirrored(index: int, side: int) -> int:  # 0 1 2 1 0 1 2 ... for a side of 3
        period = max(2 * (side - 1), 1)
        return min(index % period, period - index % period)

    rows = [mirrored(row, height) for row in range(-(-height // multiple) * multiple)]
    columns = [mirrored(column, width) for column in range(-(-width // multiple) * multiple)]
    np.testing.assert_array_equal(tensor[0], np.moveaxis(picture[rows][:, columns], 2, 0))
    back = from_tensor(tensor, height, width)
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, picture)
