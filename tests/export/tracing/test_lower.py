"""Gradients of a user's own layers against PyTorch, and forms that every reader reads alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from impasto.runtime.bundle.bundle import Bundle


@pytest.fixture(scope="module", params=["shipped", "exported"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    if request.param == "shipped":
        return Bundle("vgg19")
    return Bundle(request.getfixturevalue("exported").folder)


def test_no_mask_is_taken_for_the_default(bundle: Bundle) -> None:
    """OpenVINO reads a beta of 0 as 0.5; what is left out may be read as anything."""
    found = 0
    for name, data in bundle.files.items():
        for node in onnx.load_from_string(data).graph.node if name.endswith(".onnx") else ():
            if node.op_type == "HardSigmoid":
                given = {a.name: a.f for a in node.attribute}
                assert set(given) == {"alpha", "beta"}, name
                assert given["alpha"] not in (0.0, np.float32(0.2)), name
                assert given["beta"] not in (0.0, 0.5), name
                found += 1
    assert found


def test_lbfgs_has_no_operator_that_webgpu_lacks(bundle: Bundle) -> None:
    graph = onnx.load_from_string(bundle.files[bundle.manifest.optimizers.lbfgs]).graph
    operators = {node.op_type for node in graph.node}
    assert {"And", "Not", "ReduceSum"} <= operators
    assert not operators & {"Or", "MatMul"}


def test_a_mask_is_0_at_0_and_1_above_the_least_that_counts() -> None:
    """At every power of two that float32 has, and with the bits of a beta of 0."""
    powers = 2.0 ** np.arange(-149, 128)
    x = np.concatenate([[0.0, -0.0], powers]).astype(np.float32)
    mask, expected = (_hard_sigmoid(x, 1e30, beta) for beta in (-1e-30, 0.0))
    np.testing.assert_array_equal(mask.view(np.uint32), expected.view(np.uint32))
    np.testing.assert_array_equal(mask[:2], 0)
    np.testing.assert_array_equal(mask[x >= 1e-30], 1)


def _hard_sigmoid(x: Any, alpha: float, beta: float) -> Any:
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name in "xy"]
    node = helper.make_node("HardSigmoid", ["x"], ["y"], alpha=alpha, beta=beta)
    graph = helper.make_graph([node], "mask", sides[:1], sides[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]
