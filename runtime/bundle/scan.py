"""What an ONNX file contains, without the onnx package. Field numbers are those of onnx.proto."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field

from .wire import ANY, Value, fields, floats, integers, message, signed, text

MODEL_GRAPH, MODEL_OPSET = 7, 8
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 1, 5, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_OP_TYPE, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 4, 5, 7
ATTRIBUTE_NAME, ATTRIBUTE_TENSOR, ATTRIBUTE_TYPE = 1, 5, 20
TENSOR_DIMS, TENSOR_TYPE, TENSOR_INT32, TENSOR_INT64, TENSOR_NAME, TENSOR_RAW = 1, 2, 5, 7, 8, 9
TENSOR_EXTERNAL, TENSOR_LOCATION = 13, 14
ENTRY_KEY, ENTRY_VALUE = 1, 2
OPSET_DOMAIN, OPSET_VERSION = 1, 2
VALUE_NAME, VALUE_TYPE, METADATA = 1, 2, 4
TYPE_TENSOR, TENSOR_TYPE_ELEMENT, TENSOR_TYPE_SHAPE = 1, 1, 2
SHAPE_DIM, DIM_VALUE, DIM_PARAM = 1, 1, 2

# What a plain graph may consist of; not on these lists are functions, training, subgraphs, texts,
# sparse tensors (which may lie in other files, too) and whatever ONNX adds one day.
PLAIN: dict[str, Container[int]] = {
    "model": {1, 2, 3, 4, 5, 6, MODEL_GRAPH, MODEL_OPSET, 14},
    "graph": {GRAPH_NODE, 2, GRAPH_INITIALIZER, 10, GRAPH_INPUT, GRAPH_OUTPUT, 13, 16},
    "node": {NODE_INPUT, NODE_OUTPUT, 3, NODE_OP_TYPE, NODE_ATTRIBUTE, 6, NODE_DOMAIN, 9},
    "attribute": {1, 2, 3, 4, ATTRIBUTE_TENSOR, 7, 8, 9, 13, ATTRIBUTE_TYPE},
    "tensor": {1, 2, 4, 5, 7, 8, 9, 10, 11, 12, TENSOR_EXTERNAL, TENSOR_LOCATION, 16},
    "entry": ANY,
    "value": {VALUE_NAME, VALUE_TYPE, 3, METADATA},
    "type": {TYPE_TENSOR, 6},
    "tensor type": {TENSOR_TYPE_ELEMENT, TENSOR_TYPE_SHAPE},
    "shape": {SHAPE_DIM},
    "dim": {DIM_VALUE, DIM_PARAM, 3},
}
FLOAT, INT, STRING, TENSOR, FLOATS, INTS = 1, 2, 3, 4, 6, 7
ATTRIBUTE_VALUES = {FLOAT: 2, INT: 3, STRING: 4, TENSOR: ATTRIBUTE_TENSOR, FLOATS: 7, INTS: 8}
"""By the attribute's type, the field that holds its value."""


@dataclass(slots=True)
class Tensor:
    """Of an initializer or a constant."""

    name: str = ""
    dims: list[int] = field(default_factory=list)
    kind: int = 0
    """onnx.TensorProto.DataType."""
    raw: bytes = b""
    numbers: list[Value] = field(default_factory=list)
    """Where ``raw`` is empty: integers, one by one or packed."""
    stored: int = 0
    """Bytes, in the graph's own file."""
    external: dict[str, str] = field(default_factory=dict)


Attribute = float | int | bytes | list[float] | list[int] | Tensor


@dataclass(slots=True)
class Node:
    """One operator; an empty name is an input or output that is left out."""

    operator: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, Attribute] = field(default_factory=dict)
    written: tuple[Value, ...] = field(default=(), compare=False, repr=False)
    """The attributes as they are in the file: where they are the same, so are these."""


@dataclass(slots=True)
class Port:
    """An input or output of the graph: its elements' type, and numbers or names of its sides."""

    kind: int
    shape: tuple[int | str, ...]


@dataclass
class Contents:
    """Operators with their counts, what else a file may reach for, and the graph itself."""

    operators: Counter[str] = field(default_factory=Counter)
    opsets: dict[str, int] = field(default_factory=dict)
    locations: set[str] = field(default_factory=set)
    """Files that hold external data."""
    others: set[str] = field(default_factory=set)
    """What is not of a plain graph, as ``attribute field 6`` (a subgraph)."""
    nodes: list[Node] = field(default_factory=list)
    initializers: list[Tensor] = field(default_factory=list)
    inputs: dict[str, Port] = field(default_factory=dict)
    outputs: dict[str, Port] = field(default_factory=dict)
    read: dict[Value, tuple[str, Attribute | None]] = field(default_factory=dict, repr=False)
    """Attributes by their bytes: most are there many times."""

    def fields(self, value: Value, kind: str) -> list[tuple[int, Value]]:
        """Of a message of a kind of ``PLAIN``."""
        return list(fields(message(value), PLAIN[kind], kind, self.others))


def scan(model: bytes, nodes: bool = True) -> Contents:
    """All of a model; its inputs and outputs alone without ``nodes``.

    Raises:
        ValueError: the bytes are no protobuf message, or parsers read them in two ways.
    """
    contents = Contents()
    for number, value in contents.fields(model, "model"):
        if number == MODEL_GRAPH:
            _scan_graph(value, contents, nodes)
        elif number == MODEL_OPSET:
            entries = dict(contents.fields(value, "entry"))
            domain = text(entries.get(OPSET_DOMAIN, b""))
            version = entries.get(OPSET_VERSION, 0)
            if not isinstance(version, int) or domain in contents.opsets:
                raise ValueError("an opset's version is not one number")
            contents.opsets[domain] = version
    return contents


def _scan_graph(graph: Value, contents: Contents, nodes: bool) -> None:
    for number, value in fields(message(graph), PLAIN["graph"], "graph", contents.others):
        if number == GRAPH_NODE and nodes:
            _scan_node(value, contents)
        elif number == GRAPH_INITIALIZER and nodes:
            contents.initializers.append(_scan_tensor(value, contents))
        elif number in (GRAPH_INPUT, GRAPH_OUTPUT):
            name, port = _scan_port(value, contents)
            ports = contents.inputs if number == GRAPH_INPUT else contents.outputs
            if name in ports:
                raise ValueError(f"the graph has {name} twice")
            ports[name] = port


def _scan_node(value: Value, contents: Contents) -> None:
    node, domain = Node(), ""
    for number, item in fields(message(value), PLAIN["node"], "node", contents.others):
        if number == NODE_INPUT:
            node.inputs.append(text(item))
        elif number == NODE_OUTPUT:
            node.outputs.append(text(item))
        elif number == NODE_OP_TYPE:
            node.operator = text(item)
        elif number == NODE_DOMAIN:
            domain = text(item)
        elif number == NODE_ATTRIBUTE:
            if item not in contents.read:
                contents.read[item] = _scan_attribute(item, contents)
            node.written += (item,)
            name, attribute = contents.read[item]
            if name in node.attributes:
                raise ValueError(f"a node has the attribute {name} twice")
            if attribute is not None:
                node.attributes[name] = attribute
    contents.nodes.append(node)
    contents.operators[f"{domain}.{node.operator}" if domain else node.operator] += 1


def _scan_attribute(value: Value, contents: Contents) -> tuple[str, Attribute | None]:
    """Its name, and its value if it is of a type that plain operators have."""
    name, kind, found, tensors = "", 0, {}, []
    parts = contents.fields(value, "attribute")
    for number, item in parts:
        if number == ATTRIBUTE_NAME:
            name = text(item)
        elif number == ATTRIBUTE_TYPE:
            kind = signed(item)
        elif number == ATTRIBUTE_TENSOR:
            tensors.append(_scan_tensor(item, contents))
        found[number] = item
    if len(tensors) > 1:
        raise ValueError(f"the attribute {name} has several tensors")
    if kind not in ATTRIBUTE_VALUES:
        contents.others.add(f"attribute type {kind}")
        return name, None
    place = ATTRIBUTE_VALUES[kind]
    if kind in (INTS, FLOATS):
        read = integers if kind == INTS else floats
        return name, [entry for number, item in parts if number == place for entry in read(item)]
    if place not in found:
        raise ValueError(f"the attribute {name} has no value")
    if kind == TENSOR:
        return name, tensors[0]
    if kind == INT:
        return name, signed(found[place])
    if kind == STRING:
        return name, message(found[place])
    return name, floats(found[place])[0]


def _scan_tensor(value: Value, contents: Contents) -> Tensor:
    tensor, external, outside = Tensor(stored=len(message(value))), [], 0
    for number, item in fields(message(value), PLAIN["tensor"], "tensor", contents.others):
        if number == TENSOR_DIMS:
            tensor.dims += integers(item)
        elif number == TENSOR_TYPE:
            tensor.kind = signed(item)
        elif number == TENSOR_NAME:
            tensor.name = text(item)
        elif number == TENSOR_RAW:
            tensor.raw = message(item)
        elif number in (TENSOR_INT32, TENSOR_INT64):
            tensor.numbers.append(item)
        elif number == TENSOR_LOCATION:
            outside = signed(item)
        elif number == TENSOR_EXTERNAL:
            entry = dict(contents.fields(item, "entry"))
            external.append((text(entry.get(ENTRY_KEY, b"")), text(entry.get(ENTRY_VALUE, b""))))
    contents.locations |= {place for key, place in external if key == "location"}
    if outside:
        tensor.external = dict(external)
        if len(tensor.external) < len(external) or "location" not in tensor.external or outside > 1:
            raise ValueError(f"it is not clear where the data of {tensor.name} are")
    return tensor


def _scan_port(value: Value, contents: Contents) -> tuple[str, Port]:
    found = _single(value, "value", contents)
    tensor = _single(
        _single(found.get(VALUE_TYPE), "type", contents).get(1), "tensor type", contents
    )
    if TENSOR_TYPE_SHAPE not in tensor:
        raise ValueError("an input or output has no shape")
    shape = [
        _side(_single(item, "dim", contents))
        for _, item in contents.fields(tensor[TENSOR_TYPE_SHAPE], "shape")
    ]
    return text(found.get(VALUE_NAME)), Port(signed(tensor.get(TENSOR_TYPE_ELEMENT)), tuple(shape))


def _side(dim: dict[int, Value]) -> int | str:
    if DIM_PARAM in dim and DIM_VALUE not in dim:
        return text(dim[DIM_PARAM])
    if DIM_VALUE in dim and DIM_PARAM not in dim:
        return signed(dim[DIM_VALUE])
    raise ValueError("an input or output has an unknown side")


def _single(value: Value, kind: str, contents: Contents) -> dict[int, Value]:
    """The fields of a message that has each at most once: of two, parsers make one."""
    parts = [part for part in contents.fields(value, kind) if part[0] != METADATA]
    found = dict(parts)
    if len(found) < len(parts):
        raise ValueError(f"a {kind} has an entry twice")
    return found
