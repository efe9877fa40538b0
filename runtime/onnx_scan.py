"""What an ONNX file contains, without the onnx package: operators, domains, file names.

Reads the protobuf wire format (https://protobuf.dev/programming-guides/encoding) as far as a
bundle's checks need it. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

MODEL_GRAPH, MODEL_OPSET, MODEL_FUNCTIONS = 7, 8, 25
GRAPH_NODE, GRAPH_INITIALIZER = 1, 5
NODE_OP_TYPE, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 5, 6, 11
TENSOR_EXTERNAL, TENSOR_LOCATION = 13, 14
ENTRY_KEY, ENTRY_VALUE = 1, 2
OPSET_DOMAIN, OPSET_VERSION = 1, 2


@dataclass
class Contents:
    """Operators with their counts, and what else a file may reach for."""

    operators: Counter[str] = field(default_factory=Counter)
    opsets: dict[str, int] = field(default_factory=dict)
    locations: set[str] = field(default_factory=set)
    """Files that hold external data."""
    nested: bool = False
    """Whether there are subgraphs or functions."""


def scan(model: bytes) -> Contents:
    """Raises ValueError where the bytes are no protobuf message."""
    contents = Contents()
    for number, value in _fields(memoryview(model)):
        if number == MODEL_GRAPH:
            _scan_graph(_message(value), contents)
        elif number == MODEL_OPSET:
            entries = dict(_fields(_message(value)))
            version = entries.get(OPSET_VERSION, 0)
            if not isinstance(version, int):
                raise ValueError("an opset's version is not a number")
            contents.opsets[_text(entries.get(OPSET_DOMAIN, memoryview(b"")))] = version
        elif number == MODEL_FUNCTIONS:
            contents.nested = True
    return contents


def _scan_graph(graph: memoryview, contents: Contents) -> None:
    for number, value in _fields(graph):
        if number == GRAPH_NODE:
            _scan_node(_message(value), contents)
        elif number == GRAPH_INITIALIZER:
            _scan_tensor(_message(value), contents)


def _scan_node(node: memoryview, contents: Contents) -> None:
    domain = operator = ""
    for number, value in _fields(node):
        if number == NODE_OP_TYPE:
            operator = _text(value)
        elif number == NODE_DOMAIN:
            domain = _text(value)
        elif number == NODE_ATTRIBUTE:
            for kind, item in _fields(_message(value)):
                contents.nested |= kind in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS)
                if kind == ATTRIBUTE_TENSOR:
                    _scan_tensor(_message(item), contents)
    contents.operators[f"{domain}.{operator}" if domain else operator] += 1


def _scan_tensor(tensor: memoryview, contents: Contents) -> None:
    for number, value in _fields(tensor):
        if number == TENSOR_EXTERNAL:
            entry = dict(_fields(_message(value)))
            if _text(entry.get(ENTRY_KEY, memoryview(b""))) == "location":
                contents.locations.add(_text(entry.get(ENTRY_VALUE, memoryview(b""))))


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers with a varint's value or the bytes of what is length-delimited or fixed."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
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
        if at + length > len(message):
            raise ValueError("the file ends too early")
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number never ends")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode("utf-8")
