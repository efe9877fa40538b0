"""Nothing on stderr but our own sentences, and nobody else's voice is taken away."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
from PIL import Image, TiffImagePlugin

from impasto.runtime.pictures.image import read_picture
from impasto.runtime.pictures.quiet import quiet

LOUD = """
import io, sys, logging
import numpy as np
from PIL import Image
from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.image import read_picture

def saved(kind, **options):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(
        file, kind, **options
    )
    return bytearray(file.getvalue())

def damaged(content, step):
    for place in range(100, len(content) // 2, step):
        content[place] ^= 0x5A
    return bytes(content)

lzw = damaged(saved("TIFF", compression="tiff_lzw"), 7)
jpeg = damaged(saved("TIFF", compression="jpeg"), 97)
exif = bytes(saved("JPEG", exif=b"Exif\\0\\0II*\\0\\x08\\0\\0\\0\\x05\\0junk"))
tags = saved("TIFF", exif=Image.Exif())
offset = int.from_bytes(tags[4:8], "little")
tags[offset + 2 + 4 : offset + 2 + 8] = b"\\xff\\xff\\xff\\x00"  # more values than the file has
samples = saved("TIFF")
offset = int.from_bytes(samples[4:8], "little")
for entry in range(offset + 2, offset + 2 + 12 * 14, 12):
    if samples[entry : entry + 2] == b"\\x15\\x01":  # samples of a pixel
        samples[entry + 8 : entry + 10] = b"\\xff\\x7f"
for content in (lzw, jpeg, exif, bytes(tags), bytes(samples), bytes(saved("PNG")[:300])):
    if sys.argv[1] == "ours":
        try:
            read_picture(content)
        except ImageError as error:
            print(error)
    else:
        try:
            Image.open(io.BytesIO(content)).load()
        except Exception as error:
            print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Pillow's libtiff cannot be reached there")
def test_damaged_files_leave_stderr_alone() -> None:
    """By Pillow itself they do not, or this would prove nothing."""
    found = {
        who: subprocess.run(
            [sys.executable, "-W", "always", "-c", LOUD, who],
            capture_output=True,
            text=True,
            check=True,
        )
        for who in ("ours", "Pillow's")
    }
    assert found["ours"].stderr == ""
    assert found["ours"].stdout.count("\n") >= 3
    for loud in ("Using code not yet in table", "Warning: ", "More samples per pixel"):
        assert loud in found["Pillow's"].stderr


def test_other_threads_may_warn_and_so_may_this_one_afterwards() -> None:
    """Even while another thread reads, and where Pillow itself is the one that warns."""
    other: list[int] = []

    def warn() -> None:  # as if from Pillow's own code
        warnings.warn_explicit("heard", UserWarning, "x.py", 1, module="PIL.TiffImagePlugin")

    def elsewhere() -> None:
        with pytest.warns(UserWarning, match="heard"):
            warn()
        other.append(1)

    with quiet():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        warn()
        with pytest.warns(UserWarning, match="ours"):
            warnings.warn("ours", UserWarning, stacklevel=1)
    assert other
    with pytest.warns(UserWarning, match="heard"):
        warn()


def test_the_filters_of_warnings_do_not_grow(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    read_picture(tmp_path / "a.png")
    before = [*warnings.filters]
    for _ in range(5):
        read_picture(tmp_path / "a.png")
    assert [*warnings.filters] == before


def test_pillows_log_is_heard_when_nobody_reads(caplog: pytest.LogCaptureFixture) -> None:
    with quiet():
        TiffImagePlugin.logger.error("dropped")
    TiffImagePlugin.logger.error("heard")
    assert [record.message for record in caplog.records] == ["heard"]


def test_libtiff_speaks_again_afterwards(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.tif"
    Image.effect_noise((64, 64), 50).save(path, compression="tiff_lzw")
    content = bytearray(path.read_bytes())
    content[100:2000:7] = b"\x5a" * len(content[100:2000:7])
    path.write_bytes(content)
    threads = [threading.Thread(target=_read_quietly, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capfd.readouterr().err == ""
    with Image.open(path) as image, pytest.raises(OSError, match="decoder error"):
        image.load()
    assert capfd.readouterr().err != ""


def _read_quietly(path: Path) -> None:
    for _ in range(20):
        with pytest.raises(Exception, match="damaged"):
            read_picture(path)
