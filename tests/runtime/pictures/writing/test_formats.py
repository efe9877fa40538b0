"""What is in a written file: samples of 8 and 16 bits, the profile, texts."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from impasto.runtime.errors import ImageError, SettingError
from impasto.runtime.pictures.image import check_output, read_picture, read_texts, write_image
from impasto.runtime.pictures.writing import profile
from impasto.runtime.pictures.writing.embedded import texts_of, xmp_packet

SAMPLES = np.random.default_rng(7).integers(0, 1 << 16, (67, 45, 3)).astype(np.uint16)
SAMPLES[0, :2] = [[0, 1, 65535], [65534, 32767, 32768]]
PICTURE = (SAMPLES / 65535).astype(np.float32)
TEXTS = {"Software": "impasto 1.2", "loss": "0.5", "x": "é<&>\"'星\x01\n]]>"}
FORMATS = ("png", "jpeg", "webp", "avif", "tiff")
DEEP = ("png", "tiff")


def written(**how: Any) -> bytes:
    file = io.BytesIO()
    write_image(how.pop("picture", PICTURE), file, **how)
    return file.getvalue()


def by_hand(data: bytes) -> tuple[np.ndarray[Any, Any], list[bytes]]:
    """The samples of a PNG of 16-bit RGB, and its chunks' names, as the specification has it."""
    place, names, packed, header = 8, [], b"", ()
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length)[0] == zlib.crc32(name + body)
        header = struct.unpack(">IIBBBBB", body) if name == b"IHDR" else header
        packed += body if name == b"IDAT" else b""
        names.append(name)
        place += 12 + length
    width, height, *kind = header
    assert kind == [16, 2, 0, 0, 0]
    raw = zlib.decompress(packed)
    assert len(raw) == height * (1 + 6 * width)
    rows, above = [], [0] * (6 * width)
    for top in range(0, len(raw), 1 + 6 * width):
        line = raw[top + 1 : top + 1 + 6 * width]
        assert raw[top] in (0, 2)
        above = [(a + b) % 256 for a, b in zip(line, above, strict=True)] if raw[top] else [*line]
        rows.append(bytes(above))
    return np.frombuffer(b"".join(rows), ">u2").reshape(height, width, 3), names


def test_a_png_of_16_bits_holds_every_bit(tmp_path: Path) -> None:
    data = written(depth=16, parameters=TEXTS)
    found, names = by_hand(data)
    np.testing.assert_array_equal(found, SAMPLES)
    assert names[0] == b"IHDR"
    assert names.count(b"iCCP") == 1
    assert names.index(b"iCCP") < names.index(b"IDAT")
    (tmp_path / "a.png").write_bytes(data)
    np.testing.assert_array_equal(np.rint(read_picture(tmp_path / "a.png") * 65535), SAMPLES)


def test_a_tiff_of_16_bits_holds_every_bit(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    write_image(PICTURE, tmp_path / "a.tif", depth=16, parameters=TEXTS)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), SAMPLES)
    np.testing.assert_array_equal(np.rint(read_picture(tmp_path / "a.tif") * 65535), SAMPLES)


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (131, 1), (64, 16), (65, 17)])
def test_sides_of_every_kind(tmp_path: Path, kind: str, shape: tuple[int, int]) -> None:
    samples = SAMPLES.reshape(-1)[: 3 * shape[0] * shape[1]].reshape(*shape, 3)
    path = tmp_path / f"a.{kind}"
    write_image((samples / 65535).astype(np.float32), path, depth=16)
    with Image.open(path) as image:
        image.load()
        assert image.size == shape[::-1]
    found = read_picture(path, least=(1, 1))
    np.testing.assert_array_equal(np.rint(found * 65535), samples)


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("depth", [8, 16])
def test_samples_are_rounded_neither_up_nor_down(tmp_path: Path, kind: str, depth: int) -> None:
    """Nothing darkens: half a level is the most that is lost, and on the average nothing is."""
    white = (1 << depth) - 1
    picture = np.random.default_rng(3).random((90, 90, 3))
    write_image(picture.astype(np.float32), tmp_path / f"a.{kind}", depth=depth)
    error = (read_picture(tmp_path / f"a.{kind}") - picture) * white
    assert abs(error).max() < 0.51
    assert abs(error.mean()) < 0.01


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_srgb_and_the_same_bytes_again(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """LittleCMS would write the time into a profile."""
    late = ImageCms.ImageCmsProfile.tobytes

    def tobytes(made: ImageCms.ImageCmsProfile) -> bytes:
        return late(made)[:24] + bytes(12) + late(made)[36:]

    for depth in (8, 16) if kind in DEEP else (8,):
        data = written(format=kind, depth=depth, parameters=TEXTS)
        with Image.open(io.BytesIO(data)) as image:
            icc = image.info["icc_profile"]
        found = ImageCms.getOpenProfile(io.BytesIO(icc))
        assert "sRGB" in ImageCms.getProfileDescription(found)
        colors = Image.fromarray(np.arange(256 * 3, dtype=np.uint8).reshape(16, 16, 3))
        same = ImageCms.profileToProfile(colors, found, ImageCms.createProfile("sRGB"))
        np.testing.assert_array_equal(np.asarray(same), np.asarray(colors))
        with monkeypatch.context() as patch:
            patch.setattr(ImageCms.ImageCmsProfile, "tobytes", tobytes)
            profile.srgb.cache_clear()
            assert written(format=kind, depth=depth, parameters=TEXTS) == data


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_has_the_texts_and_can_do_without(tmp_path: Path, kind: str) -> None:
    for depth in (8, 16) if kind in DEEP else (8,):
        path = tmp_path / f"a{depth}.{kind}"
        write_image(PICTURE, path, depth=depth, parameters=TEXTS)
        assert read_texts(path) == TEXTS
        with Image.open(path) as image:
            assert texts_of(image) == TEXTS
        write_image(PICTURE, path, depth=depth, overwrite=True)
        assert not read_texts(path)
        with Image.open(path) as image:
            tags = {*image.getexif()} if kind != "tiff" else {*image.tag_v2}  # type: ignore[attr-defined]
            assert not tags & {270, 271, 272, 305, 306, 315, 700, 33432, 34665, 34853}
            assert not {*image.info} & {"xmp", "exif", "comment", "date"}


def test_xmp_of_others_is_none_of_ours() -> None:
    def image(packet: Any) -> Image.Image:
        found = Image.new("RGB", (16, 16))
        found.format, found.info["xmp"] = "JPEG", packet
        return found

    good = xmp_packet(TEXTS)
    assert texts_of(image(good)) == texts_of(image(good.decode())) == TEXTS
    bomb = b'<!DOCTYPE a [<!ENTITY b "bb">]>' + good
    for packet in (b"", good[:200], good.replace(b"urn:impasto:1", b"urn:others:1"), bomb):
        assert texts_of(image(packet)) == {}
    for text in ("[]", "3", "{", '"a"', "[" * 10_000):
        changed = good[: good.index(b"impasto:texts=")] + f"impasto:texts='{text}'/>".encode()
        whole = changed + b"</rdf:RDF></x:xmpmeta>"
        assert texts_of(image(whole)) == {}


# Which format


@pytest.mark.parametrize(
    ("name", "how", "kind"),
    [
        ("a.JPG", {}, "JPEG"),
        ("a.AvIf", {}, "AVIF"),
        ("a", {"format": "webp"}, "WEBP"),
        ("a.v2", {"format": "tiff"}, "TIFF"),
        ("a.jpeg", {"format": "jpeg"}, "JPEG"),
        ("a.TIFF", {"depth": 16}, "TIFF"),
        ("a", {"format": "png", "depth": 16}, "PNG"),
    ],
)
def test_the_suffix_or_the_format(tmp_path: Path, name: str, how: Any, kind: str) -> None:
    check_output(tmp_path / name, **how)
    write_image(PICTURE, tmp_path / name, **how)
    with Image.open(tmp_path / name) as image:
        assert image.format == kind


@pytest.mark.parametrize(
    ("name", "how", "reason"),
    [
        ("a", {}, "let it end in one of .png, .* or give format="),
        ("a.png", {"format": "jpeg"}, "format='jpeg': .*a.png says another: give one of the two"),
        ("a.png", {"format": "gif"}, "format='gif': give one of png, jpeg, webp, avif, tiff"),
        ("a.jpg", {"depth": 16}, "depth=16: jpeg has 8 bits a channel: write a .png or a .tif"),
        ("a.webp", {"depth": 16}, "depth=16: webp has 8"),
        ("a.avif", {"depth": 16}, "depth=16: avif has 8"),
        ("a", {"format": "webp", "depth": 16}, "depth=16: webp has 8"),
        ("a.png", {"depth": 12}, "depth=12: give 8 or 16 bits"),
        ("a.png", {"depth": 32}, "depth=32: give a whole number, 8 to 16 bits"),
        ("a.jpg", {"jpeg_quality": 0}, "jpeg_quality=0: give a whole number, 1 to 100"),
        ("a.jpg", {"jpeg_quality": 101}, "jpeg_quality=101: give"),
    ],
)
def test_what_no_format_has_is_told_before(
    tmp_path: Path, name: str, how: Any, reason: str
) -> None:
    for refuse in (
        lambda: check_output(tmp_path / name, **how),
        lambda: write_image(PICTURE, tmp_path / name, **how),
    ):
        with pytest.raises((ImageError, SettingError), match=reason):
            refuse()
    assert not any(tmp_path.iterdir())


def test_the_quality_of_a_jpeg() -> None:
    sizes = [len(written(format="jpeg", jpeg_quality=quality)) for quality in (1, 50, 95, 100)]
    assert sizes == sorted(set(sizes))
    assert written(format="jpeg") == written(format="jpeg", jpeg_quality=95)


# Open files


class Slow(io.RawIOBase):
    """Takes a few bytes at a time, as a pipe may."""

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data: Any) -> int:
        self.taken += bytes(data[:1000])
        return min(len(data), 1000)


def test_an_open_file_gets_the_very_bytes_that_a_path_does(tmp_path: Path) -> None:
    slow = Slow()
    write_image(PICTURE, slow, parameters=TEXTS)  # type: ignore[arg-type]
    write_image(PICTURE, tmp_path / "a.png", parameters=TEXTS)
    assert slow.taken == written(parameters=TEXTS) == (tmp_path / "a.png").read_bytes()


def test_files_that_take_no_bytes(tmp_path: Path) -> None:
    closed = io.BytesIO()
    closed.close()
    (tmp_path / "a").touch()
    with open(tmp_path / "a", "rb") as reading:
        targets: list[tuple[Any, str]] = [
            (closed, "cannot be written"),
            (io.StringIO(), "open the file as binary"),
            (reading, "cannot be written"),
            (3, "cannot write to a int; give a path or a file open for writing"),
            (None, "cannot write to a NoneType"),
        ]
        for target, reason in targets:
            with pytest.raises(ImageError, match=reason):
                write_image(PICTURE, target)
