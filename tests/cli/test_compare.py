"""``impasto compare``: its figures are the engine's, its table and picture have all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.cli.app import run
from impasto.runtime import Engine

PLAIN = Path(__file__).parents[1] / "data" / "plain"
OPTIONS = ("--model", str(PLAIN), "--device", "cpu", "--threads", "1")
GIVEN = ("--content", "photo.png", "--style", "s.png")


@pytest.fixture
def engine() -> Engine:
    return Engine.load(PLAIN, device="cpu", threads=1)


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photo.png, s.png, a.png of 60 x 40 pixels, b.png of twice as much, wide.png."""
    sizes = {"photo": (60, 40), "s": (30, 40), "a": (60, 40), "b": (120, 80), "wide": (80, 40)}
    for seed, (name, (width, height)) in enumerate(sizes.items()):
        noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
        Image.fromarray(noise.astype(np.uint8)).save(tmp_path / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_figures_are_the_engines(
    engine: Engine, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--style-weight", "3", "--weight", "style.second=7")
    assert run(["compare", "a.png", "b.png", "photo.png", *GIVEN, *OPTIONS, *more, "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["picture"] for one in told] == ["a.png", "b.png", "photo.png"]
    assert all(one["size"] == [60, 40] for one in told)  # the smallest's
    for one in told:
        found = engine.evaluate(
            one["picture"],
            "photo.png",
            "s.png",
            width=60,
            height=40,
            style_weight=3.0,
            weights={"style.second": 7.0},
        )
        assert (one["loss"], one["terms"], one["weights"]) == (
            found.loss,
            found.terms,
            found.weights,
        )
    assert told[2]["terms"]["content.second"] == 0
    assert told[0]["weights"] == {"content.second": 2, "style.first": 3, "style.second": 7}


def test_the_table_and_the_picture(
    engine: Engine, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", "a.png", "s.png", "--style", "s.png", *OPTIONS]) == 1  # of other shapes
    assert run(["compare", "a.png", "b.png", *GIVEN, *OPTIONS, "-o", "out.png"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "A  a.png",
        "B  b.png",
        "at 60 x 40 pixels; terms are not weighted, the loss is their weighted sum",
    ]
    assert lines[3].split() == ["weight", "A", "B"]
    found = [
        engine.evaluate(name, "photo.png", "s.png", width=60, height=40)
        for name in ("a.png", "b.png")
    ]
    for line, name in zip(lines[4:-1], found[0].terms, strict=True):
        values = [f"{one.terms[name]:.4g}" for one in found]
        assert line.split() == [name, f"{found[0].weights[name]:g}", *values]
    assert lines[-1].split() == ["loss", *(f"{one.loss:.4g}" for one in found)]
    assert len({len(line) for line in lines[3:]}) == 1  # aligned

    pixels = np.asarray(Image.open("out.png")).astype(int)
    gray = (pixels == 0xD8).all(2)  # the bars
    rows = [row for row in gray if row.sum() > 30]
    bars = [np.flatnonzero(np.diff(np.r_[0, row, 0])) for row in rows]
    lengths = {tuple(np.diff(bar)[::2]) for bar in bars if len(bar) == 4}
    most = max(max(pair) for pair in lengths)
    wanted = []
    for name in found[0].terms:
        a, b = (one.terms[name] for one in found)
        wanted.append((most * a / max(a, b), most * b / max(a, b)))
    for pair in wanted:  # letters cover some of a bar's pixels in some rows, not in all
        assert any(pair == pytest.approx(seen, abs=1.5) for seen in lengths), (pair, lengths)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        ((*GIVEN,), 2, "PICTURES"),
        (("a.png",), 2, "--content: nothing to paint"),
        (("a.png", "wide.png", *GIVEN), 1, "wide.png is 80 x 40 pixels, and a.png 60 x 40"),
        (("a.png", "gone.png", *GIVEN), 1, "gone.png"),
        (("a.png", *GIVEN, "-o", "a.png", "--overwrite"), 1, "a.png is one of the pictures"),
        (("a.png", *GIVEN, "-o", "b.png"), 1, "b.png exists already"),
        (("a.png", *GIVEN, "--size", "32"), 2, "size"),
        (("a.png",) * 27 + GIVEN, 2, "PICTURES 27: give at most 26"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    pictures: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    part: str,
) -> None:
    assert run(["compare", *arguments, *OPTIONS]) == code
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert part in said[0], re.escape(said[0])
