"""Winograd's convolutions, for CPUs: 16 products for 2x2 outputs, where a 3x3 kernel takes 36.

F(2x2, 3x3) of Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016): of a
4x4 patch d and a kernel g the 2x2 outputs are A^T [(G g G^T) * (B^T d B)] A. Its coefficients are
ones and halves, so it is as exact as the sums that it replaces.

It pays only if no feature map is rearranged for it. So between two such convolutions a map stays
split into its four phases (see phases.py), and the products are sixteen 1x1 convolutions. GPUs have
kernels of their own. What else was tried: docs/decisions.md, 3 to 5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from .phases import FLOAT, Phases, Tape, channels_of

LEAST_CHANNELS = 128
"""With fewer, the sums cost what the products save."""

BLOCK = 16
"""Channels that lie side by side."""

# B^T d = (d0 - d2, d1 + d2, d2 - d1, d3 - d1) and A^T = [[1, 1, 1, 0], [0, 1, -1, 1]]. In the paper
# the last row of B^T and the last column of A^T have the other sign: the outputs are the same.
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])

CORNERS = [[0, 0], [0, 1], [1, 0], [1, 1]]
"""(row, column) at which each phase begins."""

Kernels = dict[tuple[int, int], ir.Value]


def rewrite(model: ir.Model) -> bool:
    """Replace the convolutions for which it pays, and what lies between them, in place.

    Returns whether there were any. Nodes that nothing uses any more are left to the optimiser.
    """
    return _Rewriter(model.graph).rewrite()


class _Rewriter:
    """One rule for each operator, which says whether it replaced the node.

    A node that was not replaced gets whole feature maps.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self.graph, self.tape = graph, Tape(graph)
        self.phases: dict[ir.Value, Phases] = {}
        self.apart: set[ir.Value] = set()
        """Feature maps that exist only as their phases."""
        self.joined: dict[ir.Value, ir.Value] = {}
        self.kernels: dict[ir.Value, Kernels] = {}
        self.rules: dict[str, Callable[[ir.Node], bool]] = {
            "Conv": self._conv,
            "Relu": self._elementwise,
            "HardSigmoid": self._elementwise,
            "Add": self._elementwise,
            "Mul": self._mul,
            "Sub": self._sub,
            "AveragePool": self._averagepool,
            "MaxPool": self._maxpool,
            "Slice": self._slice,
            "Resize": self._resize,
            "DepthToSpace": self._depthtospace,
        }

    def rewrite(self) -> bool:
        for node in list(self.graph):
            rule = self.rules.get(node.op_type)
            if rule is None or not rule(node):
                for i, value in enumerate(node.inputs):
                    if value in self.apart:
                        node.replace_input_with(i, self._whole(value))
            self.graph.insert_before(node, self.tape.take())
        for i, value in enumerate(self.graph.outputs):
            self.graph.outputs[i] = self._whole(value)
        self.graph.extend(self.tape.take())
        return bool(self.kernels)

    def _conv(self, node: ir.Node) -> bool:
        if not _pays(node):
            return False
        image, kernel, *bias = _given(node)
        self._keep(node, self._convolve(self._phases(image), self._kernels(kernel), bias))
        return True

    def _elementwise(self, node: ir.Node) -> bool:
        """What is done position by position."""
        alike = all(value.shape == node.outputs[0].shape for value in _given(node))
        if not alike or not any(value in self.apart for value in node.inputs):
            return False
        operands = zip(*map(self._phases, _given(node)), strict=True)
        attributes = dict(node.attributes)
        self._keep(node, [self.tape.feature(node.op_type, *x, **attributes) for x in operands])
        return True

    def _mul(self, node: ir.Node) -> bool:
        x, y = _given(node)
        if x not in self.apart or y.const_value is None or y.const_value.size != 1:
            return self._elementwise(node)
        number = y.const_value.numpy().item()
        return self._replace(node, self.tape.depthwise(self._whole(x), [[number]]))

    def _sub(self, node: ir.Node) -> bool:
        """As x + (-1) y: there is no Sub in the blocked layout. Add broadcasts as Sub does."""
        x, y = _given(node)
        if not _in_blocks(x) or not _in_blocks(y) or {x, y} & self.apart:
            return False
        return self._replace(node, self.tape.plus(x, y, -1))

    def _averagepool(self, node: ir.Node) -> bool:
        if not self._is_apart(node) or not _halves(node):
            return False
        a, b, c, d = self.phases[_given(node)[0]]
        total = self.tape.plus(self.tape.plus(a, b), self.tape.plus(c, d))
        return self._replace(node, self.tape.depthwise(total, [[0.25]]))

    def _maxpool(self, node: ir.Node) -> bool:
        if not self._is_apart(node) or not _halves(node):
            return False
        return self._replace(node, self.tape.feature("Max", *self.phases[_given(node)[0]]))

    def _slice(self, node: ir.Node) -> bool:
        """Max pooling's gradient takes every other row and column of its input: that is a phase."""
        (x, *_), (start, end, *rest) = _given(node), _numbers(node)
        if start not in CORNERS or rest != [[2, 3], [2, 2]] or end is None or min(end) < 2**31:
            return False
        if x not in self.apart and not _splits(x):
            return False
        return self._replace(node, self._phases(x)[CORNERS.index(start)])

    def _resize(self, node: ir.Node) -> bool:
        """Average pooling's gradient repeats every position in 2x2: its four phases are equal."""
        modes = ("mode", "coordinate_transformation_mode", "nearest_mode")
        given = [node.attributes.get_string(key, "") for key in modes]
        doubles = _numbers(node)[1:2] == [[1, 1, 2, 2]]
        if doubles and given == ["nearest", "asymmetric", "floor"]:
            self.phases[node.outputs[0]] = [self._whole(_given(node)[0])] * 4
        return False

    def _depthtospace(self, node: ir.Node) -> bool:
        """Max pooling's gradient joins four planes, one for each corner of the windows: phases."""
        concat, attributes = _given(node)[0].producer(), node.attributes
        halves = attributes.get_string("mode", "DCR"), attributes.get_int("blocksize")
        if concat is None or concat.op_type != "Concat" or halves != ("DCR", 2):
            return False
        planes = _given(concat)
        alike = all(map(_in_blocks, planes)) and len({channels_of(plane) for plane in planes}) == 1
        if concat.attributes.get_int("axis") != 1 or len(planes) != 4 or not alike:
            return False
        self._keep(node, planes)
        return True

    def _convolve(self, phases: Phases, kernels: Kernels, bias: Sequence[ir.Value]) -> Phases:
        plus, patches = self.tape.plus, self._patches(phases)

        def product(row: int, column: int) -> ir.Value:
            # Product (1, 1) is a summand of all four outputs: so the bias is added to it alone.
            shared = bias if (row, column) == (1, 1) else ()
            return self.tape.feature("Conv", patches[row][column], kernels[row, column], *shared)

        def column(number: int, more: Phases | None = None) -> Phases:
            """A^T times a column of products, plus ``more``.

            m1 + m2 is computed as (m1 - m2) + 2 m2: then the difference alone, not both products,
            is kept for the second row of outputs.
            """
            one, two = product(1, number), product(2, number)
            difference = plus(one, two, -1)
            both = [plus(difference, two, 2), difference]
            if more is not None:
                both = [plus(*pair) for pair in zip(both, more, strict=True)]
            return [plus(both[0], product(0, number)), plus(both[1], product(3, number))]

        middle = list(zip(column(1), column(2), strict=True))
        left = column(0, [plus(*pair) for pair in middle])
        right = column(3, [plus(*pair, -1) for pair in middle])
        return [left[0], right[0], left[1], right[1]]

    def _patches(self, phases: Phases) -> list[list[ir.Value]]:
        """B^T d B of the 4x4 patches d around all 2x2 positions."""
        a, b, c, d = phases
        rows = zip(self._differences(a, c, axis=0), self._differences(b, d, axis=0), strict=True)
        return [self._differences(even, odd, axis=1) for even, odd in rows]

    def _differences(self, even: ir.Value, odd: ir.Value, axis: int) -> list[ir.Value]:
        """B^T along an axis: d0 - d2, d1 + d2, d2 - d1, d3 - d1.

        A patch begins one position before its outputs: d0 and d2 are odd positions, d1 and d3 even.
        """
        kernel = np.array([1.0, -1.0]).reshape((2, 1) if axis == 0 else (1, 2))
        before, after = np.roll([[1, 0, 0, 0], [0, 0, 1, 0]], axis, axis=1).tolist()
        return [
            self.tape.depthwise(odd, kernel, pads=before),
            self.tape.plus(even, odd),
            self.tape.plus(odd, even, -1),
            self.tape.depthwise(even, -kernel, pads=after),
        ]

    def _kernels(self, kernel: ir.Value) -> Kernels:
        """G g G^T: sixteen kernels (O, I, 1, 1), which ONNX Runtime computes when it opens a graph.

        A backward kernel is the forward one, transposed (in/out) and flipped. Its sixteen are those
        of the forward kernel, transposed, with first and last row and column exchanged.
        """
        if kernel in self.kernels:
            return self.kernels[kernel]
        size = [channels_of(kernel, axis) for axis in (0, 1)]
        forward = _turned(kernel)
        if forward is not None:
            places = (3, 1, 2, 0)
            found = {
                (places[row], places[column]): self.tape.op("Transpose", one, perm=[1, 0, 2, 3])
                for (row, column), one in self._kernels(forward).items()
            }
        else:
            flat = self.tape.op("Reshape", kernel, self.tape.constant([*size, 1, 9]))
            found = {
                (row, column): self.tape.op("MatMul", flat, self.tape.constant(spread, np.float32))
                for row in range(4)
                for column in range(4)
                for spread in [np.outer(G[row], G[column]).reshape(9, 1)]
            }
        for one in found.values():
            one.shape, one.type = ir.Shape([*size, 1, 1]), FLOAT
        self.kernels[kernel] = found
        return found

    def _phases(self, value: ir.Value) -> Phases:
        if value not in self.phases:
            self.phases[value] = self.tape.split(value)
        return self.phases[value]

    def _whole(self, value: ir.Value) -> ir.Value:
        if value not in self.apart:
            return value
        if value not in self.joined:
            self.joined[value] = whole = self.tape.join(self.phases[value])
            whole.shape, whole.type = value.shape, value.type
        return self.joined[value]

    def _keep(self, node: ir.Node, phases: Phases) -> None:
        self.phases[node.outputs[0]] = phases
        self.apart.add(node.outputs[0])

    def _is_apart(self, node: ir.Node) -> bool:
        return node.inputs[0] in self.apart

    def _replace(self, node: ir.Node, value: ir.Value) -> bool:
        node.outputs[0].replace_all_uses_with(value)
        return True


def _pays(node: ir.Node) -> bool:
    """A plain 3x3 convolution of many channels, with an even number of rows and of columns."""
    kernel, attributes = node.inputs[1], node.attributes
    if kernel is None or kernel.shape is None:
        return False
    return (
        kernel.shape[2:] == (3, 3)
        and attributes.get_ints("pads", ()) == (1, 1, 1, 1)
        and not any(
            n != 1 for key in ("strides", "dilations") for n in attributes.get_ints(key, ())
        )
        and attributes.get_int("group", 1) == 1
        and all(_many(channels_of(kernel, axis)) for axis in (0, 1))
        and _splits(node.outputs[0])
    )


def _many(channels: int) -> bool:
    return channels >= LEAST_CHANNELS and channels % BLOCK == 0


def _in_blocks(value: ir.Value) -> bool:
    """Whether it is, or can be, a feature map in the blocked layout."""
    shape = value.shape
    if shape is None or len(shape) != 4 or shape[0] != 1:
        return False
    return isinstance(shape[1], int) and shape[1] % BLOCK == 0


def _splits(value: ir.Value) -> bool:
    """Whether it has four phases of one size in the blocked layout."""
    return _in_blocks(value) and value.shape is not None and all(map(_even, value.shape[2:]))


def _even(side: Any) -> bool:
    """Whether a symbolic side such as ``4*s89`` is known to be even."""
    multiple = re.fullmatch(r"(\d+)\*\w+", str(side))
    return multiple is not None and int(multiple[1]) % 2 == 0


def _halves(node: ir.Node) -> bool:
    """A pooling of 2x2 windows that do not overlap."""
    given = [node.attributes.get_ints(key, ()) for key in ("kernel_shape", "strides")]
    return (
        given == [(2, 2), (2, 2)]
        and not any(node.attributes.get_ints("pads", ()))
        and all(n == 1 for n in node.attributes.get_ints("dilations", ()))
    )


def _given(node: ir.Node) -> list[ir.Value]:
    return [value for value in node.inputs if value is not None]


def _numbers(node: ir.Node) -> list[Any]:
    """The constants among a node's inputs after the first, as lists; None for the others."""
    constants = [value.const_value if value else None for value in node.inputs[1:]]
    return [None if tensor is None else tensor.numpy().tolist() for tensor in constants]


def _turned(kernel: ir.Value) -> ir.Value | None:
    """The forward kernel of a backward one: the latter is it, transposed (in/out) and flipped."""
    flip = kernel.producer()
    if flip is None or flip.op_type != "Slice" or _numbers(flip)[2:] != [[2, 3], [-1, -1]]:
        return None
    swap = _given(flip)[0].producer()
    if swap is None or swap.attributes.get_ints("perm", ()) != (1, 0, 2, 3):
        return None
    return _given(swap)[0]
