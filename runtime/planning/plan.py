"""What a run will do: scales, iterations, optimizers, tiles. ``make`` makes plans.

A checkpoint holds its plan, and so do the texts of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

from impasto.runtime import records
from impasto.runtime.settings import Settings
from impasto.runtime.settings.settings import Optimizer

from .sizes import Size, Sizes


@dataclass(frozen=True, kw_only=True)
class Scale:
    """One scale of a run: all sizes are (height, width)."""

    size: Size
    iterations: int
    optimizer: Optimizer
    history: int
    """Pairs that L-BFGS remembers, at most."""
    tile_pixels: int | None
    """Larger images are evaluated in tiles of at most so many pixels."""
    memory: int
    """Bytes that it needs, beyond what the process has before."""
    files: int
    """Bytes of temporary files."""
    work: float
    """Pixels that an evaluation computes, counted as those of a whole image."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does, checked."""

    settings: Settings
    sizes: Sizes
    shares: tuple[float, ...]
    """What each style counts for in its region; their sum there is 1."""
    weights: tuple[float, ...]
    """Of the objective's terms, in their order."""
    scales: tuple[Scale, ...]
    """The coarsest first."""

    @property
    def size(self) -> Size:
        """Of the result."""
        return self.scales[-1].size

    @property
    def memory(self) -> int:
        """Bytes that the run needs at its peak, beyond what the process has before."""
        return max(scale.memory for scale in self.scales)

    @property
    def files(self) -> int:
        """Bytes of temporary files at the peak."""
        return max(scale.files for scale in self.scales)

    @property
    def work(self) -> float:
        """Of all iterations: pixels, as in Scale."""
        return sum(scale.iterations * scale.work for scale in self.scales)

    def to_json(self) -> str:
        """One line; ``from_json`` gives back the same Plan."""
        return records.to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """The Plan of a text. RecordError: it is none."""
        return records.from_json(cls, text, "plan")
