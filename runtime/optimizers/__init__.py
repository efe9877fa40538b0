"""The optimizers: what they remember. Their arithmetic is in the graphs."""

from __future__ import annotations

from dataclasses import replace

from impasto.runtime.graphs.pool import AnyGraphs
from impasto.runtime.planning.plan import Plan

from .adam import Adam
from .lbfgs import LBFGS
from .lbfgs_parts import LBFGSInParts
from .optimizer import Memory, Optimizer

__all__ = ["LBFGS", "Adam", "LBFGSInParts", "Memory", "Optimizer", "make_optimizer"]


SETTLING = 2
"""Scales, the coarsest, whose low spatial frequencies change most. Finer ones begin with them as
they will be: without a preconditioner that favors them they are done sooner, and keep them."""


def make_optimizer(graphs: AnyGraphs, plan: Plan, place: int, size: tuple[int, int]) -> Optimizer:
    """That of the scale at a place, from 0, for images of a padded (height, width)."""
    settings, scale = plan.settings, plan.scales[place]
    if place >= SETTLING:
        none = (0.0,) * len(settings.preconditioner_pyramid)
        settings = replace(settings, preconditioner_pyramid=none)
    manifest, in_tiles = graphs.bundle.manifest, scale.tile_pixels is not None
    shape = (1, manifest.canvas.channels, *size)
    if scale.optimizer == "adam":
        return Adam(graphs, settings, shape, in_tiles)
    if in_tiles and scale.history == 1 and manifest.lbfgs_parts:
        return LBFGSInParts(graphs, manifest.lbfgs_parts, settings, size)
    return LBFGS(graphs, settings, scale.history, shape)
