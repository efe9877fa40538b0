"""A picture says how it was painted, and nothing else; it is painted again to the same bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from impasto.runtime import (
    Bundle,
    BundleError,
    Engine,
    ImageError,
    Painted,
    Result,
    SettingError,
    Settings,
    painting_texts,
    read_painted,
)
from impasto.runtime.pictures.image import read_picture, write_image

Picture = NDArray[np.float32]
PLAIN = Path(__file__).parents[2] / "data" / "plain"
WHERE, WHO = "Reykjanes-secret-place", "Erika Mustermann"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(PLAIN, device="cpu", threads=2)


@pytest.fixture(scope="module")
def cat(photo: Callable[..., Picture]) -> Picture:
    return photo("chelsea", 48, 64)


@pytest.fixture(scope="module")
def cup(photo: Callable[..., Picture]) -> Picture:
    return photo("coffee", 40, 56)


@pytest.fixture(scope="module")
def result(engine: Engine, cat: Picture, cup: Picture) -> Result:
    return engine.stylize(cat, cup, size=48, iterations=3)


def saved(result: Result, **how: Any) -> bytes:
    file = io.BytesIO()
    result.save(file, **how)
    return file.getvalue()


@pytest.mark.parametrize("how", [
    {}, {"format": "png", "depth": 16}, {"format": "jpeg", "jpeg_quality": 70},
    {"format": "webp"}, {"format": "avif"}, {"format": "tiff"}, {"format": "tiff", "depth": 16},
])  # fmt: skip
def test_it_is_painted_again_to_the_same_bytes(
    engine: Engine, cat: Picture, cup: Picture, result: Result, tmp_path: Path, how: Any
) -> None:
    (tmp_path / "first").write_bytes(saved(result, **how))
    again = engine.replay(tmp_path / "first", cat, cup).finish()
    assert again.texts == result.texts
    assert saved(again, **how) == (tmp_path / "first").read_bytes()


@pytest.mark.parametrize(
    "given",
    [
        {"content": None, "width": 40, "height": 33},
        {"style": None, "megapixels": 0.002},
        {"init_image": True, "size": 80, "min_size": 40},
        {"optimizer": "adam", "size": "original", "seed": 5, "init": "noise"},
        {"blend": [1, 3], "height": 37},
        {"color": "content", "width": 33, "height": 64},
    ],
)
def test_every_kind_of_run_is_painted_again(
    engine: Engine, cat: Picture, cup: Picture, given: dict[str, Any], tmp_path: Path
) -> None:
    pictures: dict[str, Any] = {"content": cat, "style": [cup, cat][: len(given.get("blend", "1"))]}
    settings = {"iterations": 3, **given}
    for name in settings.keys() & {"content", "style"}:
        pictures[name] = settings.pop(name)
    if settings.pop("init_image", False):
        pictures["init_image"] = cup
    first = engine.stylize(**pictures, **settings)
    first.save(tmp_path / "a.png")
    engine.replay(tmp_path / "a.png", **pictures).finish().save(tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_in_tiles_and_whatever_memory_is_free(
    engine: Engine, cat: Picture, cup: Picture, result: Result, tmp_path: Path
) -> None:
    """The plan is in the file, so nothing is planned anew."""
    known = read_painted(saved_to(tmp_path, result))
    (scale,) = known.plan.scales
    scale = dataclasses.replace(scale, size=(60, 80), tile_pixels=40 * 48)
    settings = dataclasses.replace(known.plan.settings, size=80)
    tiled = dataclasses.replace(known.plan, scales=(scale,), settings=settings)
    found = [
        engine.replay(dataclasses.replace(known, plan=plan), cat, cup, any_input=True).finish()
        for plan in (
            tiled,
            tiled,
            dataclasses.replace(tiled, scales=(dataclasses.replace(scale, tile_pixels=None),)),
        )
    ]
    assert (found[0].plan, found[2].plan == tiled) == (tiled, False)
    assert saved(found[0]) == saved(found[1]) != saved(found[2])


def saved_to(folder: Path, result: Result) -> Path:
    result.save(folder / "painted.png")
    return folder / "painted.png"


@pytest.mark.parametrize("stopped", [2, 3, 5])
def test_what_was_stopped_is_stopped_there_again(
    engine: Engine, cat: Picture, cup: Picture, tmp_path: Path, stopped: int
) -> None:
    """Within a scale, at its end, and within the next."""
    steps: list[Any] = []
    first = engine.stylize(
        cat, cup, size=80, min_size=40, schedule=(3, 4),
        on_step=steps.append, cancel=lambda: len(steps) == stopped,
    )  # fmt: skip
    assert (first.iterations, first.stopped) == (stopped, "cancelled")
    path = saved_to(tmp_path, first)
    again = engine.replay(path, cat, cup).finish()
    assert saved(again) == path.read_bytes()


def test_a_resumed_run_says_the_same(
    engine: Engine, cat: Picture, cup: Picture, result: Result, tmp_path: Path
) -> None:
    run = engine.start(cat, cup, size=48, iterations=3)
    next(run)
    run.save(tmp_path / "run.checkpoint")
    found = engine.resume(tmp_path / "run.checkpoint").finish()
    assert saved(found) == saved(result)


def test_a_path_a_pillow_image_and_an_array_are_the_same_input(
    engine: Engine, cat: Picture, cup: Picture, tmp_path: Path
) -> None:
    eight = np.rint(cat * 255).astype(np.uint8)
    Image.fromarray(eight).save(tmp_path / "one.png")
    Image.fromarray(eight).save(tmp_path / "other.tif")
    kinds = [eight, Image.fromarray(eight), tmp_path / "one.png", str(tmp_path / "other.tif")]
    hashes = [engine.start(kind, cup, size=48).hashes for kind in kinds]
    assert all(found == hashes[0] for found in hashes)
    assert engine.start(eight, cup, size=47).hashes != hashes[0]
    changed = eight.copy()
    changed[3, 4, 1] ^= 1
    assert engine.start(changed, cup, size="original").hashes != hashes[0]


def test_the_hashes_are_sha_256_of_the_samples(engine: Engine, cat: Picture, cup: Picture) -> None:
    """At their own size a picture is taken as it is."""
    hashes = engine.start(cat, cup, size="original").hashes
    expected = hashlib.sha256(b"(48, 64, 3)" + cat.astype("<f4").tobytes()).hexdigest()
    assert hashes["content"] == expected
    assert {*hashes} == {"content", "style_1"}


# What is in the file


def test_the_texts(engine: Engine, result: Result, tmp_path: Path) -> None:
    texts = painting_texts(saved_to(tmp_path, result))
    assert texts == result.texts
    assert Settings.from_json(texts["settings"]) == result.plan.settings
    digest = Bundle(PLAIN).digest
    assert texts["bundle"] == digest
    assert json.loads(texts["loss"]) == result.loss
    assert json.loads(texts["terms"]) == result.terms
    versions = json.loads(texts["versions"])
    assert versions == {
        name: metadata.version(name) for name in ("impasto", "numpy", "pillow", "onnxruntime")
    }
    found = read_painted(tmp_path / "painted.png")
    assert (found.plan, found.iterations, found.stopped) == (result.plan, 3, "finished")
    assert (found.machine.device, found.machine.threads) == ("cpu", 2)
    assert found.machine.convolutions == engine.machine.convolutions


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "avif", "tif"])
def test_nothing_of_the_photograph_but_its_pixels_is_in_the_file(
    engine: Engine, cat: Picture, cup: Picture, tmp_path: Path, kind: str
) -> None:
    """Not its path or name, and none of what its file says of place, time and people."""
    exif = Image.Exif()
    exif[271], exif[306], exif[315], exif[270] = "Canon 7", "2019:07:08 09:10:11", WHO, WHERE
    exif.get_ifd(0x8825).update({1: "N", 2: (63.0, 48.0, 11.0), 3: "W", 4: (22.0, 42.0, 59.0)})
    folder = tmp_path / WHERE
    folder.mkdir()
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{WHO}</x:xmpmeta>".encode()
    photograph = Image.fromarray(np.rint(cat * 255).astype(np.uint8))
    photograph.save(folder / f"{WHO}.jpg", exif=exif, xmp=xmp, comment=WHO.encode())
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", WHO)
    Image.fromarray(np.rint(cup * 255).astype(np.uint8)).save(folder / f"{WHO}.png", pnginfo=info)
    for metadata_wanted in (True, False):
        found = engine.stylize(folder / f"{WHO}.jpg", folder / f"{WHO}.png", size=32, iterations=1)
        path = folder / f"out-{metadata_wanted}.{kind}"
        found.save(path, metadata=metadata_wanted)
        with Image.open(path) as image:
            said = repr(image.info) + repr(dict(image.getexif()))
            assert not image.getexif().get_ifd(0x8825)
        if metadata_wanted:
            said += repr(painting_texts(path))
        else:
            with pytest.raises(ImageError, match="does not say how it was painted"):
                painting_texts(path)
        for secret in (WHERE, WHO, "Canon", "2019", str(tmp_path), f"{found.seconds:.3f}"):
            assert secret not in said
            assert secret.encode() not in path.read_bytes()


# What is told


def changed(result: Result, folder: Path, **texts: str) -> Path:
    path = folder / "changed.png"
    write_image(result.image, path, parameters={**result.texts, **texts}, overwrite=True)
    return path


def record(result: Result, **changes: Any) -> str:
    return json.dumps(json.loads(result.texts["run"]) | changes)


def test_other_inputs_are_told_and_taken_if_that_is_wanted(
    engine: Engine, cat: Picture, cup: Picture, result: Result, tmp_path: Path
) -> None:
    path = saved_to(tmp_path, result)
    darker, larger = cat * np.float32(0.9), np.repeat(cat, 2, axis=0)
    for other in (darker, larger):
        with pytest.raises(ImageError, match=r"content: other pixels than .*pass any_input="):
            engine.replay(path, other, cup)
        found = engine.replay(path, other, cup, any_input=True).finish()
        expected = engine.stylize(other, cup, size=48, iterations=3)
        np.testing.assert_array_equal(found.image, expected.image)
        assert found.texts == expected.texts
    with pytest.raises(ImageError, match="style 1: other pixels than"):
        engine.replay(path, cat, cat)
    for pictures, name in (
        ((cat,), "style=0: it was painted from 1"),
        ((None, cup), "content=0: it was painted from 1"),
        ((cat, [cup, cup]), "style=2: it was painted from 1"),
    ):
        with pytest.raises(SettingError, match=name):
            engine.replay(path, *pictures, any_input=True)
    with pytest.raises(SettingError, match="init_image=1: it was painted from 0"):
        engine.replay(path, cat, cup, init_image=cat)


def test_files_that_cannot_be_replayed(
    engine: Engine, cat: Picture, cup: Picture, result: Result, tmp_path: Path
) -> None:
    ours = metadata.version("impasto")
    newer = {"impasto": "99.1.0"}
    for texts, reason in (
        ({"Software": "GIMP 3"}, "changed.png does not say how it was painted"),
        ({"Software": ""}, "changed.png does not say how it was painted"),
        ({"run": "{}"}, "what it says of its making is altered"),
        ({"run": "[" * 5000}, "what it says of its making is altered"),
        ({"run": record(result, iterations="3")}, "what it says of its making is altered"),
        (
            {"Software": "impasto 99.1.0", "run": record(result, versions=newer)},
            f"impasto 99.1.0 painted it, and this is {ours}: replay it with that version",
        ),
        ({"Software": "impasto 99.1.0", "run": "{}"}, "impasto 99.1.0 painted it, and this is"),
        ({"Software": "impasto 0.0.1", "run": "{}"}, "impasto 0.0.1 painted it, and this is"),
    ):
        with pytest.raises(ImageError, match=reason):
            engine.replay(changed(result, tmp_path, **texts), cat, cup)
    plan = json.loads(result.texts["run"])["plan"]
    settings, (scale,), sizes = plan["settings"], plan["scales"], plan["sizes"]
    for change in (
        {"settings": settings | {"objective": "dali"}},
        {"settings": settings | {"init": "image"}},
        {"settings": settings | {"width": 5000}},
        {"settings": settings | {"blend": [1.0, 2.0]}},
        {"sizes": sizes | {"content": [0, 64]}},
        {"sizes": sizes | {"content": None, "styles": []}},
        {"sizes": sizes | {"styles": [[10**9, 1]]}},
        {"scales": [scale | {"size": [36000, 48000]}]},
        {"scales": [scale | {"iterations": 10**9}]},
        {"scales": []},
        {"weights": []},
        {"shares": [0.5]},
    ):
        path = changed(result, tmp_path, run=record(result, plan=plan | change))
        with pytest.raises(ImageError, match="what it says of its making is altered"):
            engine.replay(path, cat, cup)
    path = changed(result, tmp_path, run=record(result, bundle="0" * 64))
    with pytest.raises(BundleError, match=r"with the bundle 000000000000, .*as model="):
        engine.replay(path, cat, cup)
    with pytest.raises(ImageError, match="does not say how it was painted"):
        engine.replay(cat, cat, cup)
    with pytest.raises(ImageError, match="does not exist"):
        engine.replay(tmp_path / "gone.png", cat, cup)
    with pytest.raises(SettingError, match=r"sise=3: replay\(\) has no such keyword"):
        engine.replay(path, cat, cup, sise=3)  # type: ignore[call-arg]


def test_other_versions_are_named(result: Result, tmp_path: Path) -> None:
    there = json.loads(result.texts["versions"]) | {"numpy": "1.0", "impasto": "0.0.1"}
    found = read_painted(changed(result, tmp_path, run=record(result, versions=there)))
    assert isinstance(found, Painted)
    assert {name: pair[0] for name, pair in found.other_versions.items()} == {
        "numpy": "1.0", "impasto": "0.0.1"
    }  # fmt: skip


# Results as pictures


def test_a_result_and_a_step_as_pillow_images_and_in_a_notebook(
    engine: Engine, cat: Picture, cup: Picture, result: Result
) -> None:
    step = next(engine.start(cat, cup, size=48, iterations=3))
    for shown in (result, step):
        expected = np.rint(shown.image.astype(np.float64) * 255)
        np.testing.assert_array_equal(np.asarray(shown.to_pil()), expected)
        with Image.open(io.BytesIO(shown._repr_png_())) as image:
            assert (image.format, image.mode) == ("PNG", "RGB")
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_save_takes_an_open_file(result: Result, tmp_path: Path) -> None:
    with open(tmp_path / "a", "wb") as file:
        result.save(file, format="tiff", depth=16)
    result.save(tmp_path / "a.tif", depth=16)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "a.tif").read_bytes()
    np.testing.assert_allclose(read_picture(tmp_path / "a.tif"), result.image, atol=0.6 / 65535)
    assert painting_texts(tmp_path / "a.tif")["depth"] == "16"
    with pytest.raises(SettingError, match="depth=16: jpeg has 8 bits"):
        result.save(tmp_path / "a.jpg", depth=16)
