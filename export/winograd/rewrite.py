"""One rule for each operator: convolutions become Winograd's, and maps between them stay apart."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from .nodes import given, halves, in_blocks, numbers, pays, splits
from .phases import Phases, Tape, channels_of
from .transform import Transform

CORNERS = [[0, 0], [0, 1], [1, 0], [1, 1]]
"""(row, column) at which each phase begins."""


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
        self.transform = Transform(self.tape)
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
        return self.transform.used

    def _conv(self, node: ir.Node) -> bool:
        if not pays(node):
            return False
        image, kernel, *bias = given(node)
        self._keep(node, self.transform.convolve(self._phases(image), kernel, bias))
        return True

    def _elementwise(self, node: ir.Node) -> bool:
        """What is done position by position."""
        alike = all(value.shape == node.outputs[0].shape for value in given(node))
        if not alike or not any(value in self.apart for value in node.inputs):
            return False
        operands = zip(*map(self._phases, given(node)), strict=True)
        attributes = dict(node.attributes)
        self._keep(node, [self.tape.feature(node.op_type, *x, **attributes) for x in operands])
        return True

    def _mul(self, node: ir.Node) -> bool:
        x, y = given(node)
        if x not in self.apart or y.const_value is None or y.const_value.size != 1:
            return self._elementwise(node)
        number = y.const_value.numpy().item()
        return self._replace(node, self.tape.depthwise(self._whole(x), [[number]]))

    def _sub(self, node: ir.Node) -> bool:
        """As x + (-1) y: there is no Sub in the blocked layout. Add broadcasts as Sub does."""
        x, y = given(node)
        if not in_blocks(x) or not in_blocks(y) or {x, y} & self.apart:
            return False
        return self._replace(node, self.tape.plus(x, y, -1))

    def _averagepool(self, node: ir.Node) -> bool:
        if not self._is_apart(node) or not halves(node):
            return False
        a, b, c, d = self.phases[given(node)[0]]
        total = self.tape.plus(self.tape.plus(a, b), self.tape.plus(c, d))
        return self._replace(node, self.tape.depthwise(total, [[0.25]]))

    def _maxpool(self, node: ir.Node) -> bool:
        if not self._is_apart(node) or not halves(node):
            return False
        return self._replace(node, self.tape.feature("Max", *self.phases[given(node)[0]]))

    def _slice(self, node: ir.Node) -> bool:
        """Max pooling's gradient takes every other row and column of its input: that is a phase."""
        (x, *_), (start, end, *rest) = given(node), numbers(node)
        if start not in CORNERS or rest != [[2, 3], [2, 2]] or end is None or min(end) < 2**31:
            return False
        if x not in self.apart and not splits(x):
            return False
        return self._replace(node, self._phases(x)[CORNERS.index(start)])

    def _resize(self, node: ir.Node) -> bool:
        """Average pooling's gradient repeats every position in 2x2: its four phases are equal."""
        modes = ("mode", "coordinate_transformation_mode", "nearest_mode")
        wanted = [node.attributes.get_string(key, "") for key in modes]
        doubles = numbers(node)[1:2] == [[1, 1, 2, 2]]
        if doubles and wanted == ["nearest", "asymmetric", "floor"]:
            self.phases[node.outputs[0]] = [self._whole(given(node)[0])] * 4
        return False

    def _depthtospace(self, node: ir.Node) -> bool:
        """Max pooling's gradient joins four planes, one for each corner of the windows: phases."""
        concat, attributes = given(node)[0].producer(), node.attributes
        halves = attributes.get_string("mode", "DCR"), attributes.get_int("blocksize")
        if concat is None or concat.op_type != "Concat" or halves != ("DCR", 2):
            return False
        planes = given(concat)
        alike = all(map(in_blocks, planes)) and len({channels_of(plane) for plane in planes}) == 1
        if concat.attributes.get_int("axis") != 1 or len(planes) != 4 or not alike:
            return False
        self._keep(node, planes)
        return True

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
