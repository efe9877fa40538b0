"""Arrays in a temporary file."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil
import pytest

from impasto.runtime import Engine, ImpastoError
from impasto.runtime.machine.scratch import Scratch, _reserve


def test_it_begins_with_zeros_and_keeps_what_is_written() -> None:
    scratch = Scratch((3, 5, 7), "numbers")
    assert not scratch.array.any()
    expected = np.random.default_rng(0).random((3, 5, 7), np.float32)
    scratch.array[:] = expected
    scratch.leave()
    np.testing.assert_array_equal(scratch.array, expected)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="what is resident is Linux' matter")
def test_what_was_left_is_not_resident() -> None:
    scratch = Scratch((64, 1024, 1024), "numbers")
    process = psutil.Process()
    before = process.memory_info().rss
    scratch.array[:] = 1
    touched = process.memory_info().rss
    scratch.leave()
    after = process.memory_info().rss
    assert touched - before > 0.9 * scratch.array.nbytes
    assert after - before < 0.1 * scratch.array.nbytes
    assert scratch.array[-1, -1, -1] == 1


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="only there it is known before")
def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ImpastoError, match=r"no room for .* of content features .* set TMPDIR"):
        Scratch((1 << 20, 1 << 20, 64), "content features")
    assert not list(tmp_path.iterdir())


@pytest.fixture(params=["none", "not by this file system"])
def no_fallocate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, or as musl says of some file systems."""
    if request.param == "none":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
        return

    def refuse(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)


@pytest.mark.skipif(sys.platform == "win32", reason="files have no holes there")
@pytest.mark.usefixtures("no_fallocate")
@pytest.mark.parametrize("size", [1, 4096, (1 << 20) + 1, 5_000_000])
def test_where_room_cannot_be_reserved_it_is_taken(tmp_path: Path, size: int) -> None:
    with open(tmp_path / "file", "wb+") as file:
        _reserve(file.fileno(), size)
        os.fsync(file.fileno())
        taken = os.stat(file.fileno())
    assert taken.st_size == size
    assert taken.st_blocks * 512 >= size


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit there")
@pytest.mark.usefixtures("no_fallocate")
def test_room_that_ends_while_it_is_taken_is_one_sentence() -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, limits[1]))
    try:
        with pytest.raises(ImpastoError, match=r"no room for 4 MB of moments \(File too large\)"):
            Scratch((1 << 20,), "moments")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a file system without room")
def test_a_run_without_room_for_its_files_is_refused_before_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine.load(device="cpu")
    picture = np.zeros((2000, 2000, 3), np.uint8)
    for folder in ("/nowhere", "/proc"):
        monkeypatch.setattr(tempfile, "tempdir", folder)
        engine.start(picture, picture, size=256)  # needs none
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", None)
        patch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc"])
        engine.start(picture, picture, size=256)
        with pytest.raises(ImpastoError, match=r"^large pictures need .* set TMPDIR"):
            engine.start(picture, picture, size=2000, memory="6GB")
    for optimizer, size in (("lbfgs", "128 MB"), ("adam", "224 MB")):
        with pytest.raises(ImpastoError, match=rf"^/proc has no room for {size} .*\(0 MB"):
            engine.start(picture, picture, size=2000, memory="6GB", optimizer=optimizer)
