"""Values of a graph: shapes by the operators' rules, and the small numbers they follow from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.scan import Tensor
from impasto.runtime.bundle.wire import integers

from .moves import shape_of, slices
from .values import BOOL, FLOAT32, INT64, KINDS, RULES, Call, Shape, Value

KNOWN = 64
"""Elements, at most, of a value whose numbers are followed."""
EXACT = 1 << 53
KIND_OF = {"ArgMax": INT64, "Shape": INT64, "Size": INT64} | dict.fromkeys(
    ("And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or"), BOOL
)


def outputs_of(call: Call) -> list[Value]:
    """What a node gives."""
    operator = call.node.operator
    shapes, kind = RULES[operator](call), _kind(call)
    constant = operator in ("Shape", "Size") or all(
        value.constant for value in call.values if value
    )
    made = [Value(shape, kind, constant) for shape in shapes]
    if operator == "MaxPool" and len(made) == 2:
        made[1] = Value(shapes[1], INT64, constant)
    if operator in FOLDS and constant and len(made) == 1 and made[0].size <= KNOWN:
        made[0].data = _numbers(call, shapes[0])
    return made


def _kind(call: Call) -> int:
    operator, attributes = call.node.operator, call.node.attributes
    if operator in KIND_OF:
        return KIND_OF[operator]
    if operator == "Cast":
        return call.integer("to", 0)
    if operator in ("Constant", "ConstantOfShape"):
        value = next(iter(attributes.values()), 0.0)
        if isinstance(value, Tensor):
            return value.kind
        return INT64 if isinstance(value[0] if isinstance(value, list) else value, int) else FLOAT32
    return call[1 if operator == "Where" else 0].kind


def stored(tensor: Tensor) -> Value:
    """An initializer's."""
    value = Value(tuple(tensor.dims), tensor.kind, constant=True)
    if value.size > tensor.stored and not tensor.external:
        raise ValueError(f"{tensor.name[:60]!r} has more elements than bytes")
    if value.size <= KNOWN:
        value.data = _data(tensor)
    return value


def _data(tensor: Tensor) -> NDArray[Any] | None:
    """Of a small tensor in the graph's own file."""
    if tensor.raw:
        data = np.frombuffer(tensor.raw, np.dtype(KINDS[tensor.kind]).newbyteorder("<"))
    else:
        numbers = [number for value in tensor.numbers for number in integers(value)]
        data = np.array(numbers, np.int64).astype(KINDS[tensor.kind])
    if data.size != math.prod(tensor.dims):
        return None
    shaped: NDArray[Any] = data.reshape(tensor.dims)
    return shaped


def _numbers(call: Call, shape: Shape) -> NDArray[Any] | None:
    arrays = [value.data for value in call.values if value]
    if call.node.operator not in ("Shape", "Size") and any(array is None for array in arrays):
        return None
    with np.errstate(all="ignore"):
        data = FOLDS[call.node.operator](call, *arrays)
    return None if data is None else np.asarray(data, KINDS[_kind(call)]).reshape(shape)


def _constant(call: Call) -> NDArray[Any] | None:
    (value,) = call.node.attributes.values()
    return _data(value) if isinstance(value, Tensor) else np.array(value)


def _filled(call: Call, shape: NDArray[Any]) -> NDArray[Any] | None:
    value = call.node.attributes.get("value")
    data = _data(value) if isinstance(value, Tensor) else np.zeros(1)
    return None if data is None else np.full(shape.tolist(), data.item())


def _part(call: Call, data: NDArray[Any], *_: NDArray[Any]) -> NDArray[Any]:
    index = [slice(None)] * data.ndim
    for axis, kept in slices(call):
        index[axis] = kept
    part: NDArray[Any] = data[tuple(index)]
    return part


def _cast(call: Call, data: NDArray[Any]) -> NDArray[Any] | None:
    """What is no number, or a large one, becomes another whole number on every processor."""
    return data if data.dtype.kind != "f" or np.all(abs(data) < EXACT) else None


def _quotient(call: Call, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    whole = np.issubdtype(a.dtype, np.integer)
    found: NDArray[Any] = np.sign(a) * (abs(a) // b) if whole else a / b
    return found  # towards zero, as b is positive


FOLDS: dict[str, Callable[..., NDArray[Any] | None]] = {
    "Add": lambda call, a, b: a + b,
    "Cast": _cast,
    "Ceil": lambda call, data: np.ceil(data),
    "Concat": lambda call, *parts: np.concatenate(parts, call.axis(None, parts[0].ndim)),
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Div": _quotient,
    "Floor": lambda call, data: np.floor(data),
    "Gather": lambda call, data, places: np.take(data, places, call.axis(0, data.ndim)),
    "Max": lambda call, *parts: np.maximum.reduce(np.broadcast_arrays(*parts)),
    "Min": lambda call, *parts: np.minimum.reduce(np.broadcast_arrays(*parts)),
    "Mul": lambda call, a, b: a * b,
    "Neg": lambda call, data: -data,
    "Shape": lambda call, *_: np.array(shape_of(call), np.int64),
    "Size": lambda call, *_: np.array(call[0].size, np.int64),
    "Slice": _part,
    "Sub": lambda call, a, b: a - b,
    **dict.fromkeys(
        ("Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"), lambda call, data, *_: data
    ),
}
"""The operators that exporters compute shapes with."""
