"""The loss of an image and its gradient: of a whole image, or tile by tile."""

from __future__ import annotations

import math

from impasto.runtime.bundle.shapes import Pair
from impasto.runtime.graphs.pool import AnyGraphs

from .objective import Objective, Point, Slot, Targets, Tensor
from .tiled import Tiled
from .tiles import tile_shape
from .whole import Whole

__all__ = ["Objective", "Point", "Slot", "Targets", "Tensor", "make_objective"]


def make_objective(
    graphs: AnyGraphs,
    name: str,
    pooling: str,
    size: Pair,
    tile_pixels: int | None,
    regions: int = 1,
) -> Objective:
    """An objective for images of a size, in tiles where it has more than ``tile_pixels``.

    Raises:
        ValueError: tiles so small would be all margin; no plan has such.
    """
    manifest = graphs.bundle.manifest
    if tile_pixels is None or math.prod(size) <= tile_pixels or not manifest.encoder.tiled:
        return Whole(graphs, name, pooling, size, regions)
    margin = manifest.objectives[name].margin
    shape = tile_shape(*size, tile_pixels, margin, manifest.encoder.alignment)
    if shape is None:
        raise ValueError(f"a tile of {tile_pixels} pixels is too small for a margin of {margin}")
    return Tiled(graphs, name, pooling, size, shape, regions)
