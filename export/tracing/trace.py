"""Tracing: a torch module, or its gradient too, to a plain ONNX graph.

All use of torch 2.13's private or unstable functions is in this module.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common as passes
import torch
from torch.export import Dim
from torch.export.exported_program import ExportedProgram, _decompose_exported_program
from torch.export.graph_signature import OutputKind
from torch.utils import _pytree as pytree

from impasto.export.tensors import Codebook, Layout
from impasto.runtime.bundle.manifest import WEIGHTS
from impasto.runtime.bundle.shapes import MOST_REGIONS, REGIONS, Pair, Shape, fix

from . import backward, lower

Shapes = Mapping[str, Shape]

IR_VERSION = 10
EXAMPLE_SIDES = (96, 128)  # at least; any two different ones will do
EXAMPLE_REGIONS = 3
ALIGNMENT = (16, 16)


def trace_forward(
    module: torch.nn.Module, inputs: Shapes, outputs: Shapes, alignment: Pair = ALIGNMENT
) -> ir.Model:
    """The module's forward pass. It takes the inputs one by one, in order.

    Heights and widths are multiples of ``alignment``.
    """
    return _to_onnx(_export(module, inputs, alignment), outputs)


def trace_gradient(
    module: torch.nn.Module, inputs: Shapes, outputs: Shapes, alignment: Pair = ALIGNMENT
) -> ir.Model:
    """The forward pass and the gradient of its first output for its first input.

    The gradient becomes the last output. Of all outputs the last ``len(outputs)`` are kept.
    """
    table = dict(torch.export.default_decompositions())
    for operator in backward.BACKWARD:
        table.pop(operator, None)
    table |= backward.DECOMPOSITIONS
    joint = _decompose_exported_program(
        _export(module, inputs, alignment, gradient=True),
        cia_to_decomp={},
        python_decomp_table=table,
        joint_loss_index=0,
        decompose_custom_triton_ops=False,
    )
    backward.require_forms(node.target for node in joint.graph.nodes)
    specs = joint.graph_signature.output_specs
    for spec in specs:  # the exporter to ONNX knows no other kind
        spec.kind, spec.target = OutputKind.USER_OUTPUT, None
    signature = joint.module_call_graph[0].signature
    signature.out_spec = pytree.tree_flatten(tuple(range(len(specs))))[1]
    signature.outputs = [spec.arg for spec in specs]
    return _to_onnx(joint, outputs)


def _export(
    module: torch.nn.Module, inputs: Shapes, alignment: Pair, gradient: bool = False
) -> ExportedProgram:
    symbols = {
        name: (unit, Dim(name, min=1 if unit > 1 else 4, max=4096))
        for name, unit in zip(("height", "width"), alignment, strict=True)
    }
    symbols[REGIONS] = 1, Dim(REGIONS, min=2, max=MOST_REGIONS)  # 1 works as well
    size = [-(-side // unit) * unit for side, unit in zip(EXAMPLE_SIDES, alignment, strict=True)]
    arguments = [
        torch.rand(fix(shape, size[0], size[1], EXAMPLE_REGIONS)) for shape in inputs.values()
    ]
    arguments[0].requires_grad_(gradient)

    def dynamic(shape: Shape) -> dict[int, Any]:
        found = {}
        for axis, side in enumerate(shape):
            if isinstance(side, str):
                name, _, stride = side.partition("/")
                unit, symbol = symbols[name]
                found[axis] = unit // int(stride or 1) * symbol
        return found

    shapes = tuple(dynamic(shape) for shape in inputs.values())
    with _quiet():
        return torch.export.export(_Flat(module), tuple(arguments), dynamic_shapes=(shapes,))


class _Flat(torch.nn.Module):
    """The module as one of positional tensors: what torch.export and ONNX agree on."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *arguments: torch.Tensor) -> Any:
        return self.module(*arguments)


def _to_onnx(program: ExportedProgram, outputs: Shapes) -> ir.Model:
    with _quiet():
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=lower.OPSET,
            custom_translation_table=backward.BACKWARD,
            optimize=False,
            verbose=False,
        )
    assert exported is not None
    model = exported.model
    del model.graph.outputs[: -len(outputs)]
    _weights_as_inputs(model, program.state_dict)
    lower.optimise(model)
    return model


def finish(model: ir.Model, inputs: Shapes, outputs: Shapes, layout: Layout) -> bytes:
    """A traced model as an ONNX file: memory saved, inputs and outputs named, weights external."""
    lower.lay_out(model)
    passes.ClearMetadataAndDocStringPass()(model)
    _separate(model.graph)
    _name(model.graph.inputs[: len(inputs)], inputs)
    _name(model.graph.outputs, outputs)
    _bind_weights(model.graph, layout)
    model.producer_name, model.producer_version = "impasto", None
    model.ir_version = IR_VERSION
    model.graph.name = "impasto"
    proto = ir.to_proto(model)
    del proto.graph.value_info[:]  # it and the nodes' names are two fifths of a file
    for node in proto.graph.node:
        node.ClearField("name")
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


_OF_ENCODER = re.compile(r"module\.(?:statistics\.)?(?:objective\.)?encoder\.(.+)")


def _weights_as_inputs(model: ir.Model, names: Collection[str]) -> None:
    """Make the encoder's tensors inputs for now: constants would be folded into the graph."""
    graph = model.graph
    for name in [name for name in graph.initializers if name in names]:
        value = graph.initializers[name]
        if not _OF_ENCODER.fullmatch(name) or value.dtype != ir.DataType.FLOAT:
            continue
        del graph.initializers[name]
        value.const_value = None
        graph.inputs.append(value)


def _bind_weights(graph: ir.Graph, layout: Layout) -> None:
    """Make the encoder's tensors external data in ``weights.bin``, codebooks as lookups.

    ONNX Runtime looks the values up once, when it opens the graph.
    """
    for value in [output for node in graph for output in node.outputs]:
        if value.name in layout.arrays and not value.is_graph_output():
            value.name += ".computed"  # the encoder has a tensor of that name
    for value in list(graph.inputs):
        matched = _OF_ENCODER.fullmatch(value.name or "")
        if matched is None:
            continue
        name = matched[1]
        graph.inputs.remove(value)
        if not isinstance(layout.stored[name], Codebook):
            value.replace_all_uses_with(_external(graph, name, layout))
            continue
        index = _external(graph, f"{name}.index", layout)
        table = _external(graph, f"{name}.table", layout)
        nodes = _lookup(table, index)
        nodes[-1].outputs[0].name = name
        value.replace_all_uses_with(nodes[-1].outputs[0])
        graph.insert_before(graph[0], nodes)


def _lookup(table: ir.Value, index: ir.Value) -> list[ir.Node]:
    """``table[index]`` by GatherElements, in rows: Gather takes ONNX Runtime nine times as long."""
    row = ir.node("Flatten", [table], {"axis": 0})
    flat = ir.node("Flatten", [index], {"axis": 0})
    cast = ir.node("Cast", [flat.outputs[0]], {"to": ir.DataType.INT32})
    gather = ir.node("GatherElements", [row.outputs[0], cast.outputs[0]], {"axis": 1})
    shape = ir.node("Shape", [index])
    kernel = ir.node("Reshape", [gather.outputs[0], shape.outputs[0]])
    names = ("row", "flat", "cast", "found", "shape")
    for node, name in zip((row, flat, cast, gather, shape), names, strict=True):
        node.outputs[0].name = f"{index.name}.{name}"
    return [row, flat, cast, gather, shape, kernel]


def _external(graph: ir.Graph, tensor_name: str, layout: Layout) -> ir.Value:
    taken = [value.name for value in (*graph.inputs, *graph.outputs)]
    name = f"encoder.{tensor_name}" if tensor_name in taken else tensor_name
    if name not in graph.initializers:
        array = layout.arrays[tensor_name]
        kind = ir.DataType.UINT8 if array.dtype == np.uint8 else ir.DataType.FLOAT
        shape = ir.Shape(array.shape)
        tensor = ir.ExternalTensor(
            WEIGHTS, layout.offsets[tensor_name], array.nbytes, kind, shape=shape, name=name
        )
        graph.register_initializer(
            ir.Value(name=name, type=ir.TensorType(kind), shape=shape, const_value=tensor)
        )
    return graph.initializers[name]


def _separate(graph: ir.Graph) -> None:
    """Give every output a value of its own: two heads may want the same feature map as target."""
    taken = set(graph.inputs)
    for i, value in enumerate(graph.outputs):
        if value in taken:
            copy = ir.node("Identity", [value])
            copy.outputs[0].type = value.type
            graph.append(copy)
            graph.outputs[i] = copy.outputs[0]
        taken.add(value)


def _name(values: Sequence[ir.Value], shapes: Shapes) -> None:
    for value, (name, shape) in zip(values, shapes.items(), strict=True):
        value.name, value.shape = name, ir.Shape(shape)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own deprecations and notes on torchvision."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
