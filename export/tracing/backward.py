"""The ONNX forms of the backward operators.

What VGG19 needs has the forms that are fast in ONNX Runtime: 3x3 convolutions of stride 1 and
poolings over 2x2. The rest has general ones, several times slower. Only operators that every
provider has: no MaxUnpool (none on CUDA), nothing newer than opset 18; and no ConvTranspose, which
takes one thread on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from impasto.runtime.errors import ImpastoError

from . import poolings, roots
from .forms import (
    MASKED,
    Axes,
    conv,
    crop,
    ints,
    mask,
    no_form,
    number,
    op,
    source,
    transposed_conv,
)

aten = torch.ops.aten


def convolution_backward(
    grad: Any,
    x: Any,
    weight: Any,
    _bias: Any,
    stride: Axes,
    padding: Axes,
    dilation: Axes,
    transposed: bool,
    _output_padding: Any,
    groups: int,
    _mask: Any,
) -> Any:
    """The input's gradient: the transposed convolution; of a transposed one, the plain one."""
    size = weight.shape.numpy()[2:]
    if len(size) != 2:
        raise no_form("convolution", f"over {len(size)} axes: give it rows and columns")
    if transposed:
        pads = [*padding, *padding]
        whole = conv(grad, weight, size, pads, strides=stride, dilations=dilation, group=groups)
        gradient = crop(whole, x, [0, 0])
    else:
        turned = _turn(weight, groups)
        gradient = transposed_conv(grad, x, turned, size, stride, padding, dilation, groups)
    return gradient, op.Identity(gradient), op.Identity(gradient)  # only the first is used


def _turn(weight: Any, groups: int) -> Any:
    """The kernel with inputs and outputs changed (within each group), and flipped."""
    outputs, inputs, *size = weight.shape.numpy()
    if groups == 1:
        turned = op.Transpose(weight, perm=[1, 0, 2, 3])
    else:
        grouped = op.Reshape(weight, ints(groups, outputs // groups, inputs, *size))
        changed = op.Transpose(grouped, perm=[0, 2, 1, 3, 4])
        turned = op.Reshape(changed, ints(groups * inputs, outputs // groups, *size))
    return op.Slice(turned, ints(-1, -1), ints(-(2**31), -(2**31)), ints(2, 3), ints(-1, -1))


def threshold_backward(grad: Any, relu: Any, threshold: float) -> Any:
    """The gradient where the ReLU let something through.

    The mask is a HardSigmoid: unlike Where or Sign, it stays in the blocked layout. Max pooling's
    gradient may have this mask in it already.
    """
    if threshold:
        return op.Where(op.Greater(relu, number(threshold)), grad, number(0.0))
    pooled = source(grad).producer()
    if pooled is not None and pooled.meta.get(MASKED) is source(relu):
        return op.Identity(grad)
    return op.Mul(grad, mask(op, relu))


def hardtanh_backward(grad: Any, x: Any, low: float, high: float) -> Any:
    """The gradient where x is between the bounds: ReLU6 is one."""
    inside = op.And(op.Greater(x, number(low)), op.Less(x, number(high)))
    return op.Where(inside, grad, number(0.0))


BACKWARD: dict[Any, Callable[..., Any]] = {
    aten.convolution_backward.default: convolution_backward,
    aten.threshold_backward.default: threshold_backward,
    aten.hardtanh_backward.default: hardtanh_backward,
    aten.avg_pool2d.default: poolings.avg_pool2d,
    aten.avg_pool2d_backward.default: poolings.avg_pool2d_backward,
    aten.max_pool2d_with_indices.default: poolings.max_pool2d_with_indices,
    aten.max_pool2d_with_indices_backward.default: poolings.max_pool2d_with_indices_backward,
    torch.ops.impasto.roots.default: roots.form,
    aten._adaptive_avg_pool2d.default: poolings.adaptive_avg_pool2d,
    aten._adaptive_avg_pool2d_backward.default: poolings.adaptive_avg_pool2d_backward,
}


def pad(x: torch.Tensor, pad: Sequence[int], value: float = 0.0) -> torch.Tensor:
    """With values around x; less than nothing, as in the gradient, cuts off."""
    for i, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True), start=1):
        if min(before, after) < 0:
            x = aten.slice.Tensor(x, -i, max(0, -before), min(0, after) or None)
        if max(before, after) > 0:
            parts = [*_border(x, i, before, value), x, *_border(x, i, after, value)]
            x = aten.cat.default(parts, -i)
    return x


def _border(x: torch.Tensor, axis: int, width: int, value: float) -> list[torch.Tensor]:
    """Beside x along an axis, counted from the last."""
    size = [*x.shape[:-axis], width, *x.shape[x.ndim - axis + 1 :]]
    return [x.new_full(size, value)] if width > 0 else []


def unwritten(size: Any, _order: Sequence[int], **options: Any) -> Any:
    """Memory whose contents do not matter: SiLU's gradient takes its shape."""
    return aten.full.default(size, 0.0, **options)


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    aten.constant_pad_nd.default: pad,
    aten.empty_permuted.default: unwritten,
}
"""Of what PyTorch or its exporter to ONNX does not know at every size, or fixes the size of."""


def require_forms(operators: Iterable[Any]) -> None:
    """Raise an ImpastoError that names the first gradient which has no ONNX form."""
    for operator in operators:
        name = getattr(operator, "__name__", "").partition(".")[0]
        if name.endswith("_backward") and operator not in BACKWARD:
            raise ImpastoError(
                f"the gradient of {name.removesuffix('_backward')} has no ONNX form here: "
                "use another operator in its place"
            )
