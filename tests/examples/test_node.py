"""The painter in Node: it computes what the conformance file says, and paints as Python does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto.runtime import Engine

from .conftest import MODELS

PLAIN = Path(__file__).parents[1] / "data" / "plain"
SHIPPED, ONE = MODELS / "vgg19", "gatys-conv4, avg"
Node = Callable[..., list[Any]]


def check(figures: list[Any], *ways: str) -> None:
    assert {figure["kind"] for figure in figures} == {"loss", "gradient", "optimizer", "run"}
    assert [figure for figure in figures if not figure["passes"]] == []
    for way in ways:
        assert any(figure["what"].endswith(f"{way}: gradient") for figure in figures), way


def test_the_shipped_bundle_in_node(node: Node) -> None:
    """One objective with one pooling: `make soak` has all of them."""
    ways = ("64 x 48, plain", "144 x 64, plain", "plain, tiles", "winograd", "winograd, tiles")
    check(node("node/verify.mjs", "--json", "--bundle", SHIPPED, "--only", ONE), *ways)


@pytest.mark.soak
@pytest.mark.parametrize("where", [[], ["--wasm"]], ids=["node", "wasm"])
def test_all_of_the_shipped_bundle(node: Node, where: list[str]) -> None:
    check(
        node("node/verify.mjs", "--json", "--bundle", SHIPPED, *where), "208 x 64, winograd, tiles"
    )


def test_another_bundle_in_webassembly(node: Node) -> None:
    """Chromium has the shipped one: see test_browser.py."""
    check(node("node/verify.mjs", "--json", "--wasm", "--bundle", PLAIN), "plain", "plain, tiles")


def test_the_same_losses_as_in_python(
    node: Node, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    """The first eight to 1e-5; later, rounding decides at kinks, and the ends are alike."""
    given = {"style_weight": 20.0, "iterations": 16, "size": 128}
    output = tmp_path / "out.png"
    options = ("--json", "--bundle", SHIPPED, "--settings", json.dumps(given))
    found = node("node/paint.mjs", *pictures, output, *options)
    engine = Engine.load("vgg19", device="cpu")
    run = engine.start(*pictures, init="content", **given)  # type: ignore[arg-type]
    expected = [(step.scale - 1, step.iteration, step.loss) for step in run]
    ours = [(told["scale"], told["iteration"], told["loss"]) for told in found if told["iteration"]]
    assert [told[:2] for told in ours] == [step[:2] for step in expected]
    assert {told[0] for told in ours} == {0, 1}  # coarse to fine
    for (_, _, loss), (_, _, wanted) in zip(ours[:8], expected[:8], strict=True):
        assert loss == pytest.approx(wanted, rel=1e-5)
    result = run.result()
    assert min(t[2] for t in ours if t[0]) == pytest.approx(result.loss, rel=0.03)
    picture = Image.open(output)
    assert (picture.mode, picture.size) == ("RGB", result.image.shape[1::-1])
    painted = np.asarray(picture, float) / 255
    photo = np.asarray(Image.open(pictures[0]).resize(picture.size), float) / 255
    apart, changed = (np.abs(painted - other).mean() for other in (result.image, photo))
    assert apart < changed / 4
