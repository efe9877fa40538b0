"""``impasto gallery``: sheets of tiny drafts, what they say, and what is painted of them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto.cli.app import run
from impasto.cli.sheets.contact import read_sheet
from impasto.cli.sheets.drafts import make_drafts, values_of
from impasto.cli.sheets.options import VARIABLE
from impasto.runtime import Engine, Settings, describe

Program = Callable[..., Any]
PLAIN = Path(__file__).parents[1] / "data" / "plain"
OPTIONS = ("--model", PLAIN, "--device", "cpu", "--threads", 1)
TINY = (*OPTIONS, "--size", 32, "--iterations", 2)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(PLAIN, device="cpu", threads=1)


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photo.png and a folder of three styles, of which one is broken."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 24, 40, 3)).astype(np.uint8)
    (tmp_path / "styles").mkdir()
    for name, pixels in zip(("photo.png", "styles/a.png", "styles/c.png"), noise, strict=True):
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "styles" / "b.png").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cell(sheet: str, number: int, count: int) -> np.ndarray[Any, Any]:
    """The draft of a number, of 40 x 24 pixels made 32 x 19, of so many."""
    pixels = np.asarray(Image.open(sheet))
    columns = (pixels.shape[1] - 12) // (32 + 12)
    tall = (len(pixels) - 12) // -(-count // columns)
    row, column = divmod(number - 1, columns)
    left, top = 12 + column * (32 + 12), 12 + row * tall
    return pixels[top : top + 19, left : left + 32]


def test_a_sheet_and_one_of_it(
    engine: Engine, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("gallery", "photo.png", "--styles", "styles", "--vary", "detail", *TINY)
    assert run([*map(str, command), "--json"]) == 3
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in told] == [
        *("start", "painted", "painted", "painted", "failed", "failed", "failed"),
        *("painted", "painted", "painted", "done"),
    ]
    assert told[0]["drafts"] == 9
    assert (told[-1]["painted"], told[-1]["failed"], told[-1]["output"]) == (6, 3, "gallery.png")
    assert "styles/b.png is not a picture" in told[4]["error"]
    assert [event["settings"]["detail"] for event in told[1:4]] == [0, 0.5, 1]

    found = read_sheet("gallery.png")
    assert [*found["drafts"]] == ["1", "2", "3", "7", "8", "9"]
    draft = found["drafts"]["8"]
    assert (found["content"], draft["style"]) == ("photo.png", "styles/c.png")
    assert draft["settings"] == {"size": 32, "iterations": 2, "detail": 0.5}
    assert draft["picked"] == {"detail": 0.5}
    result = engine.stylize("photo.png", "styles/c.png", **draft["settings"])
    assert (cell("gallery.png", 8, 9) == np.asarray(result.to_pil())).all()
    assert (cell("gallery.png", 4, 9)[0] == 0xD8).all()  # one that failed

    picked = ("gallery", "--pick", 8, "-o", "out.png", "--size", 40, *OPTIONS[2:])
    assert run([*map(str, picked)]) == 0
    result = engine.stylize("photo.png", "styles/c.png", detail=0.5, size=40)  # of usual quality
    result.save("alone.png")
    assert Path("out.png").read_bytes() == Path("alone.png").read_bytes()


def test_it_is_picked_from_another_folder_and_format(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "sheets").mkdir()
    (pictures / "styles" / "b.png").unlink()
    where = ("-o", "sheets/s.jpg", "--jpeg-quality", 70, "-q")
    command = ("gallery", "photo.png", "--styles", "styles", *TINY, *where)
    assert run([*map(str, command)]) == 0
    assert capsys.readouterr().err == ""
    with Image.open("sheets/s.jpg") as image:
        assert image.format == "JPEG"
    (pictures / "other").mkdir()
    (pictures / "sheets").rename("moved")
    monkeypatch.chdir("other")
    picked = ("gallery", "--pick", 2, "--sheet", "../moved/s.jpg", "-o", "o.png", "--seed", 3)
    assert run([*map(str, (*picked, "--size", 32, "--iterations", 2))]) == 0
    with Image.open("o.png") as image:
        assert (image.text["seed"], image.text["detail"]) == ("3", "1.0")  # type: ignore[attr-defined]


def test_ctrl_c_leaves_a_sheet_of_what_there_is(start: Program, pictures: Path) -> None:
    (pictures / "styles" / "b.png").unlink()
    endless = (*OPTIONS, "--size", 32, "--vary", "quality", "--schedule", "2,2", "--json")
    process = start("gallery", "photo.png", "--styles", "styles", *endless)
    for event in ("start", "painted"):
        assert json.loads(process.stdout.readline())["event"] == event
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1])
    if last["painted"] < 6:  # else it was faster
        assert process.returncode == 130
    assert "Traceback" not in said
    found = read_sheet("gallery.png")["drafts"]
    assert [*found] == [str(n + 1) for n in range(last["painted"])]


@pytest.mark.parametrize("name", VARIABLE)
def test_each_setting_that_varies_has_values_that_make_sense(engine: Engine, name: str) -> None:
    given = {"init": "noise"} if name == "init_noise" else {}
    values = values_of(engine, given, name)
    assert len(values) >= 1
    assert len({*values}) == len(values)
    for value in values:
        describe(Settings)[name].check(value)
    if name not in ("objective", "pooling", "content_layer", "preset"):  # this bundle has one each
        assert len(values) >= 2


def test_what_is_tried(engine: Engine) -> None:
    assert values_of(engine, {}, "detail") == (0, 0.5, 1)
    assert values_of(engine, {}, "style_scale") == (0.5, 1, 2)
    assert values_of(engine, {}, "init") == ("content", "noise", "gray", "style")
    assert values_of(engine, {}, "tv_weight") == (0, 10, 100)
    weight = engine.settings().style_weight
    found = values_of(engine, {}, "style_weight")
    assert found == pytest.approx([weight * t for t in (0.1, 0.3, 1, 3, 10)])
    drafts = make_drafts(engine, ["a", "b"], {}, ["init"], 2)
    assert [(d.number, d.style, d.varied) for d in drafts[:5]] == [
        (1, "a", {"init": "content"}),  # a seed makes no difference
        (2, "a", {"init": "noise", "seed": 0}),
        (3, "a", {"init": "noise", "seed": 1}),
        (4, "a", {"init": "gray"}),
        (5, "a", {"init": "style"}),
    ]
    assert drafts[0].settings == {"size": 256, "quality": "draft", "init": "content"}
    assert len(drafts) == 10
    named = {"width": 40, "iterations": 3}
    (draft,) = make_drafts(engine, ["a"], {**named, "seed": 5}, [], 1)
    assert (draft.settings, draft.picked) == ({**named, "seed": 5}, {"seed": 5})


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        ((), 2, "CONTENT: name a picture, or with --pick the number"),
        (("photo.png", "--pick", 3), 2, "CONTENT photo.png: the sheet says it"),
        (("--pick", 3), 1, "gallery.png"),
        (("--pick", 3, "--sheet", "photo.png"), 1, "photo.png does not say how it was painted"),
        (("--pick", 3, "--vary", "detail"), 2, "--vary"),
        (("photo.png", "--depth", 16), 2, "--depth 16: that goes with --pick"),
        (("photo.png", "--vary", "size"), 2, "--vary size: these can be varied: preset,"),
        (("photo.png", "--vary", "seed"), 2, "--vary seed: give how many as --seeds"),
        (("photo.png", "--seeds", 3), 2, "--seeds 3: the first image has no noise"),
        (("photo.png", "--vary", "style-weight,color,detail,init"), 2, "at most 500"),
        (("photo.png", "--styles", "gone"), 1, "gone does not exist"),
        (("photo.png", "-o", "photo.png"), 1, "photo.png is one of the pictures to read"),
        (("photo.png", "-o", "there.png"), 1, "there.png exists already"),
        (("photo.png", "--blend", "1,2"), 2, "--blend"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_painted(
    pictures: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[object, ...],
    code: int,
    part: str,
) -> None:
    (pictures / "there.png").touch()
    assert run(["gallery", *map(str, (*arguments, *TINY))]) == code
    assert part in capsys.readouterr().err.splitlines()[-1]
    assert not (pictures / "gallery.png").exists()
