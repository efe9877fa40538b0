"""Shapes of what the operators give that compute element by element, or move what is there.

One rule an operator, after its specification (https://onnx.ai/onnx/operators, opsets 17 and 18). A
rule never gives less than ONNX Runtime makes; what it cannot tell is a ValueError.
"""

from __future__ import annotations

import math

from impasto.runtime.bundle.scan import Tensor

from .values import FLOATS, Call, Shape, place, rule


def broadcast(*shapes: Shape) -> Shape:
    """The shape that they take together."""
    first = shapes[0]
    if all(shape == first for shape in shapes):
        return first
    rank = max(map(len, shapes))
    sides = []
    for column in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        found = set(column) - {1}
        if len(found) > 1:
            raise ValueError("its inputs' shapes do not go together")
        sides.append(found.pop() if found else 1)
    return tuple(sides)


@rule("Abs", "Cast", "Ceil", "Clip", "Cos", "Erf", "Exp", "Floor", "HardSigmoid", "Identity")
@rule("LeakyRelu", "Log", "Neg", "Not", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin")
@rule("BatchNormalization", "Softmax", "Softplus", "Sqrt", "Tanh", "Trilu", "ScatterElements")
@rule("ScatterND")
def _same(call: Call) -> list[Shape]:
    return [call[0].shape]


@rule("Add", "And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max")
@rule("Min", "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where")
def _broadcast(call: Call) -> list[Shape]:
    return [broadcast(*(call[at].shape for at in range(max(1, len(call.values)))))]


@rule("Div")
def _div(call: Call) -> list[Shape]:
    divisor = call[1].data
    if call[0].kind not in FLOATS and (divisor is None or divisor.size == 0 or divisor.min() < 1):
        raise ValueError("it may divide whole numbers by 0 or -1, which stops some processors")
    return _broadcast(call)


@rule("Constant")
def _constant(call: Call) -> list[Shape]:
    if len(call.node.attributes) != 1:
        raise ValueError("it is not one constant")
    (value,) = call.node.attributes.values()
    if isinstance(value, Tensor):
        return [tuple(value.dims)]
    return [(len(value),) if isinstance(value, list) else ()]


@rule("ConstantOfShape")
def _constant_of_shape(call: Call) -> list[Shape]:
    return [tuple(call.numbers(0))]


@rule("Range")
def _range(call: Call) -> list[Shape]:
    start, limit, delta = (call.numbers(at)[0] for at in range(3))
    count = (limit - start) / delta
    return [(max(0, math.ceil(count)),)]


@rule("Shape")
def _shape(call: Call) -> list[Shape]:
    return [(len(shape_of(call)),)]


def shape_of(call: Call) -> Shape:
    """What the operator Shape gives."""
    shape = call[0].shape
    return shape[call.integer("start", 0) : call.integer("end", len(shape))]


@rule("Size")
def _size(call: Call) -> list[Shape]:
    return [()]


# Where things are


@rule("Reshape")
def _reshape(call: Call) -> list[Shape]:
    old, new = call[0].shape, call.numbers(1)
    if not call.integer("allowzero", 0):
        new = [old[at] if side == 0 else side for at, side in enumerate(new)]
    if new.count(-1) == 1:
        rest = -math.prod(new)
        new[new.index(-1)] = math.prod(old) // rest
    if math.prod(new) != math.prod(old):
        raise ValueError("it cannot take that shape")
    return [tuple(new)]


@rule("Flatten")
def _flatten(call: Call) -> list[Shape]:
    shape = call[0].shape
    axis = call.integer("axis", 1)
    axis = len(shape) if axis == len(shape) else place(axis, len(shape))
    return [(math.prod(shape[:axis]), math.prod(shape[axis:]))]


@rule("Squeeze")
def _squeeze(call: Call) -> list[Shape]:
    shape = call[0].shape
    axes = call.axes(1)
    if axes is None:
        return [tuple(side for side in shape if side != 1)]
    places = {place(axis, len(shape)) for axis in axes}
    if any(shape[at] != 1 for at in places):
        raise ValueError("it leaves out more than ones")
    return [tuple(side for at, side in enumerate(shape) if at not in places)]


@rule("Unsqueeze")
def _unsqueeze(call: Call) -> list[Shape]:
    sides, axes = iter(call[0].shape), call.axes(1) or []
    rank = len(call[0].shape) + len(axes)
    places = {place(axis, rank) for axis in axes}
    if len(places) < len(axes):
        raise ValueError("it has an axis twice")
    return [tuple(1 if at in places else next(sides) for at in range(rank))]


@rule("Transpose")
def _transpose(call: Call) -> list[Shape]:
    shape = call[0].shape
    order = call.integers("perm") or list(reversed(range(len(shape))))
    if sorted(order) != list(range(len(shape))):
        raise ValueError("its perm is no order of axes")
    return [tuple(shape[at] for at in order)]


@rule("Concat")
def _concat(call: Call) -> list[Shape]:
    shapes = [call[at].shape for at in range(max(1, len(call.values)))]
    axis = call.axis(None, len(shapes[0]))
    rest = {shape[:axis] + shape[axis + 1 :] for shape in shapes}
    if len(rest) > 1 or len({len(shape) for shape in shapes}) > 1:
        raise ValueError("its inputs' shapes do not go together")
    side = sum(shape[axis] for shape in shapes)
    return [(*shapes[0][:axis], side, *shapes[0][axis + 1 :])]


@rule("Split")
def _split(call: Call) -> list[Shape]:
    shape, count = call[0].shape, len(call.node.outputs)
    axis = call.axis(0, len(shape))
    if call.get(1) is not None:
        sides = call.numbers(1)
    else:
        side = -(-shape[axis] // count)
        sides = [side] * (count - 1) + [shape[axis] - side * (count - 1)]
    if sum(sides) != shape[axis] or len(sides) != count:
        raise ValueError("its parts are not the whole")
    return [(*shape[:axis], side, *shape[axis + 1 :]) for side in sides]


@rule("Slice")
def _slice(call: Call) -> list[Shape]:
    shape = list(call[0].shape)
    for axis, part in slices(call):
        shape[axis] = len(range(*part.indices(shape[axis])))
    return [tuple(shape)]


def slices(call: Call) -> list[tuple[int, slice]]:
    """Axes with their slices."""
    rank, starts, ends = len(call[0].shape), call.numbers(1), call.numbers(2)
    axes = range(len(starts)) if call.get(3) is None else call.numbers(3)
    steps = [1] * len(starts) if call.get(4) is None else call.numbers(4)
    return [
        (place(axis, rank), slice(start, end, step))
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True)
    ]


@rule("Gather")
def _gather(call: Call) -> list[Shape]:
    shape = call[0].shape
    axis = call.axis(0, len(shape))
    return [shape[:axis] + call[1].shape + shape[axis + 1 :]]


@rule("GatherElements")
def _gather_elements(call: Call) -> list[Shape]:
    return [call[1].shape]


@rule("GatherND")
def _gather_nd(call: Call) -> list[Shape]:
    shape, places = call[0].shape, call[1].shape
    first = call.integer("batch_dims", 0)
    if first < 0 or first + places[-1] > len(shape):
        raise ValueError("its indices have too many numbers")
    return [places[:-1] + shape[first + places[-1] :]]


@rule("DepthToSpace")
def _depth_to_space(call: Call) -> list[Shape]:
    (n, c, h, w), block = call[0].shape, call.integer("blocksize", 0)
    if block < 1 or c % block**2:
        raise ValueError(f"its blocksize is {block}")
    return [(n, c // block**2, h * block, w * block)]


@rule("SpaceToDepth")
def _space_to_depth(call: Call) -> list[Shape]:
    (n, c, h, w), block = call[0].shape, call.integer("blocksize", 0)
    if block < 1 or h % block or w % block:
        raise ValueError(f"its blocksize is {block}")
    return [(n, c * block**2, h // block, w // block)]
