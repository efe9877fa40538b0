"""What is set for the look: detail, the strokes' size, colors, the first image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.linalg import sqrtm

from impasto.runtime import Engine, SettingError, level
from impasto.runtime.pictures.color import lightness_gray, to_oklab
from impasto.runtime.planning.sizes import style_size

Picture = NDArray[np.float32]
PLAIN = Path(__file__).parents[1] / "data" / "plain"
HEIGHT, WIDTH = 64, 80


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(PLAIN, device="cpu", threads=2)


@pytest.fixture(scope="module")
def vgg() -> Engine:
    return Engine.load("vgg19", device="cpu")


@pytest.fixture(scope="module")
def cat(photo: Callable[..., Picture]) -> Picture:
    return photo("chelsea", HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def cup(photo: Callable[..., Picture]) -> Picture:
    return photo("coffee", HEIGHT, WIDTH)


def tensor(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None])


# Detail


def octaves(picture: Picture) -> float:
    """Energy of what is lost at a quarter of the size, by Pillow's box filter."""
    gray = Image.fromarray(picture.mean(2).astype(np.float32))
    small = gray.resize((WIDTH // 4, HEIGHT // 4), Image.Resampling.BOX)
    return float(np.square(np.asarray(gray) - small.resize((WIDTH, HEIGHT))).mean())


def test_detail_is_the_share_of_the_finest_octaves_that_a_scale_begins_with(
    engine: Engine, cat: Picture, cup: Picture
) -> None:
    coarse, fine = (HEIGHT // 2, WIDTH // 2), (HEIGHT, WIDTH)
    starts = {}
    for detail in (0.0, 0.5, 1.0):
        run = engine.start(cat, cup, size=WIDTH, init="content", detail=detail)
        pictures = run._loop.pictures
        unchanged = pictures.start(coarse)
        starts[detail] = pictures.refined(unchanged, coarse, fine)
    np.testing.assert_array_equal(starts[1.0], cat)
    between = (starts[0.0] + starts[1.0]) / 2
    np.testing.assert_allclose(starts[0.5], between, atol=2e-2)  # but where it is clipped
    assert octaves(starts[0.0]) < 0.25 * octaves(cat)
    np.testing.assert_allclose(starts[0.0].mean((0, 1)), cat.mean((0, 1)), atol=2e-3)


# The strokes' size


@pytest.mark.parametrize(
    ("scale", "expected"),
    [(None, (100, 80)), (1.0, (447, 358)), (0.5, (224, 179)), (2.0, (894, 716))],
)
def test_a_style_is_enlarged_where_that_is_asked_for(scale: Any, expected: Any) -> None:
    assert style_size((100, 80), (400, 400), (16, 16), scale) == expected


def test_a_style_that_is_larger_than_the_picture_is_described_in_tiles(
    engine: Engine, cat: Picture, cup: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"size": WIDTH, "style_scale": 2.5, "iterations": 1}
    whole = engine.stylize(cat, cup, **settings)
    monkeypatch.setattr(level, "GOOD_TILE", 1000)
    monkeypatch.setattr(level, "LARGER", 1)
    fresh = Engine.load(PLAIN, device="cpu", threads=2)
    assert fresh.stylize(cat, cup, **settings).terms == pytest.approx(whole.terms, rel=1e-4)
    assert any("statistics" in name for name, *_ in fresh.runs.graphs._graphs)


# Colors


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_contents_colors_stay_in_every_picture(
    engine: Engine,
    cat: Picture,
    cup: Picture,
    tmp_path: Path,
    in_tiles: Any,
    optimizer: Any,
    tiled: bool,
) -> None:
    settings: dict[str, Any] = {"size": WIDTH, "min_size": 40, "iterations": 4}
    run = engine.start(cat, cup, color="content", optimizer=optimizer, **settings)
    run = in_tiles(engine, run) if tiled else run
    wanted = to_oklab(cat)
    for step in run:
        if step.scale == 1:
            continue
        image, found = run._loop.level.image(run._state.best), to_oklab(step.image)  # type: ignore[union-attr]
        np.testing.assert_allclose(image, image[:, :, :1].repeat(3, 2), atol=1e-6)
        np.testing.assert_allclose(found[:, :, 0], to_oklab(image)[:, :, 0], atol=1e-4)
        chroma, most = (np.hypot(*lab[:, :, 1:].T) for lab in (found, wanted))
        assert (chroma <= most + 1e-3).all()
        assert (np.abs(chroma - most) < 1e-3).mean() > 0.5  # elsewhere sRGB has no such color
        if step.iteration == 2:
            run.save(tmp_path / "run.checkpoint")
    result = run.result()
    assert result.loss < 0.9 * sum(result.initial_terms.values()) * 1000
    again = engine.resume(tmp_path / "run.checkpoint").finish()
    np.testing.assert_array_equal(again.image, result.image)
    result.save(tmp_path / "out.png")
    saved = np.asarray(Image.open(tmp_path / "out.png"))
    np.testing.assert_array_equal(saved, np.rint(result.image * 255).astype(np.uint8))


def test_the_loss_that_is_told_is_that_of_the_picture_in_the_contents_colors(
    vgg: Engine, cat: Picture, cup: Picture, reference: Any
) -> None:
    """Of its lightness: gray pictures, the style's mean moved to the content's."""
    result = vgg.stylize(cat, cup, size=WIDTH, iterations=5, color="content")
    content, style = lightness_gray(cat), lightness_gray(cup)
    style = (style + content.mean() - style.mean()).clip(0, 1)
    objective = reference.Reference("avg", tensor(content), tensor(style))
    found = objective.terms(tensor(lightness_gray(result.image)))
    found = {name: value for name, value in found.items() if name in result.terms}
    assert result.terms == pytest.approx(found, rel=2e-3)


def test_a_style_in_the_contents_colors_has_their_mean_and_covariance(
    vgg: Engine, cat: Picture, cup: Picture, reference: Any
) -> None:
    result = vgg.stylize(cat, cup, size=WIDTH, iterations=5, color="match")
    flat, own = (picture.reshape(-1, 3).astype(float) for picture in (cup, cat))
    s, c = np.cov(flat.T, bias=True), np.cov(own.T, bias=True)
    root = sqrtm(s).real
    matrix = np.linalg.inv(root) @ sqrtm(root @ c @ root).real @ np.linalg.inv(root)
    style = ((cup - flat.mean(0)) @ matrix.T + own.mean(0)).clip(0, 1).astype(np.float32)
    objective = reference.Reference("avg", tensor(cat), tensor(style))
    found = objective.terms(tensor(result.image))
    found = {name: value for name, value in found.items() if name in result.terms}
    assert result.terms == pytest.approx(found, rel=2e-3)


@pytest.mark.parametrize("color", ["content", "match"])
def test_strength_0_leaves_the_styles_colors(
    engine: Engine, cat: Picture, cup: Picture, color: Any
) -> None:
    settings: dict[str, Any] = {"size": WIDTH, "iterations": 8, "color": color}
    means = [
        engine.stylize(cat, cup, color_strength=strength, **settings).image.mean((0, 1))
        for strength in (0.0, 1.0)
    ]
    tint = [mean - mean.mean() for mean in (*means, cup.mean((0, 1)), cat.mean((0, 1)))]
    for found, like, other in ((tint[0], tint[2], tint[3]), (tint[1], tint[3], tint[2])):
        assert np.abs(found - like).max() < np.abs(found - other).max()


@pytest.mark.parametrize("color", ["content", "match"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_colors_of_flat_and_gray_pictures(engine: Engine, color: Any, value: float) -> None:
    flat = np.full((HEIGHT, WIDTH, 3), value, np.float32)
    gray = np.random.default_rng(0).random((HEIGHT, WIDTH, 1), np.float32).repeat(3, 2)
    for content, style in ((flat, gray), (gray, flat), (flat, flat)):
        result = engine.stylize(content, style, size=WIDTH, iterations=2, color=color)
        assert np.isfinite(result.image).all()
        assert np.ptp(result.image, axis=2).max() < 0.02 if color == "content" else True


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"color": "content"}, "color='content': give a content and a style"),
        ({"color": "match"}, "color='match': give a content and a style"),
        ({"init": "style"}, "init='style': give a content and a style"),
    ],
)
def test_colors_need_two_pictures(
    engine: Engine, cat: Picture, settings: Any, message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        engine.start(cat, None, **settings)
    with pytest.raises(SettingError, match=message):
        engine.start(None, cat, **settings)


# The first image


def first(engine: Engine, *pictures: Any, **settings: Any) -> Picture:
    """Before anything is done."""
    return engine.start(*pictures, size=WIDTH, **settings).result().image


def test_first_images(engine: Engine, cat: Picture, cup: Picture) -> None:
    assert (first(engine, cat, cup, init="gray") == 0.5).all()
    noise = first(engine, cat, cup, init="noise", seed=3)
    np.testing.assert_array_equal(noise, np.random.default_rng(3).random(cat.shape, np.float32))
    half = first(engine, cat, cup, init="content", init_noise=0.25, seed=3)
    np.testing.assert_allclose(half, 0.75 * cat + 0.25 * noise, atol=1e-6)
    faint = first(engine, cat, cup, init="noise", init_noise=0.1, seed=3)
    np.testing.assert_allclose(faint, 0.45 + 0.1 * noise, atol=1e-6)
    styled = first(engine, cat, cup, init="style")
    np.testing.assert_allclose(styled.mean((0, 1)), cup.mean((0, 1)), atol=0.02)
    mixed = first(engine, cat, [cup, 1 - cup], init="style", blend=[3, 1])
    wanted = 0.75 * cup.mean((0, 1)) + 0.25 * (1 - cup).mean((0, 1))
    np.testing.assert_allclose(mixed.mean((0, 1)), wanted, atol=0.03)


# All of it together


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize(
    "settings",
    [
        {"detail": 0.3},
        {"init": "style", "detail": 0.6},
        {"init": "gray", "init_noise": 0.1},
        {"color": "match", "color_strength": 0.5},
        {"color": "content", "color_strength": 0.4, "init": "style"},
        {"style_scale": 2.0, "color": "content"},
    ],
)
def test_with_several_styles_stopped_and_resumed(
    engine: Engine,
    cat: Picture,
    cup: Picture,
    tmp_path: Path,
    in_tiles: Any,
    settings: Any,
    optimizer: Any,
    tiled: bool,
) -> None:
    """The bytes of a run that never stopped, and a loss that fell."""
    run = engine.start(
        cat,
        [cup, 1 - cup],
        blend=[2, 1],
        size=WIDTH,
        min_size=40,
        iterations=4,
        optimizer=optimizer,
        **settings,
    )
    run = in_tiles(engine, run) if tiled else run
    for step in run:
        if (step.scale, step.iteration) == (2, 1):
            run.save(tmp_path / "run.checkpoint")
            first_loss = step.loss
    again = engine.resume(tmp_path / "run.checkpoint").finish()
    np.testing.assert_array_equal(again.image, run.result().image)
    assert run.result().loss < first_loss
