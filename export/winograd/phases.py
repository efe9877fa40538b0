"""Feature maps in four phases, and what can be done to them in ONNX Runtime's blocked layout.

The phases of a (1, C, H, W) map x are its polyphase components ``x[:, :, r::2, c::2]``, with (r, c)
(0, 0), (0, 1), (1, 0) and (1, 1). In the blocked layout of CPUs (16 channels side by side) sums,
depthwise and 1x1 convolutions are fast; a Sub, a Slice or a product with a number each copy their
map out of it and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import ArrayLike, DTypeLike

Phases = Sequence[ir.Value]

FLOAT = ir.TensorType(ir.DataType.FLOAT)


class Tape:
    """Collects new nodes for a graph until ``take``; constants are added to the graph at once."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._nodes: list[ir.Node] = []
        self._constants: dict[tuple[object, ...], ir.Value] = {}

    def take(self) -> list[ir.Node]:
        """The nodes since the last time."""
        taken, self._nodes = self._nodes, []
        return taken

    def op(self, operator: str, *inputs: ir.Value, **attributes: Any) -> ir.Value:
        """Any operator with one output."""
        self._nodes.append(ir.node(operator, inputs, attributes))
        return self._nodes[-1].outputs[0]

    def feature(self, operator: str, *inputs: ir.Value, **attributes: Any) -> ir.Value:
        """An operator whose output is a feature map with its first input's channels, or a Conv."""
        out = self.op(operator, *inputs, **attributes)
        channels = channels_of(inputs[1], 0) if operator == "Conv" else channels_of(inputs[0])
        out.shape, out.type = ir.Shape([1, channels, None, None]), FLOAT
        return out

    def depthwise(self, x: ir.Value, kernel: ArrayLike, **attributes: Any) -> ir.Value:
        """Every channel by the same (rows, columns) kernel."""
        channels = channels_of(x)
        kernels = np.broadcast_to(kernel, (channels, 1, *np.shape(kernel)))
        constant = self.constant(kernels, np.float32)
        return self.feature("Conv", x, constant, group=channels, **attributes)

    def plus(self, x: ir.Value, y: ir.Value, factor: float = 1.0) -> ir.Value:
        """The sum x + factor y, which ONNX Runtime computes in one node."""
        return self.feature("Add", y if factor == 1 else self.depthwise(y, [[factor]]), x)

    def split(self, x: ir.Value) -> Phases:
        """The phases of a feature map."""
        corners = np.eye(4).reshape(4, 2, 2)
        return [self.depthwise(x, corner, strides=[2, 2]) for corner in corners]

    def join(self, phases: Phases) -> ir.Value:
        """The feature map of four phases: columns interleaved by Transpose, rows by Concat."""
        size = self.op("Shape", phases[0])
        wide = self.op("Mul", size, self.constant([1, 1, 1, 2]))
        full = self.op("Mul", size, self.constant([1, 1, 2, 2]))
        rows = []
        for two in (phases[:2], phases[2:]):
            flat = self.op("Reshape", self.op("Concat", *two, axis=1), self.constant([2, -1]))
            rows.append(self.op("Reshape", self.op("Transpose", flat, perm=[1, 0]), wide))
        return self.op("Reshape", self.op("Concat", *rows, axis=3), full)

    def constant(self, numbers: ArrayLike, kind: DTypeLike = np.int64) -> ir.Value:
        """An initialiser."""
        array = np.ascontiguousarray(numbers, kind)
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            tensor = ir.tensor(array, name=f"phases.{len(self._constants)}")
            value = ir.Value(
                name=tensor.name,
                type=ir.TensorType(tensor.dtype),
                shape=ir.Shape(array.shape),
                const_value=tensor,
            )
            self._graph.register_initializer(value)
            self._constants[key] = value
        return self._constants[key]


def channels_of(value: ir.Value, axis: int = 1) -> int:
    """Of a feature map; along axis 0, the outputs of a kernel."""
    assert value.shape is not None
    channels = value.shape[axis]
    assert isinstance(channels, int)
    return channels
