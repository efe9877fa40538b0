"""What the paper shows in its figures 1 to 3, on real pictures, small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from impasto.export import VGG19, Recipe, export_bundle, load_weights
from impasto.runtime import Engine, Result

LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")
EXAMPLE = Path(__file__).parents[2] / "models" / "example"


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    return np.asarray(data.chelsea())


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(device="cpu")


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("bundle") / "layers"
    recipe = Recipe(content_layers=LAYERS, style_layers=())
    export_bundle(folder, VGG19(load_weights("shipped")), recipe)
    return Engine.load(folder, device="cpu")


def style_loss(engine: Engine, terms: dict[str, float]) -> float:
    return sum(
        terms[term.name]
        for term in engine.manifest.objectives["gatys"].terms
        if term.head == "style"
    )


@pytest.mark.soak  # its export takes two minutes
def test_deeper_layers_give_the_photograph_back_ever_more_loosely(
    seeing: Engine, photo: NDArray[np.uint8]
) -> None:
    def reconstruct(layer: str) -> Result:
        weights = {"content": 0.0, f"content.{layer}": 1.0}
        return seeing.stylize(photo, weights=weights, size=80, iterations=50)

    results = {layer: reconstruct(layer) for layer in LAYERS}
    original = seeing.start(photo, init="content", size=80).result().image
    errors = [float(np.square(results[layer].image - original).mean()) for layer in LAYERS]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1] / 2
    for layer, result in results.items():
        name = f"content.{layer}"
        assert result.terms[name] < result.initial_terms[name] / 20


def test_texture_brings_the_style_loss_down_a_thousandfold(engine: Engine) -> None:
    texture = np.asarray(data.gravel())
    result = engine.stylize(style=texture, preset="gatys2016", size=128, iterations=100)
    assert style_loss(engine, result.terms) < style_loss(engine, result.initial_terms) / 1000
    for term in engine.manifest.objectives["gatys"].terms:
        if term.head == "style":
            assert result.terms[term.name] < result.initial_terms[term.name]


def test_stylize_ends_with_a_twentieth_of_the_photographs_style_loss(
    engine: Engine, photo: NDArray[np.uint8]
) -> None:
    settings: dict[str, Any] = {"preset": "gatys2016", "size": 128, "iterations": 60}
    result = engine.stylize(photo, EXAMPLE / "painting.jpg", **settings)
    assert style_loss(engine, result.terms) < style_loss(engine, result.initial_terms) / 20
    assert result.terms["content.conv4_2"] > 0
