"""What the scan sees, against the onnx package: it must never see less than a parser does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper

from impasto.runtime.bundle.scan import Contents, Node, Port, Tensor, scan
from impasto.runtime.bundle.wire import integers

SHIPPED = sorted(Path(str(resources.files("impasto.models") / "vgg19")).glob("*.onnx"))
SMALL = [path for path in SHIPPED if "winograd" not in path.name]
"""The others hold nothing else, six times as often."""
DAILY = [path for path in SMALL if "-" not in path.name or "-gatys-avg" in path.name]


def model(*nodes: onnx.NodeProto, opset: int = 18) -> onnx.ModelProto:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    graph = helper.make_graph(nodes, "graph", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def outside(location: str) -> onnx.TensorProto:
    """A tensor whose data are in a file."""
    tensor = numpy_helper.from_array(np.zeros(2, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def parsed(content: bytes) -> Contents:
    """What the onnx package finds in a plain graph."""
    proto = onnx.ModelProto.FromString(content)
    nodes = [(node.domain, node.op_type) for node in proto.graph.node]
    tensors = [*proto.graph.initializer]
    tensors += [a.t for n in proto.graph.node for a in n.attribute if a.HasField("t")]
    entries = [entry for tensor in tensors for entry in tensor.external_data]
    return Contents(
        Counter(f"{domain}.{name}" if domain else name for domain, name in nodes),
        {opset.domain: opset.version for opset in proto.opset_import},
        {entry.value for entry in entries if entry.key == "location"},
        set(),
        [node(n) for n in proto.graph.node],
        [tensor(t) for t in proto.graph.initializer],
        {i.name: port(i) for i in proto.graph.input},
        {o.name: port(o) for o in proto.graph.output},
    )


def node(proto: onnx.NodeProto) -> Node:
    attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    return Node(
        proto.op_type,
        list(proto.input),
        list(proto.output),
        {
            name: tensor(value) if isinstance(value, TensorProto) else value
            for name, value in attributes.items()
        },
    )


def tensor(proto: onnx.TensorProto) -> Tensor:
    outside = proto.data_location == TensorProto.EXTERNAL
    numbers: list[Any] = [*proto.int32_data, *proto.int64_data]
    return Tensor(
        proto.name,
        list(proto.dims),
        proto.data_type,
        proto.raw_data,
        numbers,
        len(proto.SerializeToString()),
        {entry.key: entry.value for entry in proto.external_data} if outside else {},
    )


def port(proto: onnx.ValueInfoProto) -> Port:
    kind = proto.type.tensor_type
    return Port(kind.elem_type, tuple(d.dim_param or d.dim_value for d in kind.shape.dim))


def same(found: Contents, expected: Contents) -> bool:
    """Packed integers are one entry of what is found, and take fewer bytes."""
    for contents in (found, expected):
        tensors = [*contents.initializers]
        for n in contents.nodes:
            tensors += [value for value in n.attributes.values() if isinstance(value, Tensor)]
        for one in tensors:
            one.numbers = [number for value in one.numbers for number in integers(value)]
            one.stored = 0
    found.read.clear()
    return found == expected


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_graphs_are_what_the_onnx_package_says(path: Path) -> None:
    contents = scan(path.read_bytes())
    assert same(contents, parsed(path.read_bytes()))
    assert contents.operators.total() > 10
    reads_pictures = path.name.startswith(("describe", "step", "statistics", "pullback"))
    assert contents.locations == ({"weights.bin"} if reads_pictures else set())


def test_domains_and_external_data_of_initialisers_and_constants() -> None:
    graph = model(
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Relu", ["y"], ["z"], domain="custom"),
        helper.make_node("Constant", [], ["c"], value=outside("/etc/passwd")),
    )
    graph.graph.initializer.append(outside("../other.bin"))
    graph.opset_import.add(domain="custom", version=3)
    contents = scan(graph.SerializeToString())
    assert same(contents, parsed(graph.SerializeToString()))
    assert contents.operators == {"Relu": 1, "custom.Relu": 1, "Constant": 1}
    assert contents.locations == {"/etc/passwd", "../other.bin"}
    assert contents.opsets == {"": 18, "custom": 3}


def subgraph() -> onnx.ModelProto:
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "inner", [], [])
    return model(helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))


def function() -> onnx.ModelProto:
    made = model(helper.make_node("Mine", ["x"], ["y"]))
    body = [helper.make_node("Relu", ["x"], ["y"])]
    made.functions.append(helper.make_function("", "Mine", ["x"], ["y"], body, []))
    return made


def sparse() -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.arange(2), "indices")
    return helper.make_sparse_tensor(outside("secret.bin"), indices, [2])


def sparse_initialiser() -> onnx.ModelProto:
    made = model(helper.make_node("Add", ["x", "w"], ["y"]))
    made.graph.sparse_initializer.append(sparse())
    return made


def sparse_constant() -> onnx.ModelProto:
    return model(helper.make_node("Constant", [], ["y"], sparse_value=sparse()))


def several_tensors() -> onnx.ModelProto:
    return model(helper.make_node("Constant", [], ["y"], values=[outside("secret.bin")]))


def texts() -> onnx.ModelProto:
    return model(helper.make_node("Constant", [], ["y"], value_strings=["a"]))


def stored_texts() -> onnx.ModelProto:
    made = model()
    made.graph.initializer.append(helper.make_tensor("w", TensorProto.STRING, [1], [b"a"]))
    return made


def training() -> onnx.ModelProto:
    made = model()
    made.training_info.add()
    return made


@pytest.mark.parametrize(
    "make",
    [
        *(subgraph, function, sparse_initialiser, sparse_constant, several_tensors, training),
        *(texts, stored_texts),
    ],
)
def test_what_is_not_a_plain_graph_is_said(make: Callable[[], onnx.ModelProto]) -> None:
    assert scan(make().SerializeToString()).others


def test_a_plain_graph_is_plain() -> None:
    attributes: dict[str, Any] = {
        "axis": 1,
        "alpha": 0.5,
        "mode": "a",
        "axes": [1],
        "scales": [1.0],
    }
    node = helper.make_node("Relu", ["x"], ["y"], name="n", doc_string="d", **attributes)
    assert scan(model(node).SerializeToString()).others == set()


# Bytes that two parsers may read in two ways


def field(number: int, wire: int, content: bytes) -> bytes:
    prefix = bytes([number << 3 | wire])
    return prefix + (bytes([len(content)]) if wire == 2 else b"") + content


def test_an_operator_hidden_behind_a_field_of_another_type_is_refused() -> None:
    harmless = field(4, 5, b"Relu")  # parsers skip it: op_type is text, not a 32-bit number
    node = field(4, 2, b"Bernoulli") + harmless
    content = field(7, 2, field(1, 2, node))
    assert parsed(content).operators == {"Bernoulli": 1}
    with pytest.raises(ValueError, match="a number where a message belongs"):
        scan(content)


def test_a_graph_hidden_behind_a_tag_of_more_than_32_bits_is_refused() -> None:
    graph = field(1, 2, field(4, 2, b"Bernoulli"))
    tag = bytes([0x80 | 7 << 3 | 2, 0x80, 0x80, 0x80, 0x10])  # field 7 in its lower 32 bits
    with pytest.raises(ValueError, match="unknown field"):
        scan(tag + bytes([len(graph)]) + graph)


def test_an_opset_given_twice_is_refused() -> None:
    twice = field(8, 2, field(2, 0, b"\x12")) * 2
    with pytest.raises(ValueError, match="not one number"):
        scan(twice)


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=() if p in DAILY else pytest.mark.soak) for p in SMALL],
    ids=lambda path: path.name,
)
def test_changed_bytes_never_hide_anything(path: Path) -> None:
    content, random, compared = path.read_bytes(), np.random.default_rng(5), 0
    for _ in range(150):
        changed = bytearray(content)
        for place in random.integers(len(changed), size=random.integers(1, 4)):
            changed[place] = random.integers(256)
        try:
            seen = scan(bytes(changed))
        except ValueError:
            continue
        try:
            expected = parsed(bytes(changed))
        except (DecodeError, ValueError):  # of an attribute's type, from the package's helpers
            continue
        assert seen.operators == expected.operators
        assert seen.opsets == expected.opsets
        assert seen.locations == expected.locations
        assert seen.others or same(seen, expected)
        compared += 1
    assert compared > 20


def test_a_file_cut_anywhere_is_refused_or_holds_less() -> None:
    content = SHIPPED[0].read_bytes()
    whole = scan(content).operators
    for end in range(0, len(content), 7):
        try:
            assert scan(content[:end]).operators <= whole
        except ValueError:
            continue


def test_noise_is_refused() -> None:
    random = np.random.default_rng(6)
    for length in range(1, 400):
        try:
            contents = scan(random.bytes(length))
        except ValueError:
            continue
        assert not contents.operators
