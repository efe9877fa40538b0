"""Every kind of source gives the same picture, and errors say which one is meant."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto.runtime import Engine
from impasto.runtime.errors import ImageError
from impasto.runtime.pictures import sources
from impasto.runtime.pictures.image import picture_size, read_picture

DATA = Path(__file__).parents[2] / "data" / "plain"
BYTES = np.random.default_rng(5).integers(0, 256, (40, 48, 3), dtype=np.uint8)
SUFFIXES = [".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".ppm", ".avif"]


class Stream:
    """It has ``read`` alone, as a socket's file may, and gives less than it is asked for."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def read(self, size: int, /) -> bytes:
        piece, self.left = self.left[: min(size, 1000)], self.left[min(size, 1000) :]
        return piece


def at_its_end(data: bytes) -> io.BytesIO:
    file = io.BytesIO()
    file.write(data)
    return file


KINDS = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "BytesIO": io.BytesIO,
    "at its end": at_its_end,
    "no seek": Stream,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bytes_and_file_objects_read_as_the_file(tmp_path: Path, suffix: str, kind: str) -> None:
    path = tmp_path / f"a{suffix}"
    options = {"compression": "tiff_lzw"} if suffix == ".tif" else {}
    Image.fromarray(BYTES).save(path, **options)
    expected = read_picture(path)
    make = KINDS[kind]
    np.testing.assert_array_equal(read_picture(make(path.read_bytes())), expected)
    assert picture_size(make(path.read_bytes())) == (40, 48)


def test_an_open_file_and_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(BYTES).save(path)
    expected = read_picture(path)
    with open(path, "rb") as file:
        np.testing.assert_array_equal(read_picture(file), expected)
        np.testing.assert_array_equal(read_picture(file), expected)  # from its beginning again
    out, into = os.pipe()
    with open(into, "wb") as writer, open(out, "rb") as reader:
        thread = threading.Thread(target=lambda: (writer.write(path.read_bytes()), writer.close()))
        thread.start()
        np.testing.assert_array_equal(read_picture(reader), expected)
        thread.join()


@pytest.mark.parametrize("kind", [*KINDS, "path", "image", "array"])
def test_an_engine_paints_of_each_kind_the_same(tmp_path: Path, kind: str) -> None:
    """Content, style and first image, each read for its size and for its pixels."""
    path = tmp_path / "a.png"
    Image.fromarray(BYTES).save(path)
    engine = Engine.load(DATA, device="cpu", threads=1)
    make: Any = {"path": lambda data: path, "image": lambda data: Image.open(io.BytesIO(data))}
    make = {**KINDS, **make, "array": lambda data: BYTES}[kind]

    def painted(*given: Any) -> np.ndarray:
        content, style, image = given
        return engine.stylize(content, [style], init_image=image, size=48, iterations=2).image

    data = path.read_bytes()
    np.testing.assert_array_equal(
        painted(make(data), make(data), make(data)), painted(path, path, path)
    )


def test_a_stream_may_be_content_and_style_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(BYTES).save(path)
    engine = Engine.load(DATA, device="cpu", threads=1)
    stream = Stream(path.read_bytes())
    assert engine.estimate(stream, size=48, iterations=2).plan.sizes.content == (40, 48)
    stream = Stream(path.read_bytes())
    assert engine.stylize(stream, stream, size=48, iterations=1).image.shape == (40, 48, 3)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "is empty; give the bytes"),
        (b"a.png", "is not a picture; give one of PNG.*AVIF.*HEIC"),
        (io.BytesIO(b""), "is empty; give the bytes"),
        (io.StringIO("text"), "gives str rather than bytes; open it with mode 'rb'"),
        (io.BytesIO(b"\x89PNG\r\n\x1a\n"), "is damaged, cut short"),
        (np.zeros((20, 20, 4), np.uint8), "has shape"),
        (Image.new("L", (3, 3)), "is 3 x 3 pixels"),
    ],
)
def test_errors_say_which_picture_is_meant(source: Any, reason: str) -> None:
    engine = Engine.load(DATA, device="cpu", threads=1)
    with pytest.raises(ImageError, match=f"^the content {reason}"):
        engine.start(source, BYTES)
    with pytest.raises(ImageError, match=f"^style 2 {reason}"):
        engine.start(BYTES, [BYTES, source])
    with pytest.raises(ImageError, match=f"^the style {reason}"):
        engine.start(BYTES, source)
    with pytest.raises(ImageError, match=f"^the first image {reason}"):
        engine.start(BYTES, BYTES, init_image=source)


def test_file_objects_that_fail_or_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.BytesIO(b"x")
    closed.close()
    with pytest.raises(ImageError, match=r"^the file object cannot be read \(I/O operation on cl"):
        read_picture(closed)

    class Broken(Stream):
        def read(self, size: int, /) -> bytes:
            raise ConnectionResetError("the peer is gone")

    with pytest.raises(ImageError, match=r"cannot be read \(the peer is gone\); check its source"):
        read_picture(Broken(b""))

    monkeypatch.setattr(sources, "LONGEST", 10_000_000)
    with (
        open("/dev/zero", "rb") as endless,
        pytest.raises(ImageError, match="/dev/zero is a file object of more than 10 MB; save it"),
    ):
        read_picture(endless)
