"""Lowering: the ONNX forms of the backward operators, chosen for ONNX Runtime's fast kernels.

Only operators that every provider has: no ConvTranspose (one thread on CPU), no MaxUnpool (none on
CUDA), nothing newer than opset 18.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import onnx_ir as ir
import onnx_ir.passes.common as passes
import torch
from onnxscript import opset18, optimizer, rewriter
from onnxscript.rewriter import pattern

from impasto.runtime.errors import ImpastoError

OPSET = 18
op: Any = opset18
aten = torch.ops.aten


def _upsample(x: Any, factor: int = 2) -> Any:
    """Nearest neighbour: the form that keeps ONNX Runtime's blocked layout."""
    return op.Resize(
        x,
        None,
        op.Constant(value_floats=[1.0, 1.0, float(factor), float(factor)]),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def convolution_backward(
    grad: Any,
    x: Any,
    weight: Any,
    _bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    _output_padding: Any,
    groups: int,
    _mask: Any,
) -> Any:
    """The input's gradient: a convolution with the kernel transposed (in/out) and flipped."""
    if transposed or groups != 1 or any(n != 1 for n in (*stride, *dilation)):
        raise ImpastoError(
            "a head uses a convolution with a stride, dilation, groups or transposition, "
            "whose gradient has no fast ONNX form: use stride 1 and one group"
        )
    flipped = op.Slice(
        op.Transpose(weight, perm=[1, 0, 2, 3]),
        op.Constant(value_ints=[-1, -1]),
        op.Constant(value_ints=[-(2**31), -(2**31)]),
        op.Constant(value_ints=[2, 3]),
        op.Constant(value_ints=[-1, -1]),
    )
    size = weight.shape.numpy()[2:]
    pads = [k - 1 - p for k, p in zip(size, padding, strict=True)]
    gradient = op.Conv(grad, flipped, kernel_shape=list(size), pads=pads * 2)
    return gradient, op.Identity(gradient), op.Identity(gradient)  # only the first is used


def threshold_backward(grad: Any, relu: Any, _threshold: float) -> Any:
    """The gradient where the ReLU let something through.

    The mask is a HardSigmoid: unlike Where or Sign, it stays in the blocked layout. After max
    pooling's gradient there is nothing left to mask.
    """
    if _made_by(grad, "DepthToSpace") and _feeds(relu, "MaxPool"):
        return op.Identity(grad)
    return op.Mul(grad, _mask(op, relu))


def avg_pool2d_backward(grad: Any, _x: Any, kernel: Sequence[int], *_: Any) -> Any:
    """Each position's share, spread. The factor comes first: it folds into the convolution."""
    _require_halving(kernel)
    return _upsample(op.Mul(grad, op.Constant(value_float=0.25)))


def max_pool2d_with_indices(x: Any, kernel: Sequence[int], *_: Any) -> Any:
    """The maximum and its indices, which nothing uses (see the backward pass)."""
    _require_halving(kernel)
    return op.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2])


def max_pool2d_with_indices_backward(grad: Any, x: Any, kernel: Sequence[int], *_: Any) -> Any:
    """The gradient goes to the first maximum of each window, in reading order, as in PyTorch.

    Each corner of the windows is a plane; a corner takes what no earlier corner took, and the last
    one the rest.
    """
    _require_halving(kernel)
    largest, _ = op.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2])
    corners, left, planes = _corners(x), grad, []
    # The ReLU's gradient, at a quarter of the positions. Not by a Mul with its mask: then ONNX
    # Runtime would make the first corner's mask during the forward pass, and keep it.
    if _made_by(x, "Relu"):
        left = op.Sub(left, _where_zero(op, largest, left))
    for corner in corners:
        planes.append(_where_zero(op, op.Sub(largest, corner), left))
        left = op.Sub(left, planes[-1])
    planes.append(left)
    return op.DepthToSpace(op.Concat(*planes, axis=1), blocksize=2)


def _where_zero(op: Any, x: Any, y: Any) -> Any:
    """What y is where x, never negative, is 0 (or below 1e-30). Where is several times slower."""
    return op.Mul(op.HardSigmoid(x, alpha=-1e30, beta=1.0), y)


def _corners(x: Any) -> list[Any]:
    """The planes of first, second and third positions of 2x2 windows."""
    ends, axes = op.Constant(value_ints=[2**31, 2**31]), op.Constant(value_ints=[2, 3])
    steps = op.Constant(value_ints=[2, 2])
    starts = [op.Constant(value_ints=[row, column]) for row, column in ((0, 0), (0, 1), (1, 0))]
    return [op.Slice(x, start, ends, axes, steps) for start in starts]


def _require_halving(kernel: Sequence[int]) -> None:
    if list(kernel) != [2, 2]:
        raise ImpastoError("a head uses a pooling other than 2x2, whose gradient has no ONNX form")


BACKWARD: dict[Any, Callable[..., Any]] = {
    aten.convolution_backward.default: convolution_backward,
    aten.threshold_backward.default: threshold_backward,
    aten.avg_pool2d_backward.default: avg_pool2d_backward,
    aten.max_pool2d_with_indices.default: max_pool2d_with_indices,
    aten.max_pool2d_with_indices_backward.default: max_pool2d_with_indices_backward,
}


def _simplifications() -> list[pattern.RewriteRule]:
    """What autograd writes in full: (x^T)^T, x^1, and the gradient of a Gram matrix.

    S F + S^T F = (S + S^T) F: one product with the feature map instead of two.
    """

    def transposed_twice(op: Any, x: Any) -> Any:
        return op.Transpose(op.Transpose(x, perm=[1, 0]), perm=[1, 0])

    def power(op: Any, x: Any, exponent: Any) -> Any:
        return op.Pow(x, exponent)

    def is_one(_context: Any, exponent: ir.Value, **_: Any) -> bool:
        value = exponent.const_value
        return value is not None and value.size == 1 and value.numpy().item() == 1

    def same(op: Any, x: Any, **_: Any) -> Any:
        return op.Identity(x)

    def two_products(op: Any, s: Any, f: Any) -> Any:
        return op.Add(op.MatMul(s, f), op.MatMul(op.Transpose(s, perm=[1, 0]), f))

    def one_product(op: Any, s: Any, f: Any) -> Any:
        return op.MatMul(op.Add(s, op.Transpose(s, perm=[1, 0])), f)

    return [
        pattern.RewriteRule(transposed_twice, same, remove_nodes=False),
        pattern.RewriteRule(power, same, is_one),
        pattern.RewriteRule(two_products, one_product),
    ]


def _joins() -> list[pattern.RewriteRule]:
    """Where a head's gradient joins the backward pass, the layout is plain.

    The mask there is taken from the flattened feature map that the head reads. The order in the
    file counts: ONNX Runtime computes the later one of a node's inputs first, and what is computed
    early is kept.
    """

    def joined(op: Any, gradient: Any, injected: Any, relu: Any) -> Any:
        return op.Mul(op.Add(gradient, injected), _mask(op, relu))

    def from_head(_context: Any, gradient: ir.Value, injected: ir.Value, **_: Any) -> bool:
        backward = _source(gradient).producer()
        return (
            backward is not None
            and backward.op_type == "Conv"
            and backward.attributes.get_int("group", 1) == 1
            and not _made_by(injected, "Conv")
        )

    def joined_flat(op: Any, gradient: Any, injected: Any, relu: Any) -> Any:
        flat = op.Constant(value_ints=[0, 0, -1])
        mask = _mask(op, op.Reshape(relu, flat))
        injected = op.Reshape(injected, flat)
        both = op.Add(op.Reshape(gradient, flat), injected)
        return op.Reshape(op.Mul(both, mask), op.Shape(relu))

    return list(pattern.RewriteRule(joined, joined_flat, from_head).commute())


def _made_by(value: ir.Value, operator: str) -> bool:
    producer = _source(value).producer()
    return producer is not None and producer.op_type == operator


def _feeds(value: ir.Value, operator: str) -> bool:
    return any(node.op_type == operator for node in _source(value).consumers())


def _source(value: ir.Value) -> ir.Value:
    """The value that Identities, which the tracer leaves behind, hand on."""
    producer = value.producer()
    while producer is not None and producer.op_type == "Identity":
        source = producer.inputs[0]
        assert source is not None
        value, producer = source, source.producer()
    return value


def _mask(op: Any, relu: Any) -> Any:
    """1 where a ReLU let something through, else 0 (and less than 1 for values below 1e-30).

    Beta is not 0, which OpenVINO takes for the default, 0.5. Beside 1e30 times any number above 0,
    the least one too, it is lost in rounding.
    """
    return op.HardSigmoid(relu, alpha=1e30, beta=-1e-30)


def optimise(model: ir.Model) -> None:
    """Fold constants and shapes, and merge what the backward pass computes twice, in place.

    Not onnxscript's `optimize`: its rules take a constant below 1e-8 for zero, and so would drop an
    epsilon.
    """
    passes.InlinePass()(model)
    _clean(model)
    _apply(model, _simplifications())


def lay_out(model: ir.Model) -> None:
    """Choose the form that takes ONNX Runtime the least memory, in place."""
    _apply(model, _joins())
    _recompute_first_layer(model.graph)


def _recompute_first_layer(graph: ir.Graph) -> None:
    """For the backward pass: the first feature map is a fifth of all, and a hundredth of the work.

    The padding is said in another way, so that ONNX Runtime does not take the two for one.
    """
    relu = next((node for node in graph if node.op_type == "Relu"), None)
    convolution = _first_convolution(relu)
    if not any(node.op_type == "HardSigmoid" for node in graph) or not relu or not convolution:
        return
    again = ir.node("Conv", convolution.inputs, {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"})
    copy = ir.node("Relu", again.outputs)
    copy.outputs[0].shape, copy.outputs[0].type = relu.outputs[0].shape, relu.outputs[0].type
    graph.insert_after(relu, [again, copy])
    for node, place in list(relu.outputs[0].uses()):
        if node.op_type != "Conv":
            node.replace_input_with(place, copy.outputs[0])


def _first_convolution(relu: ir.Node | None) -> ir.Node | None:
    """What feeds a ReLU, if it is the network's first layer: 3x3, of three channels."""
    fed = relu.inputs[0].producer() if relu and relu.inputs[0] else None
    kernel = fed.inputs[1] if fed and fed.op_type == "Conv" else None
    return fed if kernel and kernel.shape and kernel.shape[1:] == (3, 3, 3) else None


def _apply(model: ir.Model, rules: Iterable[pattern.RewriteRule]) -> None:
    for rule in rules:
        rewriter.rewrite(model, [rule])
        _clean(model)


def _clean(model: ir.Model) -> None:
    optimizer.fold_constants(model, onnx_shape_inference=True)
    passes.IdentityEliminationPass()(model)
    passes.RemoveUnusedNodesPass()(model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    passes.DeduplicateInitializersPass()(model)
    passes.CommonSubexpressionEliminationPass()(model)
    passes.RemoveUnusedOpsetsPass()(model)
