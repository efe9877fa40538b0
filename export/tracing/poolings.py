"""The ONNX forms of poolings and their gradients.

Windows of 2x2 side by side have the forms that are fast in ONNX Runtime, others general ones.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import onnx_ir as ir

from .forms import (
    MASKED,
    Axes,
    both,
    crop,
    integer,
    ints,
    is_multiple,
    made_by,
    no_form,
    number,
    op,
    sides,
    source,
    transposed_conv,
    with_zeros,
)


def avg_pool2d(
    x: Any,
    kernel: Axes,
    stride: Axes = (),
    padding: Axes = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Any:
    """Means, or sums by a divisor, which the exporter to ONNX forgets."""
    if ceil_mode:
        raise no_form("avg_pool2d", "with ceil_mode: leave it out")
    size = both(kernel)
    mean = op.AveragePool(
        x,
        kernel_shape=size,
        strides=both(stride or kernel),
        pads=both(padding) * 2,
        count_include_pad=int(count_include_pad or divisor is not None),
    )
    return op.Mul(mean, number(math.prod(size) / divisor)) if divisor else mean


def avg_pool2d_backward(
    grad: Any,
    x: Any,
    kernel: Axes,
    stride: Axes = (),
    padding: Axes = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Any:
    """A quarter of the gradient for each of 2x2 positions.

    The product comes before the Resize: there it folds into the next convolution's kernel.
    """
    size, stride, padding = both(kernel), both(stride or kernel), both(padding)
    if ceil_mode:
        raise no_form("avg_pool2d", "with ceil_mode: leave it out")
    share = op.Mul(grad, number(1 / (divisor or math.prod(size))))
    if _halves(x, size, stride, padding):
        return _double(share)
    if max(padding) and not count_include_pad and not divisor:
        counted = op.Expand(number(1.0), op.Concat(ints(1, 1), sides(x), axis=0))
        pads = [*padding, *padding]
        present = {"kernel_shape": size, "strides": stride, "pads": pads, "count_include_pad": 1}
        share = op.Div(share, op.AveragePool(counted, **present))
    channels = x.shape[1]
    ones = op.Constant(value=ir.tensor(np.ones((channels, 1, *size), np.float32)))
    return transposed_conv(share, x, ones, size, stride, padding, (1, 1), channels)


def _double(x: Any) -> Any:
    """Nearest neighbour: the form that keeps ONNX Runtime's blocked layout."""
    return op.Resize(
        x,
        None,
        op.Constant(value_floats=[1.0, 1.0, 2.0, 2.0]),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def max_pool2d_with_indices(
    x: Any,
    kernel: Axes,
    stride: Axes = (),
    padding: Axes = (0, 0),
    dilation: Axes = (1, 1),
    ceil_mode: bool = False,
) -> Any:
    """The maximum and its indices, which nothing uses (see the backward pass)."""
    if ceil_mode:
        raise no_form("max_pool2d", "with ceil_mode: leave it out")
    size, padding, dilation = both(kernel), both(padding), both(dilation)
    options: dict[str, Any] = {"pads": [*padding, *padding]} if max(padding) else {}
    if max(dilation) > 1:
        options["dilations"] = dilation
    return op.MaxPool(x, kernel_shape=size, strides=both(stride or kernel), **options)


def max_pool2d_with_indices_backward(
    grad: Any,
    x: Any,
    kernel: Axes,
    stride: Axes,
    padding: Axes,
    dilation: Axes,
    ceil_mode: bool,
    _indices: Any,
) -> Any:
    """The gradient goes to the first maximum of each window, in reading order, as in PyTorch."""
    size, stride, padding = both(kernel), both(stride or kernel), both(padding)
    dilation = both(dilation)
    largest, _ = max_pool2d_with_indices(x, size, stride, padding, dilation, ceil_mode)
    if _halves(x, size, stride, padding) and max(dilation) == 1:
        return _halving_backward(grad, x, largest)
    pads = ints(0, 0, *padding, 0, 0, *padding)
    around = op.Pad(x, pads, number(float(np.finfo(np.float32).min))) if max(padding) else x
    windows = sides(grad)
    spans = op.Add(op.Mul(op.Sub(windows, ints(1, 1)), ints(*stride)), ints(1, 1))
    reach = [d * (k - 1) for d, k in zip(dilation, size, strict=True)]
    left, total = grad, None
    for place in itertools.product(*map(range, size)):
        offset = [i * d for i, d in zip(place, dilation, strict=True)]
        ends = op.Add(spans, ints(*offset))
        plane = op.Slice(around, ints(*offset), ends, ints(2, 3), ints(*stride))
        taken = op.Where(op.Equal(plane, largest), left, number(0.0))
        left = op.Sub(left, taken)
        rest = [r - o for r, o in zip(reach, offset, strict=True)]
        moved = op.Pad(with_zeros(taken, stride), ints(0, 0, *offset, 0, 0, *rest))
        total = moved if total is None else op.Add(total, moved)
    return crop(total, x, padding)


def _halving_backward(grad: Any, x: Any, largest: Any) -> Any:
    """Of windows of 2x2 side by side.

    Each corner of the windows is a plane. A corner that has the maximum takes the gradient, unless
    an earlier one took it; the last corner takes what is left.
    """
    ends, axes, steps = ints(2**31, 2**31), ints(2, 3), ints(2, 2)
    starts = [ints(row, column) for row, column in ((0, 0), (0, 1), (1, 0))]
    corners = [op.Slice(x, start, ends, axes, steps) for start in starts]
    left, planes = grad, []
    # The ReLU's mask is applied here already, at a quarter of the positions. Not by a Mul: then
    # ONNX Runtime would compute the first corner's mask during the forward pass, and keep it.
    if made_by(x, "Relu"):
        left = op.Sub(left, _where_zero(largest, left))
    for corner in corners:
        planes.append(_where_zero(op.Sub(largest, corner), left))
        left = op.Sub(left, planes[-1])
    planes.append(left)
    gradient = op.DepthToSpace(op.Concat(*planes, axis=1), blocksize=2)
    if made_by(x, "Relu"):
        gradient.producer().meta[MASKED] = source(x)
    return gradient


def _where_zero(x: Any, y: Any) -> Any:
    """Keep y where x, which is never negative, is 0 (or below 1e-30). Where would be slower."""
    return op.Mul(op.HardSigmoid(x, alpha=-1e30, beta=1.0), y)


def adaptive_avg_pool2d(x: Any, size: Axes) -> Any:
    """Means over windows that share the rows and columns out: a product with each."""
    rows, columns = (_windows(x, axis, count) for axis, count in zip((2, 3), size, strict=True))
    return op.MatMul(op.MatMul(rows, x), op.Transpose(columns, perm=[1, 0]))


def adaptive_avg_pool2d_backward(grad: Any, x: Any) -> Any:
    """The same products, transposed."""
    rows, columns = (_windows(x, axis, grad.shape[axis]) for axis in (2, 3))
    return op.MatMul(op.MatMul(op.Transpose(rows, perm=[1, 0]), grad), columns)


def _windows(x: Any, axis: int, count: int) -> Any:
    """(count, side): window i has the positions from i side / count to (i + 1) side / count."""
    side = op.Shape(x, start=axis, end=axis + 1)
    numbers = op.Constant(value=ir.tensor(np.arange(count, dtype=np.int64).reshape(-1, 1)))
    first = op.Div(op.Mul(numbers, side), ints(count))
    last = op.Div(op.Sub(op.Mul(op.Add(numbers, ints(1)), side), ints(1)), ints(count))
    place = op.Range(integer(0), op.Squeeze(side), integer(1))
    inside = op.And(op.GreaterOrEqual(place, first), op.LessOrEqual(place, last))
    length = op.Add(op.Sub(last, first), ints(1))
    return op.Div(op.Cast(inside, to=1), op.Cast(length, to=1))


def _halves(x: Any, size: Axes, stride: Axes, padding: Axes) -> bool:
    """Whether windows of 2x2 lie side by side and leave nothing out."""
    plain = size == stride == [2, 2] and not max(padding)
    return plain and all(is_multiple(side, 2) for side in x.shape[2:])
