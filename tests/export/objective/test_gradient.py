"""The shipped graphs, run as the runtime runs them, against PyTorch written from the papers.

The terms are weighed so that each has an equal share of the gradient: one that is wrong shows.

The loss has kinks: where the input of a ReLU is zero but for rounding, each evaluation may take
another side of it, and one such unit is worth up to 1e-3 of the gradient (PyTorch's own float32 and
float64 differ by that, at one picture in ten). So a picture over the limit gets more chances, each
a little darker: flat stays flat, ties stay ties, and what is wrong is wrong there too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.pool import Graphs

LIMIT = 1e-4
SIZES = [(16, 16), (32, 48), (64, 64), (96, 160), (176, 128)]
PLAIN_SIZES = [(32, 48), (176, 128)]
GRAPHS = [*(("winograd", size) for size in SIZES), *(("plain", size) for size in PLAIN_SIZES)]
KINDS = ["photo", "noise", "flat", "patches"]
SMALL = (32, 48)

Size = tuple[int, int]
Tensor = NDArray[np.float32]  # (1, 3, H, W)
Terms = dict[str, float]
Ours = Callable[[Tensor, Mapping[str, float]], tuple[Terms, Tensor]]


@pytest.fixture(scope="module")
def tensor(photo: Callable[..., Any]) -> Callable[..., Tensor]:
    def make(kind: str, height: int, width: int) -> Tensor:
        random = np.random.default_rng(3)
        if kind == "noise":
            return random.random((1, 3, height, width), np.float32)
        if kind == "flat":
            return np.tile(random.random((1, 3, 1, 1), np.float32), (1, 1, height, width))
        if kind == "patches":  # 8 x 8 pixels of one colour
            colours = random.random((1, 3, height // 8, width // 8), np.float32)
            return colours.repeat(8, axis=2).repeat(8, axis=3)
        name = {"photo": "astronaut", "content": "chelsea", "style": "coffee"}[kind]
        return np.ascontiguousarray(photo(name, height, width).transpose(2, 0, 1)[None])

    return cache(make)


@pytest.fixture(scope="module")
def ours(tensor: Callable[..., Tensor]) -> Callable[..., Ours]:
    """Terms and gradient by the step graph at a size, its targets by the describe graph."""
    bundle = Bundle("vgg19")
    kinds = {kind: Graphs(bundle, Device("cpu"), None, kind) for kind in ("plain", "winograd")}

    def at(pooling: str, size: Size, convolutions: str = "winograd") -> Ours:
        graphs = kinds[convolutions]
        upload = graphs.device.upload
        objective = graphs.bundle.manifest.objectives["gatys"]
        files = objective.poolings[pooling]
        describe, step = (
            graphs.get(name, *size, pixels=10**9) for name in (files.describe, files.step)
        )
        targets: dict[str, Any] = {}
        for kind in ("content", "style"):
            found = describe.run({"image": upload(tensor(kind, *size))})
            targets |= {name: found[name] for name in found if name.startswith(kind)}

        def evaluate(image: Tensor, weights: Mapping[str, float]) -> tuple[Terms, Tensor]:
            ordered = np.array([weights[term.name] for term in objective.terms], np.float32)
            out = step.run({"image": upload(image), "weights": upload(ordered), **targets})
            terms = out["terms"].numpy()
            np.testing.assert_allclose(out["loss"].numpy(), ordered @ terms, rtol=1e-5)
            names = [term.name for term in objective.terms]
            return dict(zip(names, terms.tolist(), strict=True)), out["gradient"].numpy()

        return evaluate

    return cache(at)


@pytest.fixture(scope="module")
def theirs(reference: Any, tensor: Callable[..., Tensor]) -> Callable[..., Any]:
    """PyTorch's evaluation at a size; ``factors`` spoil kernels."""

    def at(pooling: str, size: Size, dtype: torch.dtype = torch.float32, **factors: float) -> Any:
        content, style = tensor("content", *size), tensor("style", *size)
        return reference.Reference(pooling, content, style, factors, dtype)

    return cache(at)


def gradient_error(image: Tensor, ours: Ours, theirs: Any, factor: float = 1.0) -> float:
    """Relative error of the gradient; above the limit, the least of some darker pictures'."""
    errors = []
    for brightness in (1.0, 0.95, 0.9, 0.85, 0.8):
        darker = image * np.float32(brightness)
        gradients = theirs.gradients(darker)
        weights = {name: 1 / (float(np.linalg.norm(g)) or 1) for name, g in gradients.items()}
        expected = sum(weights[name] * g.astype(np.float64) for name, g in gradients.items())
        difference = ours(darker, weights)[1] * factor - expected
        errors.append(float(np.linalg.norm(difference) / np.linalg.norm(expected)))
        if errors[-1] <= LIMIT:
            break
    return min(errors)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("convolutions", "size"), GRAPHS, ids=str)
@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_terms_and_gradient_are_pytorchs(
    pooling: str, convolutions: str, size: Size, kind: str, ours: Any, theirs: Any, tensor: Any
) -> None:
    image, graph = tensor(kind, *size), ours(pooling, size, convolutions)
    reference = theirs(pooling, size)
    expected = reference.terms(image)
    terms, _ = graph(image, dict.fromkeys(expected, 1.0))
    assert terms == pytest.approx(expected, rel=LIMIT, abs=1e-9)  # tv of a flat picture is 0
    assert gradient_error(image, graph, reference) <= LIMIT


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_that_is_a_thousandth_too_long_is_caught(
    kind: str, ours: Any, theirs: Any, tensor: Any
) -> None:
    image, graph, plain = tensor(kind, *SMALL), ours("avg", SMALL), theirs("avg", SMALL)
    assert gradient_error(image, graph, plain, factor=1.001) > LIMIT


@pytest.mark.parametrize("layer", ["conv1_1", "conv2_2", "conv3_4", "conv4_2", "conv5_1"])
def test_a_kernel_that_is_a_thousandth_too_large_is_caught(
    layer: str, ours: Any, theirs: Any, tensor: Any
) -> None:
    spoilt = theirs("avg", SMALL, **{layer: 1.001})
    assert gradient_error(tensor("photo", *SMALL), ours("avg", SMALL), spoilt) > LIMIT


@pytest.mark.parametrize("kind", ["flat", "patches"])
@pytest.mark.parametrize("rule", ["max, ties to the last", "max, ties shared"])
def test_ties_that_go_elsewhere_are_caught(
    rule: str, kind: str, ours: Any, theirs: Any, tensor: Any
) -> None:
    image = tensor(kind, *SMALL)
    assert gradient_error(image, ours("max", SMALL), theirs(rule, SMALL)) > LIMIT


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_the_reference_agrees_with_finite_differences(
    pooling: str, theirs: Any, tensor: Any
) -> None:
    plain = theirs(pooling, (16, 16), torch.float64)
    image = tensor("photo", 16, 16).astype(np.float64)
    direction = np.random.default_rng(4).standard_normal(image.shape)
    after, before = (plain.terms(image + step * direction) for step in (1e-7, -1e-7))
    for name, gradient in plain.gradients(image).items():
        slope = (after[name] - before[name]) / 2e-7
        assert np.vdot(gradient, direction) == pytest.approx(slope, rel=1e-4), name
