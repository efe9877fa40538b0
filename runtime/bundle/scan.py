"""What an ONNX file contains, without the onnx package: operators, domains, file names.

Reads the protobuf wire format (https://protobuf.dev/programming-guides/encoding) as far as a
bundle's checks need it. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

MODEL_GRAPH, MODEL_OPSET = 7, 8
GRAPH_NODE, GRAPH_INITIALIZER = 1, 5
NODE_OP_TYPE, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSOR = 5
TENSOR_EXTERNAL = 13
ENTRY_KEY, ENTRY_VALUE = 1, 2
OPSET_DOMAIN, OPSET_VERSION = 1, 2

ANY = range(1, 1 << 29)  # all numbers that a field can have
# What a plain graph may consist of; not on these lists are functions, training, subgraphs, sparse
# tensors (which may lie in other files, too) and whatever ONNX adds one day.
PLAIN: dict[str, Container[int]] = {
    "model": {1, 2, 3, 4, 5, 6, MODEL_GRAPH, MODEL_OPSET, 14},
    "graph": {GRAPH_NODE, 2, GRAPH_INITIALIZER, 10, 11, 12, 13, 16},
    "node": {1, 2, 3, NODE_OP_TYPE, NODE_ATTRIBUTE, 6, NODE_DOMAIN, 9},
    "attribute": {1, 2, 3, 4, ATTRIBUTE_TENSOR, 7, 8, 9, 13, 20},
    "tensor": ANY,
    "entry": ANY,
}

Value = int | bytes | None


@dataclass
class Contents:
    """Operators with their counts, and what else a file may reach for."""

    operators: Counter[str] = field(default_factory=Counter)
    opsets: dict[str, int] = field(default_factory=dict)
    locations: set[str] = field(default_factory=set)
    """Files that hold external data."""
    others: set[str] = field(default_factory=set)
    """What is not of a plain graph, as ``attribute field 6`` (a subgraph)."""


def scan(model: bytes) -> Contents:
    """Raises ValueError where the bytes are no protobuf message, or an ambiguous one."""
    contents = Contents()
    for number, value in _fields(model, "model", contents):
        if number == MODEL_GRAPH:
            _scan_graph(_message(value), contents)
        elif number == MODEL_OPSET:
            entries = dict(_fields(_message(value), "entry", contents))
            domain = _text(entries.get(OPSET_DOMAIN, b""))
            version = entries.get(OPSET_VERSION, 0)
            if not isinstance(version, int) or domain in contents.opsets:
                raise ValueError("an opset's version is not one number")
            contents.opsets[domain] = version
    return contents


def _scan_graph(graph: bytes, contents: Contents) -> None:
    for number, value in _fields(graph, "graph", contents):
        if number == GRAPH_NODE:
            _scan_node(_message(value), contents)
        elif number == GRAPH_INITIALIZER:
            _scan_tensor(_message(value), contents)


def _scan_node(node: bytes, contents: Contents) -> None:
    domain = operator = ""
    for number, value in _fields(node, "node", contents):
        if number == NODE_OP_TYPE:
            operator = _text(value)
        elif number == NODE_DOMAIN:
            domain = _text(value)
        elif number == NODE_ATTRIBUTE:
            for kind, item in _fields(_message(value), "attribute", contents):
                if kind == ATTRIBUTE_TENSOR:
                    _scan_tensor(_message(item), contents)
    contents.operators[f"{domain}.{operator}" if domain else operator] += 1


def _scan_tensor(tensor: bytes, contents: Contents) -> None:
    for number, value in _fields(tensor, "tensor", contents):
        if number == TENSOR_EXTERNAL:
            entry = dict(_fields(_message(value), "entry", contents))
            if _text(entry.get(ENTRY_KEY, b"")) == "location":
                contents.locations.add(_text(entry.get(ENTRY_VALUE, b"")))


def _fields(message: bytes, kind: str, contents: Contents) -> Iterator[tuple[int, Value]]:
    """Field numbers with a varint's value, the bytes of what is length-delimited, or None.

    None stands for numbers of fixed length. None of the fields read here is one: parsers skip it,
    so it must not pass for the field's value. Fields that are not of a plain ``kind`` of message go
    to ``contents.others``.
    """
    plain = PLAIN[kind]
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if number not in plain:
            if number not in ANY:  # parsers that keep 32 bits of it would see another one
                raise ValueError(f"unknown field {number}")
            contents.others.add(f"{kind} field {number}")
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire}")
        if at + length > end:
            raise ValueError("the file ends too early")
        yield number, message[at : at + length] if wire == 2 else None
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    if at < len(message) and message[at] < 128:  # most take one byte
        return message[at], at + 1
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number never ends")


def _message(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number where a message belongs")
    return value


def _text(value: Value) -> str:
    return _message(value).decode("utf-8")
