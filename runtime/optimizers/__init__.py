"""The optimizers: what they remember. Their arithmetic is in the graphs."""

from __future__ import annotations

from impasto.runtime.graphs.pool import AnyGraphs
from impasto.runtime.planning.plan import Scale
from impasto.runtime.settings import Settings

from .adam import Adam
from .lbfgs import LBFGS
from .optimizer import Memory, Optimizer

__all__ = ["LBFGS", "Adam", "Memory", "Optimizer", "make_optimizer"]


def make_optimizer(
    graphs: AnyGraphs, settings: Settings, scale: Scale, size: tuple[int, int]
) -> Optimizer:
    """The scale's optimizer, for images of a padded (height, width)."""
    shape = (1, graphs.bundle.manifest.canvas.channels, *size)
    if scale.optimizer == "lbfgs":
        return LBFGS(graphs, settings, scale.history, shape)
    return Adam(graphs, settings, shape, in_tiles=scale.tile_pixels is not None)
