"""One line that names what is wrong, the right exit code, and nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Program = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, photo: Path) -> Path:
    """Pictures and what only looks like them."""
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "empty.png").touch()
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:5000])
    (tmp_path / "text.png").write_text("no picture at all")
    (tmp_path / "hostile.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR" + b"\xff" * 99)
    (tmp_path / "taken.png").write_text("mine")
    Image.new("RGB", (15, 40)).save(tmp_path / "small.png")
    return tmp_path


def refused(done: Any, folder: Path, before: list[str], code: int, *parts: str) -> None:
    assert done.stderr.startswith("impasto: ")
    assert done.stderr.count("\n") == 1
    for part in parts:
        assert part in done.stderr
    assert (done.returncode, done.stdout) == (code, "")
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize("name", ["gone.png", "empty.png", "cut.jpg", "text.png", "hostile.png"])
def test_content(impasto: Program, folder: Path, name: str) -> None:
    before = sorted(os.listdir(folder))
    done = impasto("stylize", name, "--style", "photo.jpg", "-o", "out.png")
    refused(done, folder, before, 1, name)


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (("--style", "gone.png"), 1, ["gone.png does not exist"]),
        (("--style", "small.png"), 1, ["small.png is 15 x 40 pixels", "at least 16"]),
        (("--init-image", "text.png"), 1, ["text.png is not a picture"]),
        (("--max-pixels", 1000), 1, ["photo.jpg has", "over the limit of 1,000", "--max-pixels"]),
        (("--size", -5), 2, ["--size -5: give a whole number, 16 to 16384 pixels"]),
        (("--size", "big"), 2, ["--size", "give a whole number, 16 to 16384 pixels, or original"]),
        (("--size", 99999), 2, ["--size 99999: give"]),
        (("--iterations", 0), 2, ["--iterations 0: give a whole number, 1 to"]),
        (("--seed", -1), 2, ["--seed -1: give a whole number, 0 to"]),
        (("--threads", 0), 2, ["--threads 0: give a whole number, 1 to"]),
        (("--preset", "nice"), 2, ["--preset nice: there are paint, bold, gatys2016"]),
        (("--pooling", "min"), 2, ["--pooling min: this bundle has avg, max"]),
        (("--optimizer", "sgd"), 2, ["--optimizer sgd: give one of lbfgs, adam"]),
        (("--device", "tpu"), 2, ["--device tpu: say auto, cpu, cuda"]),
        (("--device", "cuda:77"), 1, ["cuda:77 cannot be had"]),
        (("--style-weight", "nan"), 2, ["--style-weight nan: give a number, 0 to 1e+38"]),
        (("--tv-weight", "much"), 2, ["--tv-weight", "'much' is not a number"]),
        (("--weight", "style"), 2, ["--weight", "'style' is not NAME=NUMBER"]),
        (("--weight", "style.conv9_9=1"), 2, ["--weight style.conv9_9: this", "impasto export"]),
        (("--blend", 1, "--blend", 2), 2, ["--blend (1.0, 2.0): give a weight for each of 1"]),
        (("--model", "gone"), 1, ["gone: no bundle here", "impasto export"]),
        (("--colour", "red"), 2, ["--colour", "--help"]),
        (("-o", "taken.png"), 1, ["taken.png exists already", "--overwrite"]),
        (("-o", "gone/out.png"), 1, ["there is no folder gone", "create it"]),
        (("-o", "out.xyz"), 1, ["'out.xyz'", ".png"]),
        (("-o", "/proc/out.png"), 1, ["/proc/out.png cannot be written"]),
    ],
)
def test_options(
    impasto: Program, folder: Path, arguments: tuple[object, ...], code: int, parts: list[str]
) -> None:
    before = sorted(os.listdir(folder))
    command = ("stylize", "photo.jpg", "--style", "photo.jpg", "-o", "out.png", "--size", 48)
    refused(impasto(*command, *arguments), folder, before, code, *parts)
    assert (folder / "taken.png").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((), ["No such command: styliz; did you mean stylize?"]),
        (("stylize",), ["CONTENT"]),
        (("stylize", "photo.jpg", "-o", "out.png"), ["--style"]),
        (
            ("reconstruct", "photo.jpg", "-o", "out.png", "--content-layer", "conv3_1"),
            ["--content-layer conv3_1: the content layers are conv4_2", "makes a bundle"],
        ),
    ],
)
def test_commands(
    impasto: Program, folder: Path, arguments: tuple[str, ...], parts: list[str]
) -> None:
    before = sorted(os.listdir(folder))
    refused(impasto(*(arguments or ("styliz",))), folder, before, 2, *parts)


def changed(bundle: Path) -> None:
    content = bytearray((bundle / "weights.bin").read_bytes())
    content[1_000_000] ^= 1
    (bundle / "weights.bin").unlink()
    (bundle / "weights.bin").write_bytes(content)


def missing(bundle: Path) -> None:
    (bundle / "step-gatys-avg.onnx").unlink()


def not_json(bundle: Path) -> None:
    (bundle / "manifest.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (changed, "weights.bin: its SHA-256 is not the manifest's"),
        (missing, "step-gatys-avg.onnx: missing"),
        (not_json, "manifest.json: not a JSON file"),
    ],
)
def test_bundles(
    impasto: Program,
    folder: Path,
    bundle: Callable[..., Path],
    spoil: Callable[[Path], None],
    part: str,
) -> None:
    model = bundle()
    spoil(model)
    before = sorted(os.listdir(folder))
    command = ("texture", "photo.jpg", "-o", "out.png", "--model", "bundle")
    refused(impasto(*command), folder, before, 1, part)
    refused(impasto("inspect", "bundle"), folder, before, 1, part)


def test_a_loss_beyond_all_numbers(impasto: Program, folder: Path) -> None:
    command = ("texture", "photo.jpg", "-o", "out.png", "--size", 48, "--weight", "style=6e37")
    done = impasto(*command)
    assert done.returncode == 1
    assert "the first image's loss is inf, most of it style." in done.stderr.splitlines()[-1]
    assert not (folder / "out.png").exists()
