"""The conformance file in OpenVINO, which is asked for float32: docs/bundle.md says why."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from impasto.runtime import Bundle
from impasto.runtime.bundle.shapes import fix
from impasto.runtime.conformance.probes import (
    BETAS,
    CONTENT,
    IMAGE,
    STREAMS,
    STYLE,
    adam_inputs,
    lbfgs_inputs,
    picture,
    sketch,
)
from impasto.runtime.conformance.verify import read_conformance
from impasto.runtime.objective.tiles import cut

openvino = pytest.importorskip("openvino")
SUMS = 2
"""Times the tolerance: of a term OpenVINO's sums were off by 1.2e-5."""
SHIPPED = Path(str(resources.files("impasto.models") / "vgg19"))


def computed(name: str, feeds: dict[str, Any], precision: str = "f32") -> dict[str, Any]:
    """A graph's outputs, its shapes fixed to those of what it is given."""
    core = openvino.Core()
    model = core.read_model((SHIPPED / name).resolve())  # an editable install is a farm of links
    model.reshape({key: list(value.shape) for key, value in feeds.items()})
    hints = {"INFERENCE_PRECISION_HINT": precision} if precision else {}
    found = core.compile_model(model, "CPU", hints)(feeds)
    return {output.any_name: array for output, array in found.items()}


def error(found: Any, expected: Any) -> float:
    difference = np.subtract(sketch(np.asarray(found)), np.atleast_1d(expected))
    return float(np.linalg.norm(difference) / np.linalg.norm(expected))


@pytest.mark.parametrize("winograd", [False, True], ids=["plain", "winograd"])
def test_an_objective_in_float32(winograd: bool) -> None:
    bundle = Bundle("vgg19")
    expected = read_conformance(bundle)
    case = next(case for case in expected.cases if case.objective == "gatys-conv4")
    graphs = bundle.manifest.objectives[case.objective].poolings[case.pooling]
    canvas, first = bundle.manifest.canvas, case.seed * STREAMS
    image, content, style = (picture(canvas, case.size, first + k) for k in (IMAGE, CONTENT, STYLE))
    described = computed(graphs.describe, {"image": style})
    described |= {
        key: value
        for key, value in computed(graphs.describe, {"image": content}).items()
        if key.startswith("content")
    }
    for key, target in case.targets.items():
        assert error(described[key], target) <= expected.tolerance.loss, key
    inputs = bundle.manifest.signatures[graphs.step].inputs
    given = {"image": image, "weights": np.array(case.weights, np.float32), **described}
    feeds = {key: given[key].reshape(fix(shape, *case.size)) for key, shape in inputs.items()}
    name = bundle.manifest.winograd[graphs.step] if winograd else graphs.step
    found = computed(name, feeds)
    assert error(found["loss"], case.loss) <= expected.tolerance.loss
    for term, value in zip(found["terms"], case.terms, strict=True):
        assert error(term, value) <= SUMS * expected.tolerance.loss
    assert error(found["gradient"], case.gradient) <= expected.tolerance.gradient


def test_lbfgs_in_float32() -> None:
    bundle = Bundle("vgg19")
    expected = read_conformance(bundle)
    older = bundle.manifest.optimizers.history_size - 1
    for call in expected.lbfgs.calls:
        size, seed = expected.lbfgs.size, expected.lbfgs.seed
        feeds = lbfgs_inputs(bundle.manifest.canvas, size, seed, call.pairs, older)
        feeds["preconditioner"] = np.array(expected.lbfgs.preconditioner, np.float32)
        feeds["channels"] = np.array([expected.lbfgs.channels], np.float32)
        found = computed("lbfgs.onnx", feeds)
        assert (
            error(found["next_image"] - feeds["image"], call.step) <= expected.tolerance.optimizer
        )
        if call.pairs:
            for name, value in (("rho", call.rho), ("next_gamma", call.gamma)):
                assert error(found[name], value) <= expected.tolerance.optimizer


def test_adam_in_float32() -> None:
    bundle = Bundle("vgg19")
    expected, manifest = read_conformance(bundle), bundle.manifest
    adam, allowed = expected.adam, expected.tolerance.optimizer
    image, gradients = adam_inputs(manifest.canvas, adam.size, adam.seed, len(adam.images))
    state = {"image": image, "count": np.zeros(1, np.float32)}
    state |= {name: np.zeros_like(image) for name in ("mean", "square")}
    fixed = {"rate": np.array([adam.rate], np.float32), "betas": np.array(BETAS, np.float32)}
    for gradient, wanted in zip(gradients, adam.images, strict=True):
        found = computed(manifest.optimizers.adam, {**state, **fixed, "gradient": gradient})
        state = {name: found[f"next_{name}"] for name in state}
        assert error(state["image"], wanted) <= allowed
    assert error(state["mean"], adam.mean) <= allowed
    assert error(state["square"], adam.square) <= allowed


def test_tiles_in_float32() -> None:
    """Their sums, what the loss gives back through these, and the gradient that they add up to."""
    bundle = Bundle("vgg19")
    expected, manifest = read_conformance(bundle), bundle.manifest
    case = next(c for c in expected.cases if c.objective == "gatys-conv4" and c.window)
    assert case.window is not None
    entry, first = manifest.objectives[case.objective], case.seed * STREAMS
    graphs = entry.poolings[case.pooling]
    image, content, style = (
        picture(manifest.canvas, case.size, first + k) for k in (IMAGE, CONTENT, STYLE)
    )
    targets = computed(graphs.describe, {"image": style})
    maps = {
        key: value
        for key, value in computed(graphs.describe, {"image": content}).items()
        if key.startswith("content")
    }
    (stride,) = {
        manifest.encoder.layers[term.layer].stride
        for term in entry.terms
        for value in term.inputs
        if value.name in maps
    }
    tiles = cut(*case.size, case.window, entry.margin, manifest.encoder.alignment)
    fed = [
        {
            "image": tile.crop(image),
            "mask": tile.mask(),
            **{key: tile.crop(whole, stride) for key, whole in maps.items()},
        }
        for tile in tiles
    ]
    sums = sum(computed(graphs.statistics, feeds)["sums"].astype(np.float64) for feeds in fed)
    found = computed(
        entry.loss,
        {
            **{key: value for key, value in targets.items() if key not in maps},
            "sums": np.float32(sums),
            "pixels": np.array([np.prod(case.size)], np.float32),
            "weights": np.array(case.weights, np.float32),
        },
    )
    assert error(found["loss"], case.loss) <= expected.tolerance.loss
    gradient = np.zeros_like(image)
    for tile, feeds in zip(tiles, fed, strict=True):
        part = computed(graphs.pullback, {**feeds, "cotangents": found["cotangents"]})
        rows, columns = tile.window
        gradient[:, :, rows, columns] += part["gradient"]
    assert error(gradient, case.gradient) <= expected.tolerance.gradient
