"""What a picture says of its making, printed, and made again; sizes and formats as options."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Program = Callable[..., Any]
TINY = ("--size", 48, "--iterations", 2)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("out.jpg", ("--jpeg-quality", 60, "--threads", 1, "--convolutions", "plain")),
        ("out.tif", ("--depth", 16, "--width", 40, "--height", 52)),
    ],
)
def test_a_picture_is_painted_again_to_the_same_bytes(
    impasto: Program,
    photo: Path,
    painting: Path,
    tmp_path: Path,
    name: str,
    options: tuple[Any, ...],
) -> None:
    size = () if "--width" in options else ("--size", 48)
    done = impasto(
        *("stylize", photo, "--style", painting, "-o", name, *size, "--iterations", 2, *options)
    )
    assert done.returncode == 0, done.stderr
    done = impasto("replay", name, photo, "--style", painting, "-o", f"again-{name}")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / f"again-{name}").read_bytes() == (tmp_path / name).read_bytes()


def test_what_replay_refuses(impasto: Program, photo: Path, painting: Path, tmp_path: Path) -> None:
    """A sentence each, and nothing is written; another picture is taken if that is wanted."""
    impasto("texture", painting, "-o", "out.png", *TINY)
    out = ("-o", "again.png")
    for arguments, code, reason in (
        (("out.png", "--style", photo), 1, "give that picture, or pass --any-input to paint"),
        (("out.png", photo, "--style", painting), 2, "CONTENT 1: it was painted from 0"),
        (("out.png",), 2, "--style 0: it was painted from 1: give as many"),
        ((photo, "--style", painting), 1, "photo.jpg does not say how it was painted"),
    ):
        done = impasto("replay", *arguments, *out)
        assert done.returncode == code
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "again.png").exists()
    done = impasto("replay", "out.png", "--style", photo, *out, "--any-input")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "again.png") as image:
        assert image.size == (48, 32)


def test_show_prints_what_a_picture_says(
    impasto: Program, photo: Path, painting: Path, tmp_path: Path
) -> None:
    command = ("stylize", photo, "--style", painting, *TINY, "--weight", "style=2000")
    assert impasto(*command, "-o", "out.webp").returncode == 0
    done = impasto("show", "out.webp")
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert (lines["preset"], lines["size"], lines["seed"]) == ("paint", "48", "0")
    assert lines["weights"] == "style 2000.0"
    assert lines["done"] == "2 iterations, finished"
    assert lines["versions"].startswith("impasto ")
    assert len(lines["bundle"]) == 64
    found = json.loads(impasto("show", "out.webp", "--json").stdout)
    assert (found["size"], found["run"]["iterations"]) == (48, 2)
    assert found["loss"] > 0
    assert {*found["inputs"]} == {"content", "style_1"}
    assert impasto(*command, "-o", "bare.webp", "--no-metadata").returncode == 0
    done = impasto("show", "bare.webp")
    assert (done.returncode, done.stdout) == (1, "")
    assert "bare.webp does not say how it was painted" in done.stderr


def test_sizes(impasto: Program, photo: Path, painting: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((70, 31, 3), 99, np.uint8)).save(tmp_path / "tall.png")
    for options, expected in (
        (("--size", "original"), (31, 70)),
        (("--width", 64, "--height", 20), (64, 20)),
    ):
        command = ("stylize", "tall.png", "--style", painting, "-o", "out.png", "--overwrite")
        done = impasto(*command, "--iterations", 1, *options)
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / "out.png") as image:
            assert image.size == expected
    for options, reason in (
        (("--size", 48, "--width", 48), "--size 48: give it or a --width, not both"),
        (("--size", "huge"), "--size huge: give a whole number, 16 to 16384 pixels, or original"),
    ):
        done = impasto("stylize", photo, "--style", painting, "-o", "new.png", *options)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert reason in done.stderr


def test_a_width_wins_over_the_size_of_a_configuration(impasto: Program, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("size = 700\n")
    done = impasto("settings", "--config", "mine.toml", "--width", 300)
    assert "width = 300" in done.stdout.splitlines()
    assert "size" not in done.stdout.replace("min_size", "").replace("history_size", "")
    (tmp_path / "other.toml").write_text(done.stdout)
    assert impasto("settings", "--config", "other.toml").stdout == done.stdout
    done = impasto("settings", "--config", "other.toml", "--size", "original")
    assert 'size = "original"' in done.stdout.splitlines()
    assert "width" not in done.stdout


def test_a_resumed_run_is_written_as_it_was_to_be(
    impasto: Program, photo: Path, painting: Path, tmp_path: Path
) -> None:
    command = ("stylize", photo, "--style", painting, *TINY, "--depth", 16, "--no-metadata")
    done = impasto(*command, "-o", "out", "--format", "tiff", "--checkpoint", "run.checkpoint")
    assert done.returncode == 0, done.stderr
    whole = (tmp_path / "out").read_bytes()
    (tmp_path / "out").unlink()
    assert impasto("resume", "run.checkpoint").returncode == 0
    assert (tmp_path / "out").read_bytes() == whole
