"""Pictures written whole or not at all, and every place that cannot be written to."""

from __future__ import annotations

import errno
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.image import check_output, read_picture, write_image

BYTES = np.random.default_rng(5).integers(0, 256, (19, 33, 3), dtype=np.uint8)
PICTURE = read_picture(BYTES)
OLD = b"an older file"


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".PNG"])
def test_lossless_formats_give_the_same_picture_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(PICTURE, path)
    np.testing.assert_array_equal(read_picture(path), PICTURE)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".jpg", "JPEG"), (".jpeg", "JPEG"), (".webp", "WEBP")]
)
def test_lossy_formats_come_close(tmp_path: Path, suffix: str, kind: str) -> None:
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    path = tmp_path / f"a{suffix}"
    write_image(np.stack([ramp, ramp, ramp], 2), str(path))
    np.testing.assert_allclose(read_picture(path)[:, :, 1], ramp, atol=0.03)
    with Image.open(path) as image:
        assert image.format == kind


def test_jpegs_keep_the_colour_resolution(tmp_path: Path) -> None:
    write_image(PICTURE, tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4


def test_samples_are_rounded_and_clipped(tmp_path: Path) -> None:
    levels = np.arange(256).reshape(16, 16)
    for shift in (-0.49, 0, 0.49):
        gray = (levels + shift) / 255
        write_image(np.stack([gray] * 3, 2), tmp_path / "a.png", overwrite=True)
        assert (np.asarray(Image.open(tmp_path / "a.png"))[:, :, 0] == levels).all()
    far = np.where(levels[:, :, None] < 9, [[[-3, 7, -np.inf]]], [[[2, -1, np.inf]]])
    write_image(far, tmp_path / "far.png")
    written = np.asarray(Image.open(tmp_path / "far.png"))
    assert (written == np.where(levels[:, :, None] < 9, [[[0, 255, 0]]], [[[255, 0, 255]]])).all()


def test_a_png_carries_the_parameters(tmp_path: Path) -> None:
    parameters = {"style_weight": "1000.0", "style": "Sternennacht über der Rhône, 星月夜"}
    write_image(PICTURE, tmp_path / "a.png", parameters=parameters)
    with Image.open(tmp_path / "a.png") as image:
        assert image.text == parameters  # type: ignore[attr-defined]
    write_image(PICTURE, tmp_path / "a.jpg", parameters=parameters)  # and the others do without


def test_the_file_has_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_image(PICTURE, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_name_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(PICTURE, "a.png")
    np.testing.assert_array_equal(read_picture("a.png"), PICTURE)


def test_an_existing_file_is_replaced_only_when_told(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(OLD)
    for refuse in (lambda: write_image(PICTURE, path), lambda: check_output(path, False)):
        with pytest.raises(ImageError, match=f"^{path} exists already; pass overwrite="):
            refuse()
        assert path.read_bytes() == OLD
    check_output(path, True)
    assert path.read_bytes() == OLD
    write_image(PICTURE, path, overwrite=True)
    np.testing.assert_array_equal(read_picture(path), PICTURE)
    assert os.listdir(tmp_path) == ["a.png"]


def _taken(folder: Path) -> Path:
    (folder / "a.png").mkdir()
    return folder / "a.png"


def _link_to_nowhere(folder: Path) -> Path:
    (folder / "a.png").symlink_to(folder / "nowhere")
    return folder / "a.png"


def _below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "a.png"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "a.xcf", "end in one of .png, .jpg"),
        (lambda folder: folder / "a", "end in one of .png, .jpg"),
        (lambda folder: "", "end in one of .png, .jpg"),
        (lambda folder: folder / ".png", "end in one of .png, .jpg"),
        (_taken, "a.png is a folder; give the name of a file"),
        (_link_to_nowhere, "overwrite="),
        (lambda folder: folder / "missing" / "a.png", "no folder .*missing .*create it first"),
        (_below_a_file, "no folder .*file .*create it first"),
        (lambda folder: folder / f"{'a' * 300}.png", "cannot be written .*another place or name"),
        (lambda folder: folder / "a\0.png", "cannot be written .*another place or name"),
    ],
)
def test_places_that_cannot_be_written_to(
    tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    path = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for refuse in (lambda: check_output(path, False), lambda: write_image(PICTURE, path)):
        with pytest.raises(ImageError, match=reason):
            refuse()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the kernel's own folders")
@pytest.mark.parametrize("folder", ["/sys", "/proc"])
def test_folders_that_refuse_even_root(folder: str) -> None:
    for overwrite in (False, True):
        with pytest.raises(ImageError, match=f"^{folder}/a.png "):
            check_output(f"{folder}/a.png", overwrite)


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_output(tmp_path / "a.png", False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("picture", "suffix", "reason"),
    [
        (np.full((20, 20, 3), np.nan), ".png", "holds NaN"),
        (np.zeros((20, 20, 4)), ".png", "has shape (20, 20, 4)"),
        (np.zeros((20, 20)), ".png", "has shape (20, 20)"),
        (np.zeros((1, 16384, 3)), ".webp", "cannot be encoded"),
        (np.zeros((1, 65536, 3)), ".jpg", "cannot be encoded"),
    ],
)
def test_pictures_that_cannot_be_encoded(
    tmp_path: Path, picture: np.ndarray, suffix: str, reason: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(OLD)
    with pytest.raises(ImageError) as error:
        write_image(picture, path, overwrite=True)
    assert reason in str(error.value)
    assert str(path) in str(error.value)
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == [path.name]


# Failures of the system, one after the other


def fail(number: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def start(folder: Path, overwrite: bool) -> Path:
    path = folder / "a.png"
    if overwrite:
        path.write_bytes(OLD)
    return path


def assert_untouched(path: Path, overwrite: bool) -> None:
    assert os.listdir(path.parent) == ([path.name] if overwrite else [])
    assert not overwrite or path.read_bytes() == OLD


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Let the kernel cut every write off at ``size`` bytes, as a full disk does."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("size", [0, 1, 1000, -1])
def test_a_write_that_fails(tmp_path: Path, size: int, overwrite: bool) -> None:
    write_image(PICTURE, tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "whole.png").unlink()
    path = start(tmp_path, overwrite)
    with (
        files_no_longer_than(size % len(whole)),
        pytest.raises(ImageError, match=f"^{path} cannot be written .*choose another place"),
    ):
        write_image(PICTURE, path, overwrite=overwrite)
    assert_untouched(path, overwrite)
    with files_no_longer_than(len(whole)):  # the limit, and nothing else, was the reason
        write_image(PICTURE, path, overwrite=overwrite)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "does not fit on its disk; free some space"),
        (errno.EDQUOT, "does not fit on its disk; free some space"),
        (errno.EROFS, "may not be written to"),
        (errno.EACCES, "may not be written to"),
        (errno.EIO, "cannot be written .*choose another place"),
    ],
)
@pytest.mark.parametrize("calls", [("fsync",), ("replace", "link")])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_sync_or_rename_that_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    reason: str,
    calls: tuple[str, ...],
    overwrite: bool,
) -> None:
    path = start(tmp_path, overwrite)
    for call in calls:
        monkeypatch.setattr(os, call, fail(number))
    with pytest.raises(ImageError, match=f"^{path} .*{reason}"):
        write_image(PICTURE, path, overwrite=overwrite)
    assert_untouched(path, overwrite)


@pytest.mark.parametrize("overwrite", [False, True])
def test_ctrl_c_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    path = start(tmp_path, overwrite)
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_image(PICTURE, path, overwrite=overwrite)
    assert_untouched(path, overwrite)


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_file_and_then_its_folder_reach_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    """What is synced, and what the folder held at that time; a folder that cannot be is no harm."""
    path = start(tmp_path, overwrite)
    synced = []

    def fsync(descriptor: int) -> None:
        is_folder = os.path.isdir(f"/dev/fd/{descriptor}")
        synced.append((is_folder, path.exists() and path.read_bytes() != OLD))
        if is_folder:
            raise OSError(errno.EINVAL, "not here")

    monkeypatch.setattr(os, "fsync", fsync)
    write_image(PICTURE, path, overwrite=overwrite)
    assert synced == [(False, False), (True, True)]
    np.testing.assert_array_equal(read_picture(path), PICTURE)


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", fail(errno.EPERM))
    write_image(PICTURE, tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), PICTURE)
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
) -> None:
    path = tmp_path / "a.png"
    link = os.link if hard_links else fail(errno.EPERM)

    def late(source: str, target: str) -> None:
        path.write_bytes(OLD)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(ImageError, match=f"^{path} exists already; pass overwrite="):
        write_image(PICTURE, path)
    assert_untouched(path, True)
