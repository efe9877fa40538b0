"""What several ONNX forms of gradients need."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import onnx_ir as ir
from onnxscript import opset18

from impasto.runtime.errors import ImpastoError

op: Any = opset18

Axes = Sequence[int]
"""A number for the rows and one for the columns; where PyTorch allows it, one for both."""

MASKED = "impasto.masked"
"""Marks a gradient that a ReLU of this output lets through as it is."""


def transposed_conv(
    grad: Any,
    x: Any,
    turned: Any,
    size: Axes,
    stride: Axes,
    padding: Axes,
    dilation: Axes,
    groups: int,
) -> Any:
    """The transposed convolution: of the gradient with zeros in between, by the turned kernel."""
    before, after, start, fits = [], [], [], True
    for k, s, p, d, side in zip(size, stride, padding, dilation, x.shape[2:], strict=True):
        reach = d * (k - 1)
        beyond = (reach - 2 * p) % s  # behind the last window, where strides divide the side
        known = s == 1 or is_multiple(side, s)
        before.append(max(0, reach - p))
        after.append(max(0, reach - p - (beyond if known else 0)))
        start.append(max(0, p - reach))
        fits = fits and known and reach - p - beyond >= 0
    whole = conv(
        with_zeros(grad, stride), turned, size, before + after, dilations=dilation, group=groups
    )
    return whole if fits else crop(whole, x, start)


def conv(x: Any, kernel: Any, size: Axes, pads: Axes, **options: Any) -> Any:
    """A Conv, said as briefly as it can be."""
    for key in ("strides", "dilations"):
        if max(options.get(key, [1])) == 1:
            options.pop(key, None)
    if options["group"] == 1:
        del options["group"]
    return op.Conv(x, kernel, kernel_shape=list(size), pads=list(pads), **options)


def with_zeros(x: Any, stride: Axes) -> Any:
    """Each position followed by stride - 1 zeros, along rows and columns."""
    if max(stride) == 1:
        return x
    pads = ints(*[0] * 6, 0, 0, 0, stride[0] - 1, 0, stride[1] - 1)
    full = op.Mul(op.Shape(x), ints(1, 1, *stride))
    return op.Reshape(op.Pad(op.Unsqueeze(x, ints(3, 5)), pads), full)


def crop(x: Any, like: Any, start: Axes) -> Any:
    """As many rows and columns as ``like`` has, from ``start``."""
    ends = op.Add(op.Shape(like, start=2, end=4), ints(*start))
    return op.Slice(x, ints(*start), ends, ints(2, 3))


def is_multiple(side: Any, number: int) -> bool:
    """Whether a side such as 96 or ``8*s89`` is known to be a multiple."""
    factor = re.fullmatch(r"(\d+)(\*\w+)?", str(side))
    return factor is not None and int(factor[1]) % number == 0


def both(given: Axes) -> list[int]:
    """For rows and columns."""
    return list(given) * (3 - len(given))


def no_form(operator: str, problem: str) -> ImpastoError:
    """The error for an operator's option."""
    return ImpastoError(f"the gradient of {operator} {problem} has no ONNX form here")


def sides(x: Any) -> Any:
    """Rows and columns of a feature map, as the graph computes them."""
    return op.Shape(x, start=2, end=4)


def ints(*numbers: int) -> Any:
    """A constant vector."""
    return op.Constant(value_ints=list(numbers))


def integer(number: int) -> Any:
    """A constant."""
    return op.Constant(value_int=number)


def number(value: float) -> Any:
    """A constant."""
    return op.Constant(value_float=value)


def mask(op: Any, relu: Any) -> Any:
    """1 where a ReLU let something through, else 0 (and less than 1 for values below 1e-30).

    Beta is not 0, because OpenVINO reads 0 as the default, 0.5. It changes no result: at 0 the mask
    is 0 all the same, and beside 1e30 times any positive float32 it is lost in rounding.
    """
    return op.HardSigmoid(relu, alpha=1e30, beta=-1e-30)


def made_by(value: ir.Value, operator: str) -> bool:
    """Whether a value is what an operator makes."""
    producer = source(value).producer()
    return producer is not None and producer.op_type == operator


def source(value: ir.Value) -> ir.Value:
    """The value before any Identity nodes, which the tracer leaves in the graph."""
    producer = value.producer()
    while producer is not None and producer.op_type == "Identity":
        given = producer.inputs[0]
        assert given is not None
        value, producer = given, given.producer()
    return value
