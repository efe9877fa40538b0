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
        (("--init", "text.png"), 1, ["text.png is not a picture"]),
        (("--max-pixels", 1000), 1, ["photo.jpg has", "over the limit of 1,000", "--max-pixels"]),
        (("--size", -5), 2, ["size must be 16 to", "not -5"]),
        (("--size", "big"), 2, ["--size", "'big' is not a whole number"]),
        (("--size", 99999), 2, ["99999"]),
        (("--iterations", 0), 2, ["iterations must be at least 1, not 0"]),
        (("--seed", -1), 2, ["seed must be 0 or more, not -1"]),
        (("--threads", 0), 2, ["threads must be at least 1, not 0"]),
        (("--preset", "nice"), 2, ["no preset 'nice'", "gatys2016"]),
        (("--pooling", "min"), 2, ["no 'min' pooling", "avg, max"]),
        (("--optimizer", "sgd"), 2, ["no optimizer 'sgd'", "lbfgs"]),
        (("--device", "tpu"), 2, ["no device 'tpu'", "auto, cpu, cuda"]),
        (("--device", "cuda:77"), 1, ["cuda:77 cannot be had"]),
        (("--style-weight", "nan"), 2, ["the weight of style", "not nan"]),
        (("--tv-weight", "much"), 2, ["--tv-weight", "'much' is not a number"]),
        (("--weight", "style"), 2, ["--weight", "'style' is not NAME=NUMBER"]),
        (("--weight", "style.conv9_9=1"), 2, ["no term 'style.conv9_9'", "impasto export"]),
        (("--blend", 1, "--blend", 2), 2, ["blend", "1 styles"]),
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
        ((), ["No such command 'styliz'"]),
        (("stylize",), ["CONTENT"]),
        (("stylize", "photo.jpg", "-o", "out.png"), ["--style"]),
        (("texture", "photo.jpg"), ["--output"]),
        (
            ("reconstruct", "photo.jpg", "-o", "out.png", "--layer", "conv3_1"),
            ["no content layer 'conv3_1'", "it has conv4_2", "export --content-layer conv3_1"],
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
    (bundle / "step-avg.onnx").unlink()


def not_json(bundle: Path) -> None:
    (bundle / "manifest.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (changed, "weights.bin: its SHA-256 is not the manifest's"),
        (missing, "step-avg.onnx: missing"),
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
    command = ("texture", "photo.jpg", "-o", "out.png", "--size", 48, "--weight", "style=1e38")
    done = impasto(*command)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "impasto: the first image's loss is inf"
    assert not (folder / "out.png").exists()
