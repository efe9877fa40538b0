"""Tensors as ``weights.bin`` holds them: end to end, little endian, each at a multiple of 64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNIT = 64


@dataclass(frozen=True, eq=False)
class Codebook:
    """A tensor of 256 distinct values, a byte for each element."""

    index: NDArray[np.uint8]
    table: NDArray[np.float32]  # (256,)

    @property
    def values(self) -> NDArray[np.float32]:
        """Of the index's shape."""
        return self.table[self.index]


Stored = Codebook | NDArray[np.float32]


class Layout:
    """Where the stored tensors of an encoder are, by their names in it."""

    def __init__(self, stored: Mapping[str, Stored]) -> None:
        self.stored = dict(stored)
        self.arrays: dict[str, NDArray[Any]] = {}
        """A codebook is two: ``NAME.table`` and ``NAME.index``."""
        for name, tensor in stored.items():
            if isinstance(tensor, Codebook):
                self.arrays[f"{name}.table"] = tensor.table
                self.arrays[f"{name}.index"] = tensor.index
            else:
                self.arrays[name] = tensor
        self.offsets: dict[str, int] = {}
        end = 0
        for name, array in self.arrays.items():
            self.offsets[name] = end
            end += _padded(array.nbytes)

    def pack(self) -> bytes:
        """The file."""
        return b"".join(
            array.astype(array.dtype.newbyteorder("<"))
            .tobytes()
            .ljust(_padded(array.nbytes), b"\0")
            for array in self.arrays.values()
        )


def _padded(size: int) -> int:
    return -(-size // UNIT) * UNIT
