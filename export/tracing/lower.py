"""Lowering: a traced graph, simplified and laid out for ONNX Runtime's memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import onnx_ir as ir
import onnx_ir.passes.common as passes
from onnxscript import optimizer, rewriter
from onnxscript.rewriter import pattern

from .forms import made_by, mask, source

OPSET = 18


def _simplifications() -> list[pattern.RewriteRule]:
    """What autograd writes in full: (x^T)^T, x^1, and the gradient of a Gram matrix.

    (F^T S)^T = S^T F, and S F + S^T F = (S + S^T) F: one product with the feature map instead of
    two. All for matrices and for batches of them.
    """

    def power(op: Any, x: Any, exponent: Any) -> Any:
        return op.Pow(x, exponent)

    def is_one(_context: Any, exponent: ir.Value, **_: Any) -> bool:
        value = exponent.const_value
        return value is not None and value.size == 1 and value.numpy().item() == 1

    def same(op: Any, x: Any, **_: Any) -> Any:
        return op.Identity(x)

    rules = [pattern.RewriteRule(power, same, is_one)]
    for perm in ([1, 0], [0, 2, 1]):

        def transposed_twice(op: Any, x: Any, perm: list[int] = perm) -> Any:
            return op.Transpose(op.Transpose(x, perm=perm), perm=perm)

        def turned(op: Any, s: Any, f: Any, perm: list[int] = perm) -> Any:
            return op.Transpose(op.MatMul(op.Transpose(f, perm=perm), s), perm=perm)

        def product(op: Any, s: Any, f: Any, perm: list[int] = perm) -> Any:
            return op.MatMul(op.Transpose(s, perm=perm), f)

        def two_products(op: Any, s: Any, f: Any, perm: list[int] = perm) -> Any:
            return op.Add(op.MatMul(s, f), op.MatMul(op.Transpose(s, perm=perm), f))

        def one_product(op: Any, s: Any, f: Any, perm: list[int] = perm) -> Any:
            return op.MatMul(op.Add(s, op.Transpose(s, perm=perm)), f)

        rules += [
            pattern.RewriteRule(transposed_twice, same, remove_nodes=False),
            pattern.RewriteRule(turned, product, remove_nodes=False),
            *pattern.RewriteRule(two_products, one_product).commute(),
        ]
    return rules


def _joins() -> list[pattern.RewriteRule]:
    """Apply the ReLU's mask late where a head's gradient is added to the backward pass.

    The sum is in the plain layout, so the mask is made from the flattened feature map that the head
    reads. It stands after the sum in the file: of a node's inputs ONNX Runtime computes that first
    which stands last, and what is computed early is kept in memory (docs/decisions.md, 9).
    """

    def joined(op: Any, gradient: Any, injected: Any, relu: Any) -> Any:
        return op.Mul(op.Add(gradient, injected), mask(op, relu))

    def from_head(_context: Any, gradient: ir.Value, injected: ir.Value, **_: Any) -> bool:
        backward = source(gradient).producer()
        return (
            backward is not None
            and backward.op_type == "Conv"
            and backward.attributes.get_int("group", 1) == 1
            and not made_by(injected, "Conv")
        )

    def joined_flat(op: Any, gradient: Any, injected: Any, relu: Any) -> Any:
        flat = op.Constant(value_ints=[0, 0, -1])
        kept = mask(op, op.Reshape(relu, flat))
        injected = op.Reshape(injected, flat)
        both = op.Add(op.Reshape(gradient, flat), injected)
        return op.Reshape(op.Mul(both, kept), op.Shape(relu))

    return list(pattern.RewriteRule(joined, joined_flat, from_head).commute())


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
    """Compute the first feature map again for the backward pass, instead of keeping it.

    It is a fifth of all feature maps' memory and a hundredth of the work. The second convolution
    states its padding as ``auto_pad``: ONNX Runtime would merge two equal nodes.
    """
    relu = next((node for node in graph if node.op_type == "Relu"), None)
    convolution = _first_convolution(relu)
    if not any(node.op_type == "HardSigmoid" for node in graph) or not relu or not convolution:
        return
    size = convolution.attributes.get_ints("kernel_shape")
    again = ir.node("Conv", convolution.inputs, {"kernel_shape": size, "auto_pad": "SAME_UPPER"})
    copy = ir.node("Relu", again.outputs)
    copy.outputs[0].shape, copy.outputs[0].type = relu.outputs[0].shape, relu.outputs[0].type
    graph.insert_after(relu, [again, copy])
    for node, place in list(relu.outputs[0].uses()):
        if node.op_type != "Conv":
            node.replace_input_with(place, copy.outputs[0])


def _first_convolution(relu: ir.Node | None) -> ir.Node | None:
    """What feeds a ReLU, if it keeps the size and takes few products for a value: a first layer."""
    fed = relu.inputs[0].producer() if relu and relu.inputs[0] else None
    kernel = fed.inputs[1] if fed and fed.op_type == "Conv" else None
    if fed is None or kernel is None or kernel.shape is None:
        return None
    channels, *size = kernel.shape.numpy()
    given = fed.attributes
    around = tuple(side // 2 for side in size[1:])
    same = all(side % 2 for side in size[1:]) and given.get_ints("pads", ()) == around * 2
    steps = [*given.get_ints("strides", ()), *given.get_ints("dilations", ())]
    plain = given.get_int("group", 1) == 1 and all(step == 1 for step in steps)
    return fed if same and plain and math.prod(size) <= channels else None


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
