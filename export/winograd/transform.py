"""F(2x2, 3x3) itself: sixteen kernels of a kernel, and a convolution of phases with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from .nodes import given, numbers
from .phases import FLOAT, Phases, Tape, channels_of

# B^T d = (d0 - d2, d1 + d2, d2 - d1, d3 - d1) and A^T = [[1, 1, 1, 0], [0, 1, -1, 1]]. In the paper
# the last row of B^T and the last column of A^T have the other sign: the outputs are the same.
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])

Kernels = dict[tuple[int, int], ir.Value]


class Transform:
    """Writes convolutions to a tape; the kernels of each kernel once."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._found: dict[ir.Value, Kernels] = {}

    @property
    def used(self) -> bool:
        """Whether there was any convolution."""
        return bool(self._found)

    def convolve(self, phases: Phases, kernel: ir.Value, bias: Sequence[ir.Value]) -> Phases:
        """The phases of the convolution, with its bias if it has one."""
        kernels = self._kernels(kernel)
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
        if kernel in self._found:
            return self._found[kernel]
        size = [channels_of(kernel, axis) for axis in (0, 1)]
        forward = turned(kernel)
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
        self._found[kernel] = found
        return found


def turned(kernel: ir.Value) -> ir.Value | None:
    """The forward kernel of a backward one: the latter is it, transposed (in/out) and flipped."""
    flip = kernel.producer()
    if flip is None or flip.op_type != "Slice" or numbers(flip)[2:] != [[2, 3], [-1, -1]]:
        return None
    swap = given(flip)[0].producer()
    if swap is None or swap.attributes.get_ints("perm", ()) != (1, 0, 2, 3):
        return None
    return given(swap)[0]
