"""State: all that changes in a run, between two iterations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .matching import Matches
from .objective import Point
from .optimizers import Memory


@dataclass(frozen=True, eq=False, kw_only=True)
class State:
    """Where a run is.

    The images of its points are in a scale's few slots, which later states use again: only the
    latest state of a run is sure to hold what it says. ``save`` it to keep it.
    """

    scale: int
    """From 0, the coarsest."""
    iteration: int
    """So many are done at this scale; 0: the first image is evaluated."""
    iterations: int
    """So many are done in all."""
    point: Point
    """The image now, its gradient, loss and terms."""
    best: Point
    """The one of the least loss at this scale; its gradient is not kept."""
    first: NDArray[np.float32]
    """The terms of this scale's first image."""
    memory: Memory | None
    """The optimizer's; None once the scale is done."""
    idle: int = 0
    """So many iterations in a row left the loss as it was."""
    restarted: bool = False
    """Whether the optimizer was restarted since the loss last changed."""
    average: NDArray[np.float32] | None = None
    """Of the scale's images, (1, C, H, W), where Adam's are averaged: the picture then."""
    matches: Matches = field(default_factory=dict)
    """Which of the styles' features the image is compared with, where terms want neighbours."""
    converged: bool = False
    """Whether this scale ended before all its iterations were done."""
    maps: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """What the caller brings for terms with regions and given maps: (height, width, channels)."""

    def numbers(self) -> dict[str, Any]:
        """What is not in arrays, for a checkpoint."""
        return {
            name: getattr(self, name)
            for name in ("scale", "iteration", "iterations", "idle", "restarted", "converged")
        }
