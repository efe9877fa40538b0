from __future__ import annotations

import json
import shlex
import signal
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from PIL import Image

from impasto.cli.exporting import load_encoder, load_head, make_recipe
from impasto.runtime import SettingError

Program = Callable[..., Any]
ROOT = Path(__file__).parents[2]

HEADS = """
from impasto.export import Head, masked

class Cliff(Head):
    "Falls towards dark pictures, and breaks off where their mean is 0.45."
    name, layers, weight = "cliff", ("image",), 1.0

    def statistics(self, features, mask):
        return masked(features, mask).sum((2, 3))

    def loss(self, means):
        return (means.mean() - 0.45).sqrt()

class Nameless(Head):
    pass

number = 3
"""


@pytest.fixture
def heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_heads.py").write_text(HEADS)
    (tmp_path / "broken_heads.py").write_text("1 +")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("heads")
@pytest.mark.soak  # tests/export/test_own.py has its parts
def test_a_head_of_ones_own_from_export_to_picture(
    impasto: Program, photo: Path, tmp_path: Path
) -> None:
    recipe = ("--content-layer", "conv1_1", "--style-layer", "none", "--head", "my_heads:Cliff")
    done = impasto("export", "-o", "model", *recipe, "--history", 3)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    first, *lines = done.stdout.splitlines()
    assert first.startswith("model: written")
    rows = {(graph, output): float(error) for graph, output, error in map(str.split, lines)}
    assert {name for name, _ in rows} == {
        "adam.onnx", "lbfgs.onnx", "lbfgs-products.onnx", "lbfgs-part.onnx", "loss-gatys.onnx",
        "describe-gatys-avg.onnx", "step-gatys-avg.onnx", "statistics-gatys-avg.onnx",
        "pullback-gatys-avg.onnx",
    }  # fmt: skip
    assert 0 < rows["step-gatys-avg.onnx", "gradient"] <= max(rows.values()) < 1e-4
    found = json.loads(impasto("inspect", "model", "--json").stdout)
    assert [term["name"] for term in found["objectives"]["gatys"]["terms"]] == [
        "content.conv1_1",
        "tv",
        "cliff",
    ]
    assert found["optimizers"]["history_size"] == 3

    command = (
        "reconstruct",
        photo,
        "--content-layer",
        "conv1_1",
        "-o",
        "out.png",
        "--model",
        "model",
        "--preset",
        "gatys2016",
    )
    tiny = ("--size", 48, "--iterations", 3, "--json")
    steps = [json.loads(line) for line in impasto(*command, *tiny).stdout.splitlines()[1:-1]]
    assert steps[2]["terms"]["content.conv1_1"] < steps[0]["terms"]["content.conv1_1"]
    assert steps[2]["loss"] == pytest.approx(steps[2]["terms"]["content.conv1_1"])

    falls_off(impasto, photo, tmp_path)


def falls_off(impasto: Program, photo: Path, tmp_path: Path) -> None:
    """Where the loss breaks down, the picture before that is kept."""
    command = ("stylize", photo, "--style", photo, "--init", "noise", "-o", "last.png")
    only = ("--content-weight", 0, "--optimizer", "adam", "--model", "model", "--size", 48)
    done = impasto(*command, *only, "--iterations", 500)
    assert done.returncode == 1
    assert "no shorter step helped" in done.stderr.splitlines()[-1]
    assert "last.png holds the picture of iteration" in done.stderr.splitlines()[-1]
    with Image.open(tmp_path / "last.png") as image:
        pixels = list(image.convert("RGB").tobytes())
    assert sum(pixels) / len(pixels) / 255 == pytest.approx(0.45, abs=0.01)


def test_ctrl_c_leaves_no_half_bundle(start: Program, tmp_path: Path) -> None:
    process = start("export", "-o", "model")
    while not list(tmp_path.glob(".model-*/weights.bin")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "impasto: interrupted: no bundle was written"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("-o", "taken"), 1, "taken: exists already"),
        (("-o", "model", "--encoder", "nothing"), 2, "write MODULE:CLASS"),
        (("-o", "model", "--objective", "x"), 2, "write NAME=LAYER"),
        (("-o", "model", "--history", "few"), 2, "'few' is not a whole number"),
        ((), 2, "--output"),
    ],
)
def test_bad_options(
    impasto: Program, tmp_path: Path, arguments: tuple[str, ...], code: int, part: str
) -> None:
    (tmp_path / "taken").mkdir()
    done = impasto("export", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert part in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_without_pytorch(impasto: Program, tmp_path: Path) -> None:
    lacking = tmp_path / "lacking"
    lacking.mkdir()
    (lacking / "torch.py").write_text("raise ModuleNotFoundError('No module named torch')")
    done = impasto("export", "-o", "model", PYTHONPATH=lacking)
    assert (done.returncode, done.stdout) == (1, "")
    mend = done.stderr.splitlines()[-1].partition(": pip install ")[2]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = extras["optional-dependencies"]["export"]
    assert list(map(Requirement, shlex.split(mend))) == list(map(Requirement, asked))
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"content_layers": ["conv9_1"]}, "layer='conv9_1': vgg19 has conv1_1 to"),
        ({"poolings": ["min"]}, "pooling='min': there are avg, max"),
        ({"history_size": 0}, "history=0: give 1 or more"),
        ({"content_layers": ["none"], "style_layers": ["none"]}, "layer='none': name a content"),
    ],
)
def test_bad_recipes(options: dict[str, Any], part: str) -> None:
    with pytest.raises(SettingError, match=part):
        make_recipe(options)


@pytest.mark.usefixtures("heads")
@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("my_heads", "write MODULE:CLASS"),
        ("gone_heads:Mine", "gone_heads cannot be imported.*ModuleNotFoundError"),
        ("broken_heads:Mine", "broken_heads cannot be imported.*SyntaxError"),
        ("my_heads:Gone", "my_heads must have a class Gone derived from impasto.export.Head"),
        ("my_heads:number", "must have a class number derived from impasto.export.Head"),
        ("my_heads:Nameless", "Nameless must say its `name`"),
    ],
)
def test_bad_heads(spec: str, part: str) -> None:
    with pytest.raises(SettingError, match=part):
        load_head(spec)


def test_an_encoder_is_loaded_as_a_head_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And its layers and poolings are those that a recipe may name."""
    own = Path(__file__).parents[1] / "export" / "own.py"
    (tmp_path / "my_encoders.py").write_bytes(own.read_bytes())
    monkeypatch.chdir(tmp_path)
    encoder = load_encoder("my_encoders:Plain")
    layers = {"content_layers": ["second"], "style_layers": ["first"]}
    more = make_recipe({**layers, "objectives": ["deep=:first,second"]}, encoder)
    assert list(more.places(encoder)) == ["gatys", "deep"]
    assert list(more.objectives["deep"].style) == ["first", "second"]
    with pytest.raises(SettingError, match=r"layer='conv4_2': plain has"):
        make_recipe({}, encoder)
    with pytest.raises(SettingError, match=r"pooling='avg': there are own"):
        make_recipe({**layers, "poolings": ["avg"]}, encoder)
    with pytest.raises(SettingError, match=r"Regional derived from impasto.export.Encoder"):
        load_encoder("my_encoders:Regional")
