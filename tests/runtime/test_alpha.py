"""Transparent pictures: laid on white, kept as they are, or their colors as they are stored."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto.runtime import Engine, ImageError

SHORT: dict[str, Any] = {"size": 80, "min_size": 80, "iterations": 2, "schedule": [2]}
HEIGHT, WIDTH = 64, 80


@pytest.fixture(scope="module")
def engine(guided: Any) -> Engine:
    return Engine.load(guided.folder, device="cpu", threads=1)


def colors(seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def cut_out(kind: str) -> tuple[bytes, np.ndarray[Any, Any]]:
    """A picture's file whose left half is transparent, and whose middle is half so."""
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[:, 40:] = 255
    alpha[:, 36:44] = 128
    stream = io.BytesIO()
    rgba = np.dstack([colors(), alpha])
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    Image.fromarray(rgba).save(stream, kind, **options)
    return stream.getvalue(), alpha


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_white_is_under_it_and_ignore_takes_colors_as_stored(engine: Engine, kind: str) -> None:
    file, alpha = cut_out(kind)
    share = alpha[:, :, None] / np.float32(255)
    on_white = share * (colors() / np.float32(255)) + 1 - share
    for setting, expected in (("white", on_white), ("ignore", colors() / np.float32(255))):
        run = engine.start(file, colors(1), alpha=setting, **SHORT)
        np.testing.assert_allclose(run._loop.pictures.content, expected, atol=1e-6)
        assert run.result().alpha is None
    assert run.plan.settings.alpha == "ignore"
    assert engine.settings().alpha == "white"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_kept_it_is_in_the_result_of_formats_that_can(
    engine: Engine, tmp_path: Path, kind: str
) -> None:
    file, alpha = cut_out(kind)
    run = engine.start(file, colors(1), alpha="keep", **SHORT)
    seen = run._loop.pictures.content  # colors alone, whatever is below; white where nothing is
    np.testing.assert_allclose(seen[alpha > 0], colors()[alpha > 0] / 255, atol=2e-6)
    assert (seen[alpha == 0] == 1).all()
    result = run.finish()
    for name, how in (
        ("a.png", {}),
        ("a.tif", {}),
        ("b.png", {"depth": 16}),
        ("b.tif", {"depth": 16}),
    ):
        result.save(tmp_path / name, **how)
        with Image.open(tmp_path / name) as picture:
            found = np.asarray(picture.convert("RGBA"))
        np.testing.assert_array_equal(found[:, :, 3], alpha)
        assert np.abs(found[:, :, :3] / 255 - result.image).max() < 0.6 / 255 + 1 / 255
    result.save(tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as picture:
        np.testing.assert_array_equal(np.asarray(picture)[:, :, 3], alpha)
    result.save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as picture:
        assert np.asarray(picture)[:, :30].min() > 240  # on white


def test_it_is_resumed_and_replayed_and_has_a_size_of_its_own(
    engine: Engine, tmp_path: Path
) -> None:
    file, _ = cut_out("PNG")
    settings = {**SHORT, "size": 40, "min_size": 40}
    run = engine.start(file, colors(1), alpha="keep", **settings)
    next(run)
    run.save(tmp_path / "run")
    result = run.finish()
    assert result.alpha is not None
    assert result.alpha.shape == (32, 40)
    np.testing.assert_array_equal(engine.resume(tmp_path / "run").finish().alpha, result.alpha)
    result.save(tmp_path / "out.png")
    again = engine.replay(tmp_path / "out.png", file, colors(1)).finish()
    np.testing.assert_array_equal(again.alpha, result.alpha)
    np.testing.assert_array_equal(again.image, result.image)
    solid = Image.open(io.BytesIO(file)).convert("RGB")
    with pytest.raises(ImageError, match="other pixels than those that it was painted from"):
        engine.replay(tmp_path / "out.png", solid, colors(1))


def test_what_is_opaque_is_as_ever(engine: Engine, tmp_path: Path) -> None:
    plain = engine.stylize(colors(), colors(1), **SHORT)
    kept = engine.stylize(colors(), colors(1), alpha="keep", **SHORT)
    assert kept.alpha is None
    np.testing.assert_array_equal(kept.image, plain.image)
    kept.save(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.mode == "RGB"
