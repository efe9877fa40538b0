"""What the loop asks of an optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.graphs.device import OrtValue
from impasto.runtime.objective import Point


class Memory(Protocol):
    """What an optimizer knows of the iterations before."""

    @property
    def fresh(self) -> bool:
        """Whether that is nothing."""

    @property
    def previous(self) -> Point | None:
        """The point before the last one, where the optimizer still needs it."""


class Optimizer(Protocol):
    """The rule that moves an image. What changes between iterations is a Memory."""

    tolerance: float
    """By how much of itself the loss may grow in a step."""
    points: int
    """How many it looks at: the last of them is the one that it proposes from."""

    def start(self) -> Any:
        """The memory before the first iteration."""

    def propose(self, memory: Any, point: Point, step: float, into: OrtValue) -> Any:
        """Write the next image; ``step`` scales the update. What it returns is for ``accept``."""

    def accept(self, memory: Any, point: Point, proposal: Any) -> Any:
        """The memory once the proposal that was made from this point is taken."""

    def pack(self, memory: Any) -> dict[str, NDArray[np.float32]]:
        """The memory as arrays by name, but for ``previous``."""

    def unpack(self, arrays: Mapping[str, NDArray[np.float32]], previous: Point | None) -> Any:
        """The memory that was packed."""
