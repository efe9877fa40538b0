"""The conformance file in OpenVINO, which is asked for float32: docs/bundle.md says why."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from impasto.runtime import Bundle
from impasto.runtime.bundle.manifest import fix
from impasto.runtime.conformance.probes import (
    CONTENT,
    IMAGE,
    STREAMS,
    STYLE,
    lbfgs_inputs,
    picture,
    sketch,
)
from impasto.runtime.conformance.verify import read_conformance

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
