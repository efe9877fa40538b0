"""What is known of a graph's values before it runs, and of a node that takes some."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.scan import Node

Shape = tuple[int, ...]
KINDS: dict[int, Any] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
}
"""By onnx.TensorProto.DataType. Others, such as texts, have no place in a bundle."""
SIZES = {kind: np.dtype(dtype).itemsize for kind, dtype in KINDS.items()}
FLOAT32, INT64, BOOL = 1, 7, 9
FLOATS = {1, 10, 11}
RANK = 8


class Value:
    """What is known of a tensor.

    ``kind`` is its onnx.TensorProto.DataType. It is ``constant`` if it follows from the graph alone
    when sides are fixed: ONNX Runtime computes it while it opens the graph.
    """

    __slots__ = ("bytes", "constant", "data", "kind", "shape", "size")

    def __init__(self, shape: Shape, kind: int, constant: bool = False) -> None:
        """Raises ValueError where a bundle's values cannot have such a shape or type."""
        if kind not in KINDS or len(shape) > RANK or min(shape, default=0) < 0:
            raise ValueError(f"no value can have the shape {str(shape)[:60]} and the type {kind}")
        self.shape: Shape = shape
        self.kind: int = kind
        self.constant: bool = constant
        self.size: int = math.prod(shape)
        self.bytes: int = self.size * SIZES[kind]
        self.data: NDArray[Any] | None = None
        """Its numbers, if it is small and they follow from the graph alone."""


class Call:
    """A node with the values that it takes.

    Every method raises ValueError where what it wants is not there, or of another type.
    """

    def __init__(self, node: Node, values: list[Value | None]) -> None:
        self.node: Node = node
        self.values: list[Value | None] = values

    def get(self, place: int) -> Value | None:
        """An input, or None where it is left out."""
        return self.values[place] if place < len(self.values) else None

    def __getitem__(self, place: int) -> Value:
        value = self.get(place)
        if value is None:
            raise ValueError(f"its input {place + 1} is missing")
        return value

    def numbers(self, place: int) -> list[Any]:
        """Of an input that is a list, and known."""
        value = self[place]
        if value.data is None or len(value.shape) > 1:
            raise ValueError("the shape of its output follows from data")
        return value.data.reshape(-1).tolist()

    def integer(self, name: str, default: int) -> int:
        """An attribute."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, int):
            raise ValueError(f"its {name} is not a number")
        return value

    def integers(self, name: str) -> list[int] | None:
        """An attribute, or None where it is left out."""
        value = self.node.attributes.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(type(entry) is int for entry in value):
            raise ValueError(f"its {name} is not a list of numbers")
        return value  # type: ignore[return-value]

    def text(self, name: str, default: str) -> str:
        """An attribute."""
        value = self.node.attributes.get(name, default.encode())
        if not isinstance(value, bytes):
            raise ValueError(f"its {name} is no text")
        return value.decode("ascii")

    def axis(self, default: int | None, rank: int) -> int:
        """The attribute ``axis``, from 0."""
        if default is None and "axis" not in self.node.attributes:
            raise ValueError("its axis is missing")
        return place(self.integer("axis", default or 0), rank)

    def axes(self, at: int) -> list[int] | None:
        """From an input or, in older opsets, from an attribute."""
        return self.integers("axes") if self.get(at) is None else self.numbers(at)


Rule = Callable[[Call], list[Shape]]
RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register it."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(operators, function))
        return function

    return register


def place(axis: int, rank: int) -> int:
    """An axis, from 0."""
    if not -rank <= axis < rank:
        raise ValueError(f"it has no axis {axis}")
    return axis % rank
