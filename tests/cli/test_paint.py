from __future__ import annotations

import json
import math
import os
import pty
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from impasto.cli.console import print_json, say
from impasto.runtime import Engine, Settings

Program = Callable[..., Any]

TINY = ("--size", 48, "--iterations", 2)


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


def test_stylize_writes_the_picture_and_says_so_on_stderr(
    impasto: Program, photo: Path, painting: Path, tmp_path: Path
) -> None:
    done = impasto("stylize", photo, "--style", painting, "-o", "out.png", *TINY)
    assert (done.returncode, done.stdout) == (0, "")
    assert size(tmp_path / "out.png") == (48, 32)
    assert "scale 1/1 2/2 loss" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("impasto: out.png: 48 x 32 pixels, loss")
    assert all(line.startswith("impasto: ") for line in done.stderr.splitlines())


def test_a_png_says_how_it_was_painted(
    impasto: Program, photo: Path, painting: Path, tmp_path: Path
) -> None:
    impasto("stylize", photo, "--style", painting, "-o", "out.png", *TINY, "--weight", "style=2000")
    with Image.open(tmp_path / "out.png") as image:
        text = image.text  # type: ignore[attr-defined]
    settings = Settings.from_json(text.pop("settings"))
    assert (settings.size, settings.iterations, settings.weights) == (48, 2, {"style": 2000})
    made = {"Software", "versions", "model", "bundle", "inputs", "scales", "done", "loss", "terms"}
    assert {*text} - made - {"run"} == {*vars(settings)}
    assert text["Software"] == f"impasto {metadata.version('impasto')}"
    assert text["scales"] == "48 x 32: 2 lbfgs 10"
    assert text["done"] == "2 iterations, finished"
    expected = {"model": "vgg19", "preset": "paint", "size": "48", "seed": "0"}
    expected |= {"pooling": "avg", "optimizer": "lbfgs", "history_size": "10", "iterations": "2"}
    assert {name: text[name] for name in expected} == expected


def test_what_is_planned_is_what_is_recorded(
    impasto: Program, photo: Path, painting: Path, tmp_path: Path
) -> None:
    """A bundle's own pooling and the preset's iterations, not what stands somewhere else."""
    model = Path(__file__).parents[1] / "data" / "plain"
    command = ("stylize", photo, "--style", painting, "-o", "out.png", "--model", model)
    impasto(*command, "--size", 128, "--optimizer", "adam", "--quality", "draft")
    with Image.open(tmp_path / "out.png") as image:
        text = image.text  # type: ignore[attr-defined]
    assert (text["model"], text["pooling"], text["optimizer"]) == ("plain", "own", "adam")
    assert text["scales"] == "64 x 43: 5 adam; 128 x 85: 10 adam"
    assert text["iterations"] == "10"


def test_every_option_reaches_the_runtime(
    impasto: Program, photo: Path, painting: Path, bundle: Callable[..., Path], tmp_path: Path
) -> None:
    done = impasto(
        *("stylize", photo, "--style", painting, "--style", photo, "--blend", 3, "--blend", 1),
        *("-o", "out.jpg", "--size", 48, "--iterations", 2, "--optimizer", "adam"),
        *("--preset", "neural-style", "--pooling", "max", "--content-weight", 0.5),
        *("--style-weight", 20, "--tv-weight", 3, "--weight", "style.conv1_1=7"),
        *("--init-image", painting, "--seed", 5, "--model", bundle(), "--device", "cpu"),
        *("--threads", 1, "--max-pixels", 1_000_000, "--json", "--overwrite"),
    )
    first, *_, last = map(json.loads, done.stdout.splitlines())
    assert (first["seed"], first["device"], first["model"]) == (5, "cpu", str(tmp_path / "bundle"))
    weights = {name: 20.0 for name in last["terms"] if name.startswith("style")} | {
        "content.conv4_2": 0.5, "tv": 3.0, "style.conv1_1": 7.0
    }  # fmt: skip
    weighted = sum(weights[name] * value for name, value in last["terms"].items())
    assert last["loss"] == pytest.approx(weighted, rel=1e-5)
    assert size(tmp_path / "out.jpg") == (48, 32)


def test_json_events(
    impasto: Program, photo: Path, painting: Path, bundle: Callable[..., Path]
) -> None:
    model = bundle(min_size=32)
    command = ("stylize", photo, "--style", painting, "-o", "out.png", "--size", 64)
    done = impasto(*command, "--iterations", 2, "--model", model, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    first, *steps, last = map(json.loads, done.stdout.splitlines())
    assert 1e8 < first.pop("memory") < 1e9
    assert first == {
        "event": "start",
        "size": [64, 43],
        "scales": [[32, 21], [64, 43]],
        "device": "cpu",
        "model": str(model),
        "seed": 0,
    }
    assert [(s["event"], s["scale"], s["iteration"], s["size"]) for s in steps] == [
        ("iteration", 1, 1, [32, 21]),
        ("iteration", 1, 2, [32, 21]),
        ("iteration", 2, 1, [64, 43]),
        ("iteration", 2, 2, [64, 43]),
    ]
    for step in steps:
        assert (step["scales"], step["iterations"]) == (2, 2)
        assert step["loss"] > 0 < step["terms"]["style.conv1_1"]
    assert [s["seconds"] for s in steps] == sorted(s["seconds"] for s in steps)
    assert [s["fraction"] for s in steps] == sorted(s["fraction"] for s in steps)
    assert steps[-1]["fraction"] == 1
    assert last.pop("seconds") >= steps[-1]["seconds"]
    assert last.pop("loss") == min(step["loss"] for step in steps[2:])
    assert set(last.pop("terms")) == set(steps[0]["terms"])
    assert last == {
        "event": "done", "output": "out.png", "size": [64, 43], "iterations": 4,
        "stopped": "finished",
    }  # fmt: skip


def test_texture_is_the_style_alone(impasto: Program, painting: Path, tmp_path: Path) -> None:
    command = ("texture", painting, "-o", "out.png", "--size", 48, "--iterations", 2, "--json")
    last = json.loads(impasto(*command).stdout.splitlines()[-1])
    styles = [value for name, value in last["terms"].items() if name.startswith("style.")]
    assert last["loss"] == pytest.approx(1000 * sum(styles), rel=1e-5)
    assert size(tmp_path / "out.png") == (38, 48)


def test_reconstruct_is_one_content_term_alone(
    impasto: Program, photo: Path, tmp_path: Path
) -> None:
    command = ("reconstruct", photo, "-o", "out.png", *TINY, "--content-layer", "conv4_2", "--json")
    last = json.loads(impasto(*command).stdout.splitlines()[-1])
    weight = Engine.load().settings(styles=0).content_weight
    assert last["loss"] == pytest.approx(weight * last["terms"]["content.conv4_2"], rel=1e-5)
    assert size(tmp_path / "out.png") == (48, 32)


def test_a_terminal_gets_a_bar(start: Program, photo: Path, painting: Path) -> None:
    ours, theirs = pty.openpty()
    process = start("stylize", photo, "--style", painting, "-o", "out.png", *TINY, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:  # the other side is closed
        os.close(ours)
    assert process.wait() == 0
    for part in ("━━━", "100%", "scale 1/1, 2/2", "loss ", "impasto: out.png: 48 x 32"):
        assert part in seen.decode()


def test_numbers_that_json_does_not_have_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"loss": math.nan, "terms": {"style": math.inf}, "size": (1, 2.5)})
    assert json.loads(capsys.readouterr().out) == {
        "loss": None, "terms": {"style": None}, "size": [1, 2.5]
    }  # fmt: skip


def test_whatever_is_said_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\nb\x1b[2Jü.png")
    assert capsys.readouterr().err == "impasto: a\\nb\\x1b[2Jü.png\n"


def test_quality_and_memory(impasto: Program, photo: Path, painting: Path) -> None:
    command = ("stylize", photo, "--style", painting, "-o", "out.png", "--size", 48, "--json")
    done = impasto(*command, "--quality", "draft")
    assert len(done.stdout.splitlines()) - 2 == 10  # a quarter of 40
    done = impasto(*command, "--quality", "better", "--overwrite")
    assert done.returncode == 2
    assert "--quality better: give one of draft, normal, high" in done.stderr
    done = impasto(*command, "--memory", "150MB", "--overwrite")
    assert done.returncode == 2
    assert "48 x 32 pixels need " in done.stderr
    enough = done.stderr.partition("allow --memory ")[2].partition(" ")[0]
    assert impasto(*command, "--memory", enough, "--overwrite").returncode == 0
