"""What a graph takes is known before ONNX Runtime opens it, and a bundle cannot take it all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import tracemalloc
from collections.abc import Callable
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper, shape_inference

from impasto.runtime.bundle.bounds import WORDS, allowance, check_bounds, infer
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.graph_checks import OPERATORS, check_graph
from impasto.runtime.bundle.operators import RULES
from impasto.runtime.bundle.operators.numbers import FOLDS
from impasto.runtime.bundle.operators.values import KINDS
from impasto.runtime.bundle.scan import scan
from impasto.runtime.bundle.shapes import fix, fix_side
from impasto.runtime.errors import BundleError
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.session import Graph

SHIPPED = Path(str(resources.files("impasto.models") / "vgg19"))
NAMES = sorted(path.name for path in SHIPPED.glob("*.onnx") if "-conv4-" not in path.name)
"""The others are parts of these."""
Made = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def test_every_operator_has_a_rule() -> None:
    assert set(RULES) == OPERATORS
    assert set(FOLDS) <= OPERATORS


# Shapes, against two oracles


def fixed(path: Path, height: int, width: int) -> onnx.ModelProto:
    """A shipped graph with the sides of a size."""
    model = onnx.load(path, load_external_data=False)
    del model.graph.value_info[:]
    for port in (*model.graph.input, *model.graph.output):
        for dim in port.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_value = fix_side(dim.dim_param, height, width)
    return model


@pytest.mark.parametrize("size", [(48, 64), (128, 96)])
@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_those_of_the_onnx_package(name: str, size: tuple[int, int]) -> None:
    values, _ = infer(scan((SHIPPED / name).read_bytes()), *size)
    model = shape_inference.infer_shapes(fixed(SHIPPED / name, *size), data_prop=True)
    compared = 0
    for info in model.graph.value_info:
        shape = info.type.tensor_type.shape.dim
        if all(dim.HasField("dim_value") for dim in shape):
            assert values[info.name].shape == tuple(dim.dim_value for dim in shape), info.name
            assert values[info.name].kind == info.type.tensor_type.elem_type, info.name
            compared += 1
    assert compared > 0.6 * len(model.graph.node)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if not name.endswith("-avg-winograd.onnx")]
)
def test_shapes_are_those_that_onnx_runtime_makes(name: str) -> None:
    size = (32, 48)
    values, _ = infer(scan((SHIPPED / name).read_bytes()), *size)
    model = fixed(SHIPPED / name, *size)
    asked = [n for node in model.graph.node for n in node.output if not values[n].constant]
    asked = [n for n in asked if n not in [port.name for port in model.graph.output]]
    model.graph.output.extend(
        helper.make_tensor_value_info(n, values[n].kind, values[n].shape) for n in asked
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    weights = (SHIPPED / "weights.bin").read_bytes()
    options.add_external_initializers_from_files_in_memory(
        ["weights.bin"], [weights], [len(weights)]
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    inputs = {i.name: np.zeros(i.shape, np.float32) for i in session.get_inputs()}
    found = session.run(asked, inputs)
    assert [values[n].shape for n in asked] == [array.shape for array in found]
    assert [KINDS[values[n].kind] for n in asked] == [array.dtype for array in found]


def one_node(
    node: onnx.NodeProto, x: tuple[int, ...], constants: dict[str, Any], opset: int = 18
) -> bytes:
    """A graph of one node; ``x`` is its input that is no constant."""
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
        [onnx.ValueInfoProto(name=name) for name in node.output],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return bytes(model.SerializeToString())


def case(operator: str, x: tuple[int, ...], *constants: object, **attributes: object) -> Any:
    names = [f"c{at}" for at in range(len(constants))]
    given = {n: c for n, c in zip(names, constants, strict=True) if c is not None}
    inputs = ["x", *(n if n in given else "" for n in names)]
    outputs = attributes.pop("outputs", ["y"])
    node = helper.make_node(operator, inputs, outputs, **attributes)  # type: ignore[arg-type]
    return pytest.param(node, x, given, id=f"{operator}-{x}-{attributes}")


f32 = np.float32
CASES = [
    case("AveragePool", (1, 2, 9, 8), kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1),
    case("AveragePool", (1, 2, 9, 8), kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
    case("MaxPool", (1, 2, 9, 8), kernel_shape=[3, 2], pads=[1, 1, 2, 0], outputs=["y", "z"]),
    case("MaxPool", (1, 2, 9, 8), kernel_shape=[2, 2], dilations=[3, 2]),
    case("Conv", (1, 4, 9, 8), f32(np.ones((6, 2, 3, 2))), group=2, dilations=[2, 3]),
    case("Conv", (1, 4, 9, 8), f32(np.ones((6, 4, 3, 2))), strides=[3, 2], pads=[0, 4, 1, 0]),
    case("Conv", (1, 4, 9, 8), f32(np.ones((6, 4, 3, 2))), auto_pad="VALID"),
    case("Concat", (2, 3), f32(np.ones((2, 4))), axis=-1),
    case("DepthToSpace", (1, 8, 3, 2), blocksize=2),
    case("SpaceToDepth", (1, 2, 4, 6), blocksize=2),
    case("Einsum", (2, 3, 4), f32(np.ones((4, 3))), equation="abc,cb->ca"),
    case("Einsum", (3, 3), equation="aa->a"),
    case("Expand", (3, 1), [2, 1, 4]),
    case("Tile", (3, 2), [2, 5]),
    case("Flatten", (2, 3, 4), axis=-1),
    case("Flatten", (2, 3, 4), axis=3),
    case("Gather", (2, 3, 4), [[0, 1]], axis=1),
    case("GatherElements", (2, 3), [[0], [1]], axis=1),
    case("GatherND", (2, 3, 4), [[[0]], [[1]]], batch_dims=1),
    case("Gemm", (4, 2), f32(np.ones((5, 4))), transA=1, transB=1),
    case("MatMul", (4,), f32(np.ones((2, 4, 3)))),
    case("MatMul", (5, 1, 3, 4), f32(np.ones((2, 4, 3)))),
    case("MatMul", (5, 4), f32(np.ones(4))),
    case("Pad", (2, 3), [1, 2], f32(0), [1]),
    case("Pad", (2, 3), [1, -1, 0, 1]),
    case("Pad", (4, 3), [1, 2, 0, 1], mode="reflect"),
    case("ReduceMax", (2, 3, 4), [0, -1], keepdims=0),
    case("ReduceSum", (2, 3, 4)),
    case("ReduceSum", (2, 3, 4), noop_with_empty_axes=1),
    case("Reshape", (2, 3, 4), [0, -1]),
    case("Reshape", (0, 3), [3, 0], allowzero=1),
    case("Resize", (1, 1, 5, 7), None, f32([1, 1, 1.5, 0.3])),
    case("Resize", (1, 1, 5, 7), None, None, [3, 9], axes=[2, 3], mode="linear", antialias=1),
    case("ScatterElements", (3, 3), [[0, 1]], f32([[1, 2]]), axis=1),
    case("ScatterND", (4, 3), [[1]], f32([[1, 2, 3]])),
    case("Shape", (2, 3, 4), start=-2),
    case("Size", (2, 3)),
    case("Slice", (5, 6), [4, 1], [-(1 << 62), 99], [0, -1], [-2, 2]),
    case("Split", (7, 2), outputs=["y", "z"], num_outputs=2),
    case("Split", (7, 2), [1, 1], axis=-1, outputs=["y", "z"]),
    case("Squeeze", (1, 3, 1), [-1]),
    case("Squeeze", (1, 3, 1)),
    case("Unsqueeze", (3,), [0, -1]),
    case("Transpose", (2, 3, 4)),
    case("Transpose", (2, 3, 4), perm=[1, 2, 0]),
    case("Trilu", (3, 3)),
    case("Max", (3, 1), f32(np.ones((1, 4))), f32(np.ones(1))),
    case("Greater", (3, 1), f32(np.ones((2, 1, 4)))),
    case("Cast", (2,), to=TensorProto.INT32),
    case("Softmax", (2, 3), axis=-1),
    case("Clip", (2, 3), f32(0), f32(1)),
]


@pytest.mark.parametrize(("node", "x", "constants"), CASES)
def test_a_rule_says_what_onnx_runtime_makes(
    node: onnx.NodeProto, x: tuple[int, ...], constants: dict[str, Any]
) -> None:
    content = one_node(node, x, constants)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": np.ones(x, np.float32)})
    contents = scan(without_outputs(content))
    values, _ = infer(contents, 1, 1)
    for name, array in zip(node.output, expected, strict=True):
        assert values[name].shape == array.shape
        assert KINDS[values[name].kind] == array.dtype
        if values[name].data is not None:
            np.testing.assert_array_equal(values[name].data, array)


def without_outputs(content: bytes) -> bytes:
    model = onnx.ModelProto.FromString(content)
    del model.graph.output[:]
    return bytes(model.SerializeToString())


def test_numbers_are_followed_as_onnx_runtime_computes_them() -> None:
    """A shape computed in many steps, as exporters write it."""
    ints = {"two": [2], "three": [3], "first": 0, "second": [1], "ends": [99], "minus": [-7]}
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["rows"]),
        helper.make_node("Slice", ["shape", "second", "ends"], ["columns"]),
        helper.make_node("Unsqueeze", ["rows", "zero"], ["row"]),
        helper.make_node("Mul", ["row", "three"], ["tripled"]),
        helper.make_node("Add", ["tripled", "minus"], ["added"]),
        helper.make_node("Div", ["added", "two"], ["half"]),
        helper.make_node("Neg", ["half"], ["negative"]),
        helper.make_node("Sub", ["columns", "negative"], ["less"]),
        helper.make_node("Cast", ["less"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "factor"], ["part"]),
        helper.make_node("Floor", ["part"], ["floor"]),
        helper.make_node("Ceil", ["part"], ["ceil"]),
        helper.make_node("Max", ["floor", "ceil"], ["most"]),
        helper.make_node("Min", ["floor", "ceil"], ["least"]),
        helper.make_node("Cast", ["most"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Concat", ["whole", "row", "negative"], ["all"], axis=0),
        helper.make_node("Size", ["x"], ["size"]),
        helper.make_node("Reshape", ["size", "second"], ["reshaped"]),
        helper.make_node("ConstantOfShape", ["reshaped"], ["zeros"]),
        helper.make_node("Range", ["first", "size", "rows"], ["range"]),
    ]
    constants = [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in ints.items()]
    constants.append(numpy_helper.from_array(np.array([0], np.int64), "zero"))
    constants.append(numpy_helper.from_array(np.array([2.5], np.float32), "factor"))
    for rows, columns in ((1, 5), (2, 3), (3, 7), (4, 8)):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, columns])
        made = [n.output[0] for n in nodes]
        outputs = [onnx.ValueInfoProto(name=n) for n in made]
        graph = helper.make_graph(nodes, "graph", [x], outputs, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        expected = session.run(None, {"x": np.zeros((rows, columns), np.float32)})
        values, _ = infer(scan(without_outputs(model.SerializeToString())), 1, 1)
        for name, array in zip(made, expected, strict=True):
            assert values[name].shape == array.shape, name
            if name != "zeros" and name != "range":
                np.testing.assert_array_equal(values[name].data, array, name)


# Attacks


def tensor(name: str, value: object, kind: type = np.int64) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, kind), name)


def node(operator: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    """It makes ``bomb``."""
    return helper.make_node(operator, list(inputs), ["bomb"], **attributes)


def chain(operator: str, count: int, *others: str, **attributes: Any) -> list[onnx.NodeProto]:
    """From ``a0`` to ``bomb``."""
    names = [f"a{at}" for at in range(count)] + ["bomb"]
    return [
        helper.make_node(operator, [old, *(other or old for other in others)], [new], **attributes)
        for old, new in pairwise(names)
    ]


def renamed(source: str) -> onnx.NodeProto:
    return helper.make_node("Identity", [source], ["a0"])


def stored_outside(name: str, count: int) -> onnx.TensorProto:
    found = TensorProto(name=name, data_type=1, dims=[count], data_location=TensorProto.EXTERNAL)
    entries = {"location": "weights.bin", "offset": "0", "length": str(4 * count)}
    for key, value in entries.items():
        found.external_data.add(key=key, value=value)
    return found


def short(name: str, count: int) -> onnx.TensorProto:
    return TensorProto(name=name, data_type=1, dims=[count], raw_data=bytes(4))


def filled(name: str, *sides: int, source: str = "") -> Made:
    """Ones; not constant if they come from a source."""
    if not source:
        one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
        made = helper.make_node("ConstantOfShape", [f"{name}.shape"], [name], value=one)
        return [made], [tensor(f"{name}.shape", sides)]
    expand = helper.make_node("Expand", [source, f"{name}.shape"], [name])
    return [expand], [tensor(f"{name}.shape", sides)]


def with_filled(last: list[onnx.NodeProto], *made: Made) -> Made:
    return [n for nodes, _ in made for n in nodes] + last, [t for _, ts in made for t in ts]


Attack = Callable[[int], Made]
# Each makes a value "bomb" in a graph that has `image` (1, 3, height, width) and `rate` (1).
ATTACKS: dict[str, tuple[Attack, int, int]] = {
    "ConstantOfShape": (lambda n: filled("bomb", n), 10**9, 10),
    "constants doubled by Concat": (
        lambda n: with_filled(chain("Concat", n, "", axis=0), filled("a0", 4)),
        40,
        3,
    ),
    "values doubled by Concat": (
        lambda n: ([renamed("image"), *chain("Concat", n, "", axis=2)], []),
        40,
        3,
    ),
    "values doubled by Tile": (
        lambda n: ([renamed("rate"), *chain("Tile", n, "two")], [tensor("two", [2])]),
        40,
        3,
    ),
    "many copies kept": (
        lambda n: with_filled(
            [
                *(helper.make_node("Exp", ["a"], [f"c{at}"]) for at in range(n)),
                node("Sum", *(f"c{at}" for at in range(n))),
            ],
            filled("a", 10**6, source="rate"),
        ),
        100,
        3,
    ),
    "Tile": (lambda n: ([node("Tile", "rate", "n")], [tensor("n", [n])]), 10**11, 3),
    "Expand": (lambda n: ([node("Expand", "rate", "n")], [tensor("n", [n, n])]), 10**6, 3),
    "Resize by scales": (
        lambda n: (
            [node("Resize", "image", "", "n")],
            [tensor("n", [1, 1, n, n], np.float32)],
        ),
        10**5,
        2,
    ),
    "Resize to sizes": (
        lambda n: ([node("Resize", "image", "", "", "n")], [tensor("n", [1, 3, n, n])]),
        10**6,
        8,
    ),
    "Resize of constants": (
        lambda n: with_filled(
            [node("Resize", "a0", "", "", "n")], filled("a0", 1, 1), ([], [tensor("n", [n, n])])
        ),
        10**6,
        8,
    ),
    "Pad": (lambda n: ([node("Pad", "rate", "n")], [tensor("n", [n, n])]), 10**11, 3),
    "Range": (
        lambda n: (
            [helper.make_node("Range", ["zero", "n", "one"], ["r"]), node("Cast", "r", to=1)],
            [tensor("zero", 0), tensor("n", n), tensor("one", 1)],
        ),
        10**11,
        3,
    ),
    "broadcast sums": (
        lambda n: with_filled(
            [node("Add", "a", "b")], filled("a", n, 1, source="rate"), filled("b", 1, n)
        ),
        10**6,
        3,
    ),
    "MatMul of constants": (
        lambda n: with_filled([node("MatMul", "a", "b")], filled("a", n, n), filled("b", n, n)),
        5000,
        16,
    ),
    "MatMul": (
        lambda n: with_filled([node("MatMul", "a", "a")], filled("a", n, n, source="rate")),
        5000,
        16,
    ),
    "many products": (
        lambda n: with_filled(chain("MatMul", n, ""), filled("a0", 1000, 1000, source="rate")),
        2000,
        3,
    ),
    "MatMul of halves": (
        lambda n: with_filled(
            [
                helper.make_node("Cast", ["a"], ["h"], to=TensorProto.DOUBLE),
                helper.make_node("MatMul", ["h", "h"], ["hh"]),
                node("Cast", "hh", to=1),
            ],
            filled("a", n, n, source="rate"),
        ),
        1000,
        16,
    ),
    "Gemm": (
        lambda n: with_filled([node("Gemm", "a", "a", transA=1)], filled("a", n, n, source="rate")),
        5000,
        16,
    ),
    "Einsum": (
        lambda n: with_filled(
            [node("Einsum", "a", "a", equation="ab,cd->ac")], filled("a", n, n, source="rate")
        ),
        5000,
        4,
    ),
    "Conv with pads": (
        lambda n: with_filled([node("Conv", "image", "k", pads=[n] * 4)], filled("k", 1, 3, 1, 1)),
        10**6,
        2,
    ),
    "Conv with a large kernel": (
        lambda n: with_filled(
            [node("Conv", "image", "k", auto_pad="SAME_UPPER")], filled("k", 64, 3, n, n)
        ),
        400,
        3,
    ),
    "MaxPool": (
        lambda n: ([node("MaxPool", "image", kernel_shape=[n, n], pads=[n - 1] * 4)], []),
        10**9,
        3,
    ),
    "AveragePool": (
        lambda n: ([node("AveragePool", "image", kernel_shape=[n, n], auto_pad="SAME_LOWER")], []),
        10**5,
        3,
    ),
    "Gather": (
        lambda n: with_filled(
            [
                helper.make_node("Cast", ["a"], ["i"], to=TensorProto.INT64),
                helper.make_node("Mul", ["i", "zero"], ["j"]),
                node("Gather", "image", "j"),
            ],
            filled("a", n, source="rate"),
            ([], [tensor("zero", 0)]),
        ),
        10**6,
        3,
    ),
    "a higher rank": (
        lambda n: (
            [node("Unsqueeze", "rate", "n")],
            [tensor("n", list(range(n)))],
        ),
        60,
        3,
    ),
    "one part of the weights many times": (
        lambda n: (
            [
                node("Max", *(f"w{at}" for at in range(n))),
            ],
            [stored_outside(f"w{at}", 5_000_000) for at in range(n)],
        ),
        500,
        1,
    ),
    "more numbers than are stored": (
        lambda n: ([node("Add", "rate", "w")], [short("w", n)]),
        1000,
        1,
    ),
    "whole numbers divided by -1": (
        lambda n: (
            [
                helper.make_node("Div", ["least", "n"], ["q"]),
                node("Cast", "q", to=1),
            ],
            [tensor("least", [-(1 << 63)]), tensor("n", [-n])],
        ),
        1,
        -2,
    ),
}


def wrapped(tmp_path: Path, made: Made) -> Path:
    """The shipped bundle with something more in adam.onnx, whose result depends on it."""
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "bundle", copy_function=os.link))
    model = onnx.load(SHIPPED / "adam.onnx")
    for at in model.graph.node:
        for names in (at.input, at.output):
            names[:] = ["count_itself" if name == "next_count" else name for name in names]
    model.graph.node.extend(made[0])
    model.graph.node.append(helper.make_node("ReduceMax", ["bomb"], ["peak"], keepdims=0))
    model.graph.node.append(helper.make_node("Add", ["count_itself", "peak"], ["next_count"]))
    model.graph.initializer.extend(made[1])
    content = model.SerializeToString()
    (folder / "adam.onnx").unlink()
    (folder / "adam.onnx").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    first = next(iter(manifest["objectives"]))  # the rest is most of the time that loading takes
    (pooling, graphs), *_ = manifest["objectives"][first]["poolings"].items()
    manifest["objectives"] = {
        first: manifest["objectives"][first] | {"poolings": {pooling: graphs}}
    }
    manifest["presets"] = {"own": {"about": "", "settings": {}}}
    manifest["winograd"] = {}
    del manifest["lbfgs_parts"]
    kept = {"weights.bin", "adam.onnx", "lbfgs.onnx", f"loss-{first}.onnx", *graphs.values()}
    manifest["files"] = {name: manifest["files"][name] for name in kept}
    entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["files"]["adam.onnx"] = entry
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_at_once_and_takes_no_memory(tmp_path: Path, name: str) -> None:
    make, large, _ = ATTACKS[name]
    bundle = Bundle(wrapped(tmp_path, make(large)))
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(BundleError) as caught:
        Graph(bundle, "adam.onnx", 16, 16, Device("cpu"))
    seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert re.fullmatch(r".*adam\.onnx: not opened at 16x16: .*", str(caught.value))
    assert "ONNX Runtime" not in str(caught.value)
    assert seconds < 1
    assert peak < 30e6


@pytest.mark.parametrize("name", ATTACKS)
def test_the_same_on_a_small_scale_is_opened_and_run(tmp_path: Path, name: str) -> None:
    """So it is the size that was refused above."""
    make, _, small = ATTACKS[name]
    bundle = Bundle(wrapped(tmp_path, make(small)))
    graph, device = Graph(bundle, "adam.onnx", 16, 16, Device("cpu")), Device("cpu")
    shapes = bundle.manifest.signatures["adam.onnx"].inputs
    inputs = {k: device.upload(np.zeros(fix(s, 16, 16), np.float32)) for k, s in shapes.items()}
    assert graph.run(inputs)["next_count"].numpy().shape == (1,)


def test_what_grows_with_the_square_of_the_picture_is_refused_where_it_is_large(
    tmp_path: Path,
) -> None:
    nodes = [
        helper.make_node("Reshape", ["image", "column"], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"]),
        node("MatMul", "a", "b"),
    ]
    bundle = Bundle(wrapped(tmp_path, (nodes, [tensor("column", [-1, 1])])))
    check_bounds(bundle, "adam.onnx", 16, 16)
    with pytest.raises(BundleError, match="bytes of working memory"):
        check_bounds(bundle, "adam.onnx", 512, 512)


@pytest.mark.parametrize("operator", ["Reshape", "Expand", "ConstantOfShape", "Range", "Tile"])
def test_shapes_that_follow_from_data_are_refused(tmp_path: Path, operator: str) -> None:
    inputs = {"ConstantOfShape": ["i"], "Range": ["i", "i", "i"]}.get(operator, ["rate", "i"])
    nodes = [
        helper.make_node("Cast", ["rate"], ["i"], to=TensorProto.INT64),
        helper.make_node(operator, inputs, ["bomb"]),
    ]
    with pytest.raises(BundleError, match="the shape of its output follows from data"):
        check_bounds(Bundle(wrapped(tmp_path, (nodes, []))), "adam.onnx", 16, 16)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300])
def test_a_shape_from_what_is_no_whole_number_is_refused(tmp_path: Path, number: float) -> None:
    nodes = [
        helper.make_node("Cast", ["w"], ["i"], to=TensorProto.INT64),
        node("Expand", "rate", "i"),
    ]
    bundle = Bundle(wrapped(tmp_path, (nodes, [tensor("w", [number], np.float64)])))
    with pytest.raises(BundleError, match="the shape of its output follows from data"):
        check_bounds(bundle, "adam.onnx", 16, 16)


def test_texts_are_refused(tmp_path: Path) -> None:
    cast = helper.make_node("Cast", ["rate"], ["bomb"], to=TensorProto.STRING)
    with pytest.raises(BundleError, match="no value can have"):
        check_bounds(Bundle(wrapped(tmp_path, ([cast], []))), "adam.onnx", 16, 16)
    texts = helper.make_node("Constant", [], ["bomb"], value_strings=["a"])
    stored = helper.make_tensor("w", TensorProto.STRING, [1], [b"a"])
    for name, made in {"a": ([texts], []), "b": ([cast], [stored])}.items():
        (tmp_path / name).mkdir()
        with pytest.raises(BundleError, match="more than operators and dense tensors"):
            Bundle(wrapped(tmp_path / name, made))


def test_nodes_in_another_order_are_refused(tmp_path: Path) -> None:
    nodes = [node("Relu", "a"), helper.make_node("Relu", ["rate"], ["a"])]
    with pytest.raises(BundleError, match="no value 'a' yet"):
        check_bounds(Bundle(wrapped(tmp_path, (nodes, []))), "adam.onnx", 16, 16)


# Our own


@pytest.mark.parametrize("size", [(16, 16), (512, 512), (1536, 2048)])
def test_the_shipped_graphs_keep_the_limits_with_a_margin(size: tuple[int, int]) -> None:
    bundle = Bundle("vgg19")
    for name in NAMES:
        _, found = infer(bundle.contents(name), *size)
        allowed = allowance(bundle, name, *size)
        for what in WORDS:
            assert 2 * getattr(found, what) < getattr(allowed, what), (name, what)
        check_bounds(bundle, name, *size)


def test_work_is_that_of_the_convolutions() -> None:
    """VGG19 to conv5_1 and back, as its layers say, but for what moves data."""
    sides = [(64, 3, 1), (64, 64, 1), (128, 64, 2), (128, 128, 2), (256, 128, 4)]
    sides += [(256, 256, 4)] * 3 + [(512, 256, 8)] + [(512, 512, 8)] * 3 + [(512, 512, 16)]
    forward = sum(9 * out * into / stride**2 for out, into, stride in sides) * 256**2
    _, found = infer(Bundle("vgg19").contents("step-gatys-avg.onnx"), 256, 256)
    assert 2 * forward < found.work < 4 * forward


def test_a_changed_graph_gives_no_other_error_and_ends_soon() -> None:
    bundle, random = Bundle("vgg19"), np.random.default_rng(10)
    refused = compared = 0
    for name in ("adam.onnx", "describe-gatys-max.onnx", "lbfgs.onnx", "step-gatys-avg.onnx"):
        content = bundle.files[name]
        for _ in range(50):
            changed = bytearray(content)
            for place in random.integers(len(changed), size=random.integers(1, 4)):
                changed[place] = random.integers(256)
            start = time.perf_counter()
            try:
                infer(check_graph(Path(name), bytes(changed)), 32, 48)
            except (BundleError, ValueError):
                refused += 1
            compared += 1
            assert time.perf_counter() - start < 1
    assert 0.1 * compared < refused < 0.9 * compared
