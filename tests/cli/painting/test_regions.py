"""``--region``: which files it names, and pictures painted with it by the real program."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto.runtime import SettingError, make_regions, region_files


@pytest.mark.parametrize(
    ("word", "files"),
    [
        ("sky.png:a.jpg", ("sky.png", "a.jpg")),
        ("sky.png:a.jpg:m.png", ("sky.png", "a.jpg", "m.png")),
        (r"C:\sky.png:D:/a.jpg", (r"C:\sky.png", "D:/a.jpg")),
        (r"sky.png:D:\a.jpg:E:\m.png", ("sky.png", r"D:\a.jpg", r"E:\m.png")),
        ("x:y", ("x", "y")),
        ("on:disk.png:here.jpg", ("on:disk.png", "here.jpg")),
    ],
)
def test_colons_that_are_between_files(
    word: str, files: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("on:disk.png", "here.jpg"):
        Path(name).touch()
    assert region_files(word) == files


@pytest.mark.parametrize("word", ["sky.png", ":a", "a:", "a:b:c:d", r"C:\sky.png", ""])
def test_what_is_no_region_is_told(word: str) -> None:
    with pytest.raises(SettingError, match="write MASK:STYLE or MASK:STYLE:STYLE_MASK, such as"):
        region_files(word)


def test_two_ways_to_read_it_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c", "a:b"):
        Path(name).touch()
    with pytest.raises(SettingError, match="can be read in two ways: rename"):
        region_files("a:b:c")


def test_the_same_mask_again_adds_a_style() -> None:
    first, second = make_regions(
        map(region_files, ["m.png:a.jpg", "n.png:b.jpg", "m.png:c.jpg:d.png"])
    )
    assert (first.mask, first.style, first.style_mask) == (
        "m.png",
        ["a.jpg", "c.jpg"],
        [None, "d.png"],
    )
    assert (second.mask, second.style) == ("n.png", ["b.jpg"])


def picture(path: Path, seed: int) -> np.ndarray[Any, Any]:
    found = np.random.default_rng(seed).integers(0, 256, (64, 80, 3), np.uint8)
    Image.fromarray(found).save(path)
    return found


def test_it_is_painted_repainted_and_replayed(
    impasto: Callable[..., Any], guided: Any, tmp_path: Path
) -> None:
    photo = picture(tmp_path / "photo.png", 0)
    for seed, name in enumerate(("a.png", "b.png"), start=1):
        picture(tmp_path / name, seed)
    mask = np.zeros((64, 80), np.uint8)
    mask[:30] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    options = ("--size", 80, "--iterations", 2, "-q")
    painting = {"IMPASTO_MODEL": guided.folder}
    first = impasto(
        "photo.png", "--region", "mask.png:a.png", "-o", "out.png", *options, **painting
    )
    assert first.returncode == 0, first.stderr
    out = np.asarray(Image.open(tmp_path / "out.png"))
    np.testing.assert_array_equal(out[30:], photo[30:])
    assert (out[:30] != photo[:30]).any()

    Image.fromarray(255 - mask).save(tmp_path / "rest.png")
    region = ("--init", "out.png", "--region", "rest.png:b.png")
    second = impasto("photo.png", *region, "-o", "again.png", *options, **painting)
    assert second.returncode == 0, second.stderr
    again = np.asarray(Image.open(tmp_path / "again.png"))
    np.testing.assert_array_equal(again[:30], out[:30])
    assert (again[30:] != out[30:]).any()

    given = ("again.png", "photo.png", "--init-image", "out.png", "--region", "rest.png:b.png")
    third = impasto("replay", *given, "-o", "same.png", "-q", **painting)
    assert third.returncode == 0, third.stderr
    assert (tmp_path / "same.png").read_bytes() == (tmp_path / "again.png").read_bytes()

    empty = io.BytesIO()
    Image.new("L", (9, 9)).save(empty, "PNG")
    (tmp_path / "black.png").write_bytes(empty.getvalue())
    refused = impasto("photo.png", "--region", "black.png:a.png", *options, **painting)
    assert refused.returncode == 1
    assert (
        refused.stderr == "impasto: black.png is black all over: paint white what is to be inside\n"
    )
