"""Losses of a picture that is there: those that its run told, and the formula's in PyTorch."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from impasto.runtime import Engine, Region, SettingError

Array = NDArray[np.float32]
SHORT: dict[str, Any] = {"size": 80, "min_size": 40, "iterations": 3}


def picture(seed: int, height: int = 64, width: int = 80) -> Array:
    """Smooth noise."""
    noise = np.random.default_rng(seed).random((height, width, 3), np.float32)
    return (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1)) / 3


@pytest.fixture(scope="module")
def engine(guided: Any) -> Engine:
    return Engine.load(guided.folder, device="cpu", threads=1)


@pytest.mark.parametrize(
    ("settings", "exactly"),
    [
        ({}, True),
        ({"optimizer": "adam", "quality": "draft", "iterations": None, "init": "noise"}, True),
        ({"weights": {"style.first": 3.0, "tv": 2.0}, "style_scale": 2.0, "init": "style"}, True),
        ({"width": 48, "height": 64, "size": None}, True),  # the content is cropped
        ({"color": "match", "color_strength": 0.5}, True),
        ({"color": "content"}, False),  # its lightness is found in the colors
    ],
    ids=str,
)
def test_of_a_results_image_it_is_what_the_run_told(
    engine: Engine, settings: dict[str, Any], exactly: bool
) -> None:
    photo, paintings = 0.3 + 0.4 * picture(0, 60, 90), [picture(1, 70, 50) ** 2, picture(2)]
    settings = SHORT | {"width": 64, "height": 48, "size": None} | settings
    result = engine.stylize(photo, paintings, **settings)
    found = engine.evaluate(result.image, photo, paintings, **settings)
    assert found.size == result.image.shape[:2]
    rel = 0 if exactly else 1e-3
    assert found.terms == pytest.approx(result.terms, rel=rel, abs=0)
    assert found.loss == pytest.approx(result.loss, rel=rel, abs=0)
    total = sum(found.weights[name] * value for name, value in found.terms.items())
    assert found.loss == pytest.approx(total, rel=1e-5)
    other = engine.evaluate(photo, photo, paintings, **settings)
    assert other.terms["style.first"] > found.terms["style.first"]


def test_with_regions_and_in_tiles(engine: Engine) -> None:
    photo, mask = picture(0), np.zeros((64, 80), np.float32)
    mask[:30] = 1
    regions = [Region(mask, picture(1) ** 2)]
    result = engine.stylize(photo, regions=regions, **SHORT)
    found = engine.evaluate(result.image, photo, regions=regions)
    assert found.terms == pytest.approx(result.terms, rel=1e-5)


def test_it_is_the_formula(engine: Engine, guided: Any) -> None:
    """The mean square of content, and of Gram matrices over their size, in float64."""
    photo, painting, image = picture(0), picture(1) ** 2, picture(2)
    double = guided.encoder.double()

    def features(given: Array) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = double(
            torch.from_numpy(given.transpose(2, 0, 1)[None].copy()).double()
        )
        return found

    def gram(given: torch.Tensor) -> torch.Tensor:
        flat = given[0].flatten(1)
        return flat @ flat.T / flat.shape[1]

    with torch.no_grad():
        ours, content, style = (features(p) for p in (image, photo, painting))
        wanted = {"content.second": (ours["second"] - content["second"]).square().mean().item()}
        for layer in ("first", "second"):
            difference = gram(ours[layer]) - gram(style[layer])
            wanted[f"style.{layer}"] = (difference / len(difference)).square().mean().item()
    found = engine.evaluate(image, photo, painting)
    assert found.terms == pytest.approx(wanted, rel=1e-5)
    assert {*found.weights} == {*wanted}


def test_any_source_at_any_size(engine: Engine, tmp_path: Path) -> None:
    pixels = np.round(picture(0) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    painting, small = picture(1), {"size": 40}
    data = (tmp_path / "a.png").read_bytes()
    found = [
        engine.evaluate(source, pixels, painting, **small)
        for source in (tmp_path / "a.png", data, BytesIO(data), pixels, Image.fromarray(pixels))
    ]
    assert {evaluation.size for evaluation in found} == {(32, 40)}
    assert all(evaluation == found[0] for evaluation in found)
    assert found[0].terms["content.second"] == 0
    alone = engine.evaluate(pixels, style=painting)
    assert {name.partition(".")[0] for name in alone.terms} == {"style"}
    with pytest.raises(SettingError, match=r"evaluate\(\) has no such keyword; did you mean style"):
        engine.evaluate(pixels, pixels, painting, styl=3)  # type: ignore[call-arg]
