"""JPEGs that cost more than they show: decoded smaller, or refused, within memory and seconds."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.formats.decode import open_header, stored
from impasto.runtime.pictures.image import picture_size, read_picture, resize
from impasto.runtime.pictures.sources import opened

SECONDS = 5.0
"""That any file may take; here they take tenths."""


def segment(marker: int, data: bytes = b"") -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def scene(height: int, width: int) -> np.ndarray:
    """Waves of many lengths, uint8."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 3 + y / 7), np.cos(x / 41 - y / 23), np.sin((x + y) / 150)]
    return np.rint((np.stack(waves, 2) * 0.4 + 0.5) * 255).astype(np.uint8)


def jpeg(height: int = 64, width: int = 96, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(scene(height, width)).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


# Smaller while it is decoded


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("size", "within", "times"),
    [
        ((800, 1200), (100, 150), 4),
        ((800, 1200), (50, 75), 8),
        ((801, 1203), (75, 112), 4),  # parts of blocks at the right and at the bottom
        ((800, 1200), (200, 300), 2),
        ((800, 1200), (201, 300), 1),
        ((800, 1200), (401, 300), 1),
    ],
)
def test_a_large_jpeg_is_decoded_smaller_but_never_below_twice_the_size(
    tmp_path: Path, size: tuple[int, int], within: tuple[int, int], times: int, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(*size, exif=exif, subsampling=0))
    if orientation == 6:
        within = within[::-1]
    with opened(path, "a") as file:
        picture = stored(open_header(file, "a"), "a", file)
        picture.reduce(*within)
        assert (picture.height, picture.width) == tuple(-(-side // times) for side in size)
        assert picture.extent == tuple(side / times for side in size)
    whole = read_picture(path)
    assert picture_size(path) == whole.shape[:2]
    found, expected = read_picture(path, within=within), resize(whole, *within)
    assert found.shape == expected.shape
    assert (
        np.abs(found - expected).mean() < 0.008
    )  # the shortest waves are near the finest there are
    assert np.abs(found - expected)[3:-3, 3:-3].max() < 0.05


# Bounds


def scans(side: int, count: int) -> bytes:
    """A progressive JPEG (ITU-T T.81, annex G) of three components and so many empty scans.

    The codes are one bit long: difference 0, and a run of 2^14 blocks without coefficients.
    """
    components = b"".join(bytes([n, 0x11, 0]) for n in (1, 2, 3))
    tables = segment(0xDB, b"\0" + bytes([1] * 64))
    tables += segment(0xC4, b"\0\1" + bytes(16)) + segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0")
    first = segment(0xDA, b"\3" + b"".join(bytes([n, 0]) for n in (1, 2, 3)) + bytes(3))
    frame = segment(0xC2, struct.pack(">BHHB", 8, side, side, 3) + components)
    more = b"".join(
        segment(0xDA, bytes([1, 1 + n % 3, 0, 1, 63, 0])) + b"\0\0" for n in range(count)
    )
    return b"\xff\xd8" + tables + frame + first + bytes(side * side // 64) + more + b"\xff\xd9"


def without_pixels(marker: int, together: bool = True) -> bytes:
    """10000 x 10000 in a few bytes: libjpeg takes what is missing for zeros."""
    data = scans(10000, 0)
    head = data[: data.index(b"\xff\xda")].replace(b"\xff\xc2", bytes([0xFF, marker]))
    if together:
        spectrum = bytes(3) if marker in {0xC2, 0xCA} else b"\0\x3f\0"
        return head + segment(0xDA, b"\3\1\0\2\0\3\0" + spectrum) + b"\xff\xd9"
    alone = [segment(0xDA, bytes([1, n, 0]) + b"\0\x3f\0") for n in (1, 2, 3)]
    return head + b"".join(alone) + b"\xff\xd9"


def with_segments(*segments: bytes) -> bytes:
    data = jpeg()
    return data[:2] + b"".join(segments) + data[2:]


EXIF = segment(0xE1, b"Exif\0\0II*\0" + bytes(65_000))
FILES = {
    "33 MB of APP1": (with_segments(*[EXIF] * 510), ""),
    "50 MB of comments": (with_segments(*[segment(0xFE, bytes(65_000))] * 780), ""),
    "50 MB of comments between scans": (
        scans(128, 3)[:-2] + segment(0xFE, bytes(65_000)) * 780 + b"\xff\xd9",
        "",
    ),
    "a million comments": (with_segments(segment(0xFE) * 1_000_000), "more pieces than"),
    "a million comments between scans": (
        scans(128, 3)[:-2] + segment(0xFE) * 1_000_000 + b"\xff\xd9",
        "more pieces than",
    ),
    "50 MB of tables": (
        with_segments(segment(0xDB, (b"\0" + bytes([1] * 64)) * 1000) * 780),
        "more pieces than",
    ),
    "5 MB of fill bytes": (with_segments(b"\xff" * 5_000_000), ""),
    "thousands of scans": (scans(2048, 5000), "has 954 scans or more, too many for its size"),
    "hundreds of scans": (scans(256, 500), ""),
}


@pytest.mark.parametrize("name", FILES)
def test_what_takes_long_is_refused_or_read_in_time(tmp_path: Path, name: str) -> None:
    content, reason = FILES[name]
    (tmp_path / "a.jpg").write_bytes(content)
    start = time.perf_counter()
    if reason:
        with pytest.raises(ImageError, match=f"a.jpg .*{reason}.*; save it"):
            read_picture(tmp_path / "a.jpg")
    else:
        picture = read_picture(tmp_path / "a.jpg")
        if "scans" not in name:
            np.testing.assert_array_equal(picture, read_picture(jpeg()))
    assert time.perf_counter() - start < SECONDS


MEMORY = """
import sys
from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.image import read_picture

def resident(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) * 1024

before = resident("VmRSS")
try:
    read_picture(sys.argv[1], within=(384, 384), memory=int(sys.argv[2]))
    print("read")
except ImageError as error:
    print(error)
print(resident("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what is resident is measured on Linux")
@pytest.mark.parametrize("memory", [300_000_000, 700_000_000])
@pytest.mark.parametrize(
    ("name", "marker", "together", "buffered"),
    [
        ("baseline", 0xC0, True, False),
        ("scan by scan", 0xC0, False, True),
        ("progressive", 0xC2, True, True),
    ],
)
def test_a_few_bytes_that_claim_100_megapixels_stay_within_memory(
    tmp_path: Path, name: str, marker: int, together: bool, buffered: bool, memory: int
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(without_pixels(marker, together))
    assert path.stat().st_size < 300
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, path, str(memory)],
        capture_output=True,
        text=True,
        check=True,
    )
    answer, taken = done.stdout.splitlines()
    assert int(taken) < memory
    if buffered and memory < 600_000_000:
        assert "to read, and 300 MB are free for it; make it smaller, or allow memory=" in answer
    else:
        assert answer == "read"
