"""In tiles the objective is that of the whole picture, and PyTorch's of the whole in float64.

As in tests/export/test_gradient.py, the terms are weighed so that each has a share of the gradient,
and a picture over PyTorch's limit gets more chances, each a little darker: where the input of a
ReLU is zero but for rounding, float32 and float64 may take another side of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from impasto.runtime import Engine
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.pool import Graphs
from impasto.runtime.loop import Loop
from impasto.runtime.objective import Objective, Point, Targets, make_objective
from impasto.runtime.objective.tiled import Tiled
from impasto.runtime.objective.tiles import Tile
from impasto.runtime.objective.whole import Whole

LIMIT, PYTORCHS = 1e-5, 1e-4
ROW = ("avg", (96, 256), 18_000)  # pooling, size, pixels of a tile: six side by side
CASES = [ROW, ("avg", (272, 96), 22_000), ("max", (208, 240), 41_000)]  # two; two by two
STYLE = (96, 288)
CPU = Device("cpu")

Size = tuple[int, int]
Tensor = NDArray[np.float32]  # (1, 3, H, W)
Make = Callable[..., Tensor]


class Case(NamedTuple):
    """What is compared, and the targets as the whole and as the tiles describe them."""

    size: Size
    whole: Objective
    tiled: Objective
    plain: Any
    weights: dict[str, float]
    wholes: Targets
    tileds: Targets


@pytest.fixture(scope="module")
def tensor(photo: Callable[..., Any]) -> Make:
    def make(name: str, height: int, width: int) -> Tensor:
        if name == "noise":
            return np.random.default_rng(3).random((1, 3, height, width), np.float32)
        return np.ascontiguousarray(photo(name, height, width).transpose(2, 0, 1)[None])

    return make


@pytest.fixture(scope="module")
def graphs() -> Graphs:
    return Graphs(Bundle("vgg19"), CPU, None)


@pytest.fixture(scope="module")
def make_case(graphs: Graphs, tensor: Make, reference: Any) -> Callable[..., Case]:
    def make(pooling: str, size: Size, pixels: int) -> Case:
        content, style = tensor("chelsea", *size), tensor("coffee", *STYLE)
        weights = balanced(graphs, pooling, tensor)

        def prepared(limit: int | None) -> tuple[Objective, Targets]:
            objective, painted = (
                make_objective(graphs, "gatys", pooling, s, limit) for s in (size, STYLE)
            )
            targets = objective.describe(content, "content") | painted.describe(style, "style")
            objective.set_targets(targets, list(weights.values()))
            return objective, targets

        (whole, wholes), (tiled, tileds) = prepared(None), prepared(pixels)
        assert isinstance(whole, Whole)
        assert isinstance(tiled, Tiled)
        plain = reference.Reference(pooling, content, style, dtype=torch.float64)
        return Case(size, whole, tiled, plain, weights, wholes, tileds)

    return cache(make)


def balanced(graphs: Graphs, pooling: str, tensor: Make) -> dict[str, float]:
    """Weights for which, in a small picture, every term has the same share of the gradient."""
    size = (48, 64)
    objective = Whole(graphs, "gatys", pooling, size)
    content, style, image = (tensor(name, *size) for name in ("chelsea", "coffee", "astronaut"))
    targets = objective.describe(content, "content") | objective.describe(style, "style")
    names = [term.name for term in graphs.bundle.manifest.objectives["gatys"].terms]
    weights = {}
    for name in names:
        objective.set_targets(targets, [float(name == other) for other in names])
        weights[name] = 1 / float(np.linalg.norm(evaluate(objective, image)[1]))
    return weights


def evaluate(objective: Objective, image: Tensor) -> tuple[Point, Tensor]:
    """The point, and its gradient."""
    (slot,) = objective.slots(1)
    slot.image.update_inplace(image)
    point = objective.evaluate(slot)
    return point, point.gradient.numpy().copy()


def pytorchs(case: Case, image: Tensor) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Terms and gradient by the reference."""
    x = torch.tensor(image, dtype=torch.float64, requires_grad=True)
    terms = case.plain.evaluate(x)
    loss = sum(weight * terms[name] for name, weight in case.weights.items())
    gradient = torch.autograd.grad(loss, x)[0].numpy()
    return {name: terms[name].item() for name in case.weights}, gradient


def error(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Relative error, by norm."""
    difference = np.linalg.norm(ours.astype(np.float64) - theirs)
    return float(difference / np.linalg.norm(theirs.astype(np.float64)))


def largest_error(objective: Objective, ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Of the whole gradient, and of strips across tiles' borders relative to the strip's norm."""
    pairs = list(zip(strips(objective, ours), strips(objective, theirs), strict=True))
    assert pairs
    return max(error(ours, theirs), *(error(*pair) for pair in pairs))


def strips(objective: Objective, gradient: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """16 pixels across every border between tiles, over the whole picture."""
    assert isinstance(objective, Tiled)
    for axis in (2, 3):
        stops = {tile.own[axis - 2].stop for tile in objective._tiles}
        for stop in stops - {gradient.shape[axis]}:
            yield gradient.take(range(stop - 8, stop + 8), axis)


@pytest.mark.parametrize("which", CASES, ids=str)
def test_targets_are_those_of_the_whole_and_of_pytorch(
    which: Any, make_case: Callable[..., Case]
) -> None:
    case = make_case(*which)
    expected = {f"style.{layer}.target": gram for layer, gram in case.plain.grams.items()}
    expected["content.conv4_2.target"] = case.plain.content
    assert set(case.tileds) == set(expected)
    for name, target in expected.items():
        assert error(case.tileds[name], target.numpy()) <= LIMIT, name
        assert error(case.tileds[name], case.wholes[name]) <= LIMIT, name


@pytest.mark.parametrize("name", ["astronaut", "noise"])
@pytest.mark.parametrize("which", CASES, ids=str)
def test_loss_terms_and_gradient_are_those_of_the_whole_and_of_pytorch(
    which: Any, name: str, make_case: Callable[..., Case], tensor: Make
) -> None:
    case = make_case(*which)
    errors = []
    for brightness in (1.0, 0.95, 0.9, 0.85, 0.8):
        image = tensor(name, *case.size) * np.float32(brightness)
        (ours, gradient), (whole, expected) = (evaluate(o, image) for o in (case.tiled, case.whole))
        assert ours.loss == pytest.approx(whole.loss, rel=LIMIT)
        assert ours.terms == pytest.approx(whole.terms, rel=LIMIT)
        assert largest_error(case.tiled, gradient, expected) <= LIMIT
        terms, theirs = pytorchs(case, image)
        assert dict(zip(terms, ours.terms, strict=True)) == pytest.approx(terms, rel=LIMIT)
        errors.append(largest_error(case.tiled, gradient, theirs))
        if errors[-1] <= PYTORCHS:
            break
    assert min(errors) <= PYTORCHS


def spoilt_error(graphs: Graphs, case: Case, image: Tensor) -> float:
    """Of the gradient in tiles, where something of them is wrong but not the targets."""
    objective = make_objective(graphs, "gatys", *ROW)
    objective.set_targets(case.wholes, list(case.weights.values()))
    return largest_error(objective, evaluate(objective, image)[1], evaluate(case.whole, image)[1])


@pytest.mark.parametrize("margin", [16, 64])
def test_a_margin_that_is_too_small_is_caught(
    margin: int, make_case: Callable[..., Case], tensor: Make
) -> None:
    bundle = Bundle("vgg19")
    gatys = dataclasses.replace(bundle.manifest.objectives["gatys"], margin=(margin, margin))
    bundle.manifest = dataclasses.replace(bundle.manifest, objectives={"gatys": gatys})
    case = make_case(*ROW)
    spoilt = Graphs(bundle, CPU, None)
    assert spoilt_error(spoilt, case, tensor("astronaut", *case.size)) > PYTORCHS


@pytest.mark.parametrize("column", [0, 5, 16])
def test_a_column_that_a_mask_leaves_out_is_caught(
    column: int,
    graphs: Graphs,
    make_case: Callable[..., Case],
    tensor: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = Tile.mask

    def mask(tile: Tile) -> Tensor:
        found = right(tile)
        found[:, :, :, found.any((0, 1, 2)).argmax() + column] = 0
        return found

    monkeypatch.setattr(Tile, "mask", mask)
    case = make_case(*ROW)
    assert spoilt_error(graphs, case, tensor("astronaut", *case.size)) > PYTORCHS


def test_a_picture_that_is_no_larger_than_a_tile_is_done_whole(graphs: Graphs) -> None:
    assert isinstance(make_objective(graphs, "gatys", "avg", (96, 256), 96 * 256), Whole)
    assert isinstance(make_objective(graphs, "gatys", "avg", (96, 256), 96 * 256 - 1), Tiled)


def test_a_loss_that_is_no_number_has_no_gradient(graphs: Graphs, tensor: Make) -> None:
    objective = make_objective(graphs, "gatys", *ROW)
    objective.set_targets({}, [1e38] * len(graphs.bundle.manifest.objectives["gatys"].terms))
    point, gradient = evaluate(objective, tensor("noise", *ROW[1]))
    assert point.loss == np.inf
    assert not gradient.any()


@pytest.mark.parametrize(("optimizer", "tolerance"), [("lbfgs", 1e-4), ("adam", 1e-3)])
def test_a_run_in_tiles_paints_what_a_whole_one_does(
    photo: Callable[..., Any], optimizer: str, tolerance: float
) -> None:
    """The picture is padded to 96 x 256 pixels, and the style has another shape.

    Adam divides a gradient by its size: where that is small, rounding shows.
    """
    engine = Engine.load(device="cpu")
    content, style = photo("chelsea", 90, 250), photo("coffee", 60, 160)
    results, losses = [], []
    for pixels in (None, 20_000):
        settings: dict[str, Any] = {"tv_weight": 0.5, "optimizer": optimizer}
        run = engine.start(content, style, size=250, iterations=3, **settings)
        scales = tuple(dataclasses.replace(s, tile_pixels=pixels) for s in run.plan.scales)
        loop = run._loop
        run._loop = Loop(
            engine.runs.graphs, dataclasses.replace(loop.plan, scales=scales), loop.pictures
        )
        losses.append([step.loss for step in run])
        results.append(run.result())
    whole, tiled = results
    assert tiled.initial_terms == pytest.approx(whole.initial_terms, rel=1e-6)
    assert losses[1][0] == pytest.approx(losses[0][0], rel=1e-6)
    assert len(losses[0]) == len(losses[1]) == tiled.iterations
    np.testing.assert_allclose(tiled.image, whole.image, atol=tolerance)
    assert abs(whole.image - content).max() > 0.1
