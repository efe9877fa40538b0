"""Shapes and work of the operators that repeat, reduce, resize or multiply what they take."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .moves import broadcast
from .values import FLOAT32, Call, Shape, Value, place, rule

ELEMENT = 64
"""Multiply-adds that an element read or written counts as."""
SLOW = 64
"""What a product of other numbers than float32 counts as."""
LEAST_SUM = 16
"""Channels that a convolution is counted with at least: with fewer, a product takes longer."""
POOLED = 16
"""What an element under a window counts as where no product is taken."""
FREE = {"Constant", "Flatten", "Identity", "Reshape", "Shape", "Size", "Squeeze", "Unsqueeze"}
"""They only name what is there anew."""


@rule("Expand")
def _expand(call: Call) -> list[Shape]:
    return [broadcast(call[0].shape, _sides(call.numbers(1)))]


@rule("Tile")
def _tile(call: Call) -> list[Shape]:
    pairs = zip(call[0].shape, _sides(call.numbers(1)), strict=True)
    return [tuple(side * count for side, count in pairs)]


@rule("Pad")
def _pad(call: Call) -> list[Shape]:
    shape = list(call[0].shape)
    axes = [place(axis, len(shape)) for axis in (call.axes(3) or range(len(shape)))]
    pads = call.numbers(1)
    if len(pads) != 2 * len(axes):
        raise ValueError("its pads are not two for an axis")
    most = max(map(abs, pads), default=0)
    if call.text("mode", "constant") != "constant" and most >= min(shape, default=0):
        raise ValueError("it mirrors more than there is")
    for at, axis in enumerate(axes):
        shape[axis] += pads[at] + pads[at + len(axes)]
    return [_sides(shape)]


@rule("Resize")
def _resize(call: Call) -> list[Shape]:
    shape = list(call[0].shape)
    if call.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise ValueError("it keeps proportions")
    if "crop" in call.text("coordinate_transformation_mode", "half_pixel"):
        raise ValueError("it crops")
    axes = [place(axis, len(shape)) for axis in (call.integers("axes") or range(len(shape)))]
    scales = call.get(2)
    given = scales is not None and scales.shape != (0,)
    for axis, number in zip(axes, call.numbers(2 if given else 3), strict=True):
        if not 0 < number < 1 << 31:
            raise ValueError(f"it makes {number} of a side")
        shape[axis] = int(np.float32(number) * np.float32(shape[axis])) if given else number
    return [tuple(shape)]


@rule("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")
@rule("ReduceSumSquare")
def _reduce(call: Call) -> list[Shape]:
    shape, axes = call[0].shape, call.axes(1)
    if not axes:
        axes = [] if call.integer("noop_with_empty_axes", 0) else list(range(len(shape)))
    places = {place(axis, len(shape)) for axis in axes}
    if call.integer("keepdims", 1):
        return [tuple(1 if at in places else side for at, side in enumerate(shape))]
    return [tuple(side for at, side in enumerate(shape) if at not in places)]


@rule("ArgMax")
def _place(call: Call) -> list[Shape]:
    shape = list(call[0].shape)
    axis = place(call.integer("axis", 0), len(shape))
    shape[axis : axis + 1] = [1] * call.integer("keepdims", 1)
    return [tuple(shape)]


@rule("MatMul")
def _matmul(call: Call) -> list[Shape]:
    left, right = call[0].shape, call[1].shape
    rows = left if len(left) > 1 else (1, *left)
    columns = right if len(right) > 1 else (*right, 1)
    if rows[-1] != columns[-2]:
        raise ValueError("its inputs' shapes do not go together")
    kept = rows[-2:-1] if len(left) > 1 else ()
    made = columns[-1:] if len(right) > 1 else ()
    return [broadcast(rows[:-2], columns[:-2]) + kept + made]


@rule("Gemm")
def _gemm(call: Call) -> list[Shape]:
    left, right = (
        call[at].shape[:: -1 if call.integer(name, 0) else 1]
        for at, name in enumerate(("transA", "transB"))
    )
    if left[1] != right[0]:
        raise ValueError("its inputs' shapes do not go together")
    return [(left[0], right[1])]


@rule("Einsum")
def _einsum(call: Call) -> list[Shape]:
    sides, output = _letters(call)
    return [tuple(sides[letter] for letter in output)]


def _letters(call: Call) -> tuple[dict[str, int], str]:
    """The side that every letter stands for, and the output's letters."""
    left, arrow, output = call.text("equation", "").replace(" ", "").partition("->")
    terms = left.split(",")
    if not all(term.isalpha() for term in terms) or len(terms) != len(call.values) or not arrow:
        raise ValueError("its equation has more than letters and an arrow")
    if len(terms) > 2:
        raise ValueError("it multiplies more than two")
    sides: dict[str, int] = {}
    for at, term in enumerate(terms):
        for letter, side in zip(term, call[at].shape, strict=True):
            if sides.setdefault(letter, side) != side:
                raise ValueError("its inputs' shapes do not go together")
    return sides, output


@rule("Conv")
def _conv(call: Call) -> list[Shape]:
    shape, kernel, group = call[0].shape, call[1].shape, call.integer("group", 1)
    window = call.integers("kernel_shape") or list(kernel[2:])
    if group < 1 or kernel[1] * group != shape[1] or kernel[0] % group or kernel[2:] != (*window,):
        raise ValueError("its kernel does not fit")
    return [(shape[0], kernel[0], *_windows(call, window))]


@rule("AveragePool", "MaxPool")
def _pool(call: Call) -> list[Shape]:
    window = call.integers("kernel_shape") or []
    if any(pad >= side for pad, side in zip(call.integers("pads") or [], 2 * window, strict=False)):
        raise ValueError("it pads more than its window holds")
    return [(*call[0].shape[:2], *_windows(call, window))] * len(call.node.outputs)


def _windows(call: Call, window: Sequence[int]) -> Shape:
    """How many windows fit along every axis of a picture."""
    sides = call[0].shape[2:]
    ones, zeros = [1] * len(sides), [0] * 2 * len(sides)
    strides, dilations = call.integers("strides") or ones, call.integers("dilations") or ones
    pads, way = call.integers("pads") or zeros, call.text("auto_pad", "NOTSET")
    if min(*strides, *dilations, *window, *sides) < 1 or min(pads) < 0 or len(pads) != len(zeros):
        raise ValueError("its windows make no sense")
    counts = []
    for axis, (side, stride, dilation, width) in enumerate(
        zip(sides, strides, dilations, window, strict=True)
    ):
        if way.startswith("SAME"):
            counts.append(-(-side // stride))
            continue
        before, after = (pads[axis], pads[axis + len(sides)]) if way == "NOTSET" else (0, 0)
        room = side + before + after - dilation * (width - 1) - 1
        if room < 0:
            raise ValueError("its window is larger than the picture")
        count = room // stride + 1
        if call.integer("ceil_mode", 0) and room % stride and count * stride < side + before:
            count += 1
        counts.append(count)
    return tuple(counts)


def _sides(sides: Sequence[int]) -> Shape:
    """A ValueError where one is negative: a rule may multiply two of them."""
    if any(side < 0 for side in sides):
        raise ValueError("a side is negative")
    return tuple(sides)


def work(call: Call, outputs: Sequence[Value]) -> int:
    """Multiply-adds of float32 that take as long as the node, about."""
    if call.node.operator in FREE:
        return 0
    elements = sum([value.size for value in (*call.values, *outputs) if value])
    return ELEMENT * elements + _products(call, outputs[0].size)


def _products(call: Call, size: int) -> int:
    operator = call.node.operator
    slow = 1 if operator in ("MaxPool", "AveragePool") or call[0].kind == FLOAT32 else SLOW
    if operator == "Conv":
        channels, *window = call[1].shape[1:]
        return slow * size * max(channels, LEAST_SUM) * math.prod(window)
    if operator in ("AveragePool", "MaxPool"):
        return POOLED * size * math.prod(call.integers("kernel_shape") or [])
    if operator == "Resize":
        taps = max(1, call[0].size // max(size, 1)) if call.integer("antialias", 0) else 1
        return POOLED * ELEMENT * size * taps
    if operator == "MatMul":
        return slow * size * call[0].shape[-1]
    if operator == "Gemm":
        return slow * size * call[0].shape[0 if call.integer("transA", 0) else 1]
    if operator == "Einsum":
        return slow * math.prod(_letters(call)[0].values())
    return 0
