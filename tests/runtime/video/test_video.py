"""Videos from file to file, on a tiny bundle: what follows what, cuts, passes, and going on."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")
pytest.importorskip("cv2")

from impasto.runtime import Engine, ImageError, ImpastoError, SettingError, Video, VideoOrder
from impasto.runtime.pictures.image import Picture, read_picture
from impasto.runtime.video import scene as scenes
from impasto.runtime.video.course import TARGET, WEIGHT, Course, Shapes, make_course
from impasto.runtime.video.files.reading import examine, frames
from impasto.runtime.video.flow import fold
from impasto.runtime.video.scene import Painter, paint_scene, rounded
from impasto.runtime.video.work import Work

MOVING = Path(__file__).parents[2] / "data" / "moving"
SMALL = {"size": 48, "min_size": 32, "iterations": 3, "init": "content"}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(MOVING, device="cpu", threads=1)


def course(engine: Engine, given: Any = SMALL, **how: Any) -> Course:
    shapes = Shapes(video=(32, 48), styles=((24, 30),), even=True)
    options = {"temporal_weight": 2.0, "frame_iterations": 2, **how}
    return make_course(engine.manifest, given, shapes, memory=10**10, **options)


class Kept:
    def __init__(self) -> None:
        self.found: dict[tuple[int, int], Picture] = {}

    def load(self, turn: int, number: int) -> Picture | None:
        return self.found.get((turn, number))

    def save(self, turn: int, number: int, picture: Picture) -> None:
        self.found[turn, number] = picture


def pictures(seed: int, count: int) -> list[Picture]:
    return list(np.random.default_rng(seed).random((count, 32, 48, 3)).astype(np.float32))


# What is planned


def test_frames_that_follow_have_one_scale_and_the_temporal_term(engine: Engine) -> None:
    found = course(engine)
    (scale,) = found.following.scales
    assert (scale.size, scale.iterations) == ((32, 48), 2)
    assert {found.still.settings.objective, found.following.settings.objective} == {"video"}
    assert found.following.weights[-1] == 2.0
    assert Course.from_json(found.to_json()) == found
    odd = Shapes(video=(31, 45), styles=((24, 30),), even=True)
    even = make_course(
        engine.manifest, SMALL, odd, temporal_weight=1.0, frame_iterations=2, memory=10**10
    )
    assert even.size == (32, 48)  # it would have 33 rows


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"color": "match"}, "each frame would have its own"),
        ({"alpha": "keep"}, "a video is not transparent"),
        ({"size": 2}, "give"),
    ],
)
def test_what_makes_no_sense_in_a_video(engine: Engine, given: Any, part: str) -> None:
    with pytest.raises(SettingError, match=part):
        course(engine, {**SMALL, **given})


def test_a_bundle_without_the_term_says_how_to_make_one() -> None:
    plain = Engine.load(MOVING.parent / "plain", device="cpu", threads=1)
    with pytest.raises(SettingError, match=r"no objective of this bundle.*--head temporal"):
        course(plain)


# A scene


def test_a_frame_is_held_by_the_ones_before_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the painter is asked for, against the warps and weights of each."""
    asked: list[tuple[str, Any]] = []

    class Fake:
        def still(self, content: Picture, on_step: Any = None) -> Picture:
            asked.append(("still", None))
            return content

        def following(self, content: Picture, start: Picture, target: Any, _: Any) -> Picture:
            asked.append(("following", (start, target)))
            return content

    marked = np.full((32, 48), 0.4, np.float32)
    monkeypatch.setattr(scenes, "reliable", lambda back, forth: marked)
    monkeypatch.setattr(scenes, "flow_between", lambda a, b: np.zeros((32, 48, 2), np.float32))
    found, kept = pictures(1, 6), Kept()
    done = list(paint_scene(Fake(), lambda n: found[n], range(6), 1, kept))  # type: ignore[arg-type]
    assert done == [(0, n) for n in range(6)]
    assert [kind for kind, _ in asked] == ["still"] + ["following"] * 5
    for number, before in ((1, [0]), (2, [1, 0]), (5, [4, 3, 1])):
        start, (target, weight) = asked[number][1]
        expected, whole = fold([(found[n], marked) for n in before])
        np.testing.assert_allclose(target, expected, atol=1e-6)
        np.testing.assert_allclose(weight, whole, atol=1e-6)
        np.testing.assert_allclose(start, target)


def test_passes_go_there_and_back_from_what_the_last_one_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[Picture, Any]] = []

    class Fake:
        def still(self, content: Picture, on_step: Any = None) -> Picture:
            return content

        def following(self, content: Picture, start: Picture, target: Any, _: Any) -> Picture:
            asked.append((start, target))
            return np.asarray(start * np.float32(0.5), np.float32)

    half = np.full((32, 48), 0.5, np.float32)
    monkeypatch.setattr(scenes, "reliable", lambda back, forth: half)
    monkeypatch.setattr(scenes, "flow_between", lambda a, b: np.zeros((32, 48, 2), np.float32))
    monkeypatch.setattr(scenes, "BEFORE", (1,))
    found, kept = pictures(2, 3), Kept()
    done = list(paint_scene(Fake(), lambda n: found[n], range(3), 2, kept))  # type: ignore[arg-type]
    assert done == [(0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0)]
    start, target = asked[2]
    assert target is None
    np.testing.assert_array_equal(start, kept.found[0, 2])
    start, (target, _) = asked[3]
    np.testing.assert_array_equal(target, kept.found[1, 2])
    own = kept.found[0, 1]
    np.testing.assert_allclose(start, own + 0.5 * 0.5 * (target - own), atol=1e-6)


def test_more_weight_holds_a_frame_nearer_to_its_target(engine: Engine) -> None:
    content, start, target = pictures(3, 3)
    style, trusted = pictures(4, 1), np.zeros((32, 48), np.float32)
    trusted[:, :24] = 1
    far = []
    for weight in (0.0, 1.0, 1000.0):
        painter = Painter(engine, course(engine, temporal_weight=weight, frame_iterations=9), style)
        found = painter.following(content, start, (target, trusted))
        np.testing.assert_array_equal(found, rounded(found))
        far.append(np.abs(found - target)[:, :24].mean())
    assert far[0] > far[1] > far[2]
    assert far[2] < 0.2 * far[0]


def test_the_term_is_what_the_maps_say(engine: Engine) -> None:
    """Through the engine: its value is the formula's, of the picture that comes out."""
    content, target, start = pictures(5, 3)
    weight = np.random.default_rng(6).random((32, 48)).astype(np.float32)
    settings: Any = {"size": 48, "min_size": 48, "iterations": 2, "objective": "video"}
    maps = {TARGET: target, WEIGHT: weight}
    run = engine.start(
        content, pictures(7, 1), init_image=start, maps=maps, weights={"temporal": 3.0}, **settings
    )
    result = run.finish()
    expected = (weight[:, :, None] * np.square(255 * (result.image - target))).mean()
    assert result.terms["temporal"] == pytest.approx(float(expected), rel=1e-4)


def test_only_lightness_is_held_where_only_it_is_painted(engine: Engine) -> None:
    given = {**SMALL, "color": "content"}
    painter = Painter(engine, course(engine, given, temporal_weight=1e4), pictures(8, 1))
    content, start = pictures(9, 2)
    target = painter.following(content, start, None)
    found = painter.following(content, target, (target, np.ones((32, 48), np.float32)))
    assert np.abs(found - target).mean() < 0.01


def test_a_still_scene_gets_no_darker(engine: Engine) -> None:
    """Of 12 frames that are the same, with the strongest hold: not a level is lost."""
    content = pictures(10, 1)[0]
    painter = Painter(engine, course(engine, temporal_weight=1e6), pictures(11, 1))
    kept = Kept()
    list(paint_scene(painter, lambda _: content, range(12), 1, kept))
    change = kept.found[0, 11] - kept.found[0, 0]
    assert abs(float(change.mean())) < 0.05 / 255
    assert np.abs(change).max() < 1 / 255


# Whole videos


@pytest.fixture
def style(tmp_path: Path) -> str:
    noise = np.random.default_rng(0).integers(0, 256, (24, 30, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "style.png")
    return str(tmp_path / "style.png")


@pytest.fixture
def cut(movie: Any, moving: Any) -> str:
    """Three frames of one scene, three of another, of a rate that varies; sound."""
    return str(movie("clip.mp4", moving(3) + moving(3, seed=5), sound="aac"))


def order(source: str, style: str, output: Path | str, **changes: Any) -> VideoOrder:
    machine = {"device": "cpu", "threads": 1}
    given: dict[str, Any] = {"settings": SMALL, "machine": machine, "frame_iterations": 2}
    given |= {"source": source, "styles": (style,), "output": str(output), "model": str(MOVING)}
    return VideoOrder(**given | changes)


def test_a_video_with_a_cut(cut: str, style: str, tmp_path: Path) -> None:
    wanted = order(cut, style, tmp_path / "out.mp4", live=str(tmp_path / "live.png"))
    told = list(Video(wanted).paint())
    stages = [progress.stage for progress in told]
    assert stages == ["survey", *["paint"] * 7, "write", "done"]
    assert told[-1].scenes == 2
    assert [p.done for p in told if p.stage == "paint"] == list(range(7))
    assert told[5].left is not None
    header = examine(str(tmp_path / "out.mp4"), 10**6)
    assert (header.size, header.sounds) == ((32, 48), ("aac",))
    shown = [f for f in frames(header, header.size) if f]
    assert [round(30 * float(f.time)) for f in shown] == [0, 1, 2, 4, 7, 8]
    assert read_picture(tmp_path / "live.png").shape == (32, 48, 3)
    assert not os.path.exists(Work(wanted.output).folder)


@pytest.mark.parametrize("passes", [1, 2])
def test_one_that_was_stopped_anywhere_ends_in_the_same_bytes(
    cut: str, style: str, tmp_path: Path, passes: int
) -> None:
    whole, parts = tmp_path / "whole.mkv", tmp_path / "parts.mkv"
    list(Video(order(cut, style, whole, passes=passes)).paint())
    wanted, seen = order(cut, style, parts, passes=passes), 0
    while not parts.exists():  # each time until four more frames are done
        steps: Iterator[Any] = iter(Video(wanted).paint())
        begun = [p.done for _, p in zip(range(6), steps, strict=False) if p.stage == "paint"]
        steps.close()  # type: ignore[attr-defined]
        assert not begun or begun[0] >= seen
        seen = max([seen, *begun])
    assert parts.read_bytes() == whole.read_bytes()


def test_scenes_side_by_side_are_the_same(cut: str, style: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one.mkv", tmp_path / "two.mkv"
    list(Video(order(cut, style, one)).paint())
    list(Video(order(cut, style, two, jobs=2)).paint())
    assert one.read_bytes() == two.read_bytes()


def test_frames_of_other_settings_are_not_taken(cut: str, style: str, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    steps = Video(order(cut, style, output)).paint()
    for _ in range(4):
        next(steps)
    with pytest.raises(ImpastoError, match="another program paints in it"):
        next(Video(order(cut, style, output)).paint())
    steps.close()  # type: ignore[attr-defined]
    other = order(cut, style, output, settings={**SMALL, "seed": 5})
    with pytest.raises(ImpastoError, match=r"holds frames of other inputs or settings.*overwrite"):
        list(Video(other).paint())
    list(Video(dataclasses.replace(other, overwrite=True)).paint())
    assert output.exists()


def test_an_estimate_counts_frames_and_scenes(cut: str, tmp_path: Path) -> None:
    wanted = dataclasses.replace(order(cut, "", tmp_path / "out.mp4", passes=2), styles=())
    found = Video(wanted, estimating=True).estimate()
    assert (found.frames, found.scenes) == (6, 2)
    assert found.seconds > 0
    assert found.disk >= 6 * 32 * 48 * 6 * 2
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"styles": ()}, "there is no painting"),
        ({"output": "out.webm"}, "sound of the codec aac, which a .webm cannot hold"),
        ({"output": "none/out.mp4"}, "there is no folder"),
        ({"settings": {"size": 48, "seed": -1}}, "seed=-1"),
        ({"live": "live.xyz"}, "live.xyz"),
    ],
)
def test_what_is_wrong_is_told_before(
    cut: str, style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Any, part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ImageError, SettingError), match=part):
        Video(dataclasses.replace(order(cut, style, "out.mp4"), **changes))
    assert not list(tmp_path.glob("out*"))


def test_a_disk_that_is_too_small_is_told_before_painting(
    cut: str, style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ImpastoError, match="are free"):
        list(Video(order(cut, style, tmp_path / "out.mp4")).paint())
