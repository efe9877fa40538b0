"""Ways to do a scale, whole or in tiles, and what memory each takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from impasto.runtime.bundle.manifest import Manifest, Objective
from impasto.runtime.bundle.sources import MAPS
from impasto.runtime.objective.tiles import cut, tile_shape
from impasto.runtime.pictures.image import padded_size
from impasto.runtime.settings import Settings
from impasto.runtime.settings.settings import Optimizer

from .plan import Scale
from .sizes import Size

RGB = 3
"""Channels of a picture."""
FLOAT = 4
"""Bytes."""
ADAM_IMAGES = 6
"""Images that live at once: three slots' images and gradients."""
ADAM_MOMENTS = 2
"""Two more, which are in a file where the image is in tiles."""
COMPOSED_IMAGES = 3
"""More where there are regions: what is composed, its gradient, and what it lies on."""
AVERAGE_IMAGES = 3
"""The average of Adam's images, the next one, and what they are made of."""
LBFGS_IMAGES = 20
"""Four slots, a new pair, and what its graph takes; two more for every pair that is kept."""
PARTS_IMAGES = 8
"""Four slots: with one pair L-BFGS of an image in tiles goes part by part, and keeps none."""
ARENA, TILE_ARENA = 1.55, 1.4
"""What ONNX Runtime takes, in units of what lives at once, as it grows by powers of two. Tiles are
there to keep to what was allowed."""
WHOLE_GRAPHS, TILE_GRAPHS = 280_000_000, 520_000_000
"""Bytes of the kernels in the graphs that a scale keeps open."""
OPENING = 450_000_000
"""What opening a graph takes for a moment: the least that a scale needs, however small."""
GOOD_TILE, LEAST_TILE = 400_000, 60_000
"""Pixels of a tile that wastes little, and of the least one that is worth trying; of pictures."""


def as_pixels(of_pictures: int, channels: int) -> int:
    """So many pixels of pictures, in those of a canvas with more channels: as many numbers."""
    return of_pictures * RGB // max(RGB, channels)


@dataclass(frozen=True)
class Needed:
    """What a scale is to paint: all but how."""

    manifest: Manifest
    settings: Settings
    size: Size
    regions: int


def ways(needed: Needed, iterations: int, room: int) -> Iterator[Scale]:
    """Ways to do a scale, the fastest first."""
    way, settings = _Way(needed, iterations, room), needed.settings
    optimizers = [*_optimizers(needed.manifest, settings)]
    for optimizer, history in optimizers:
        yield way.whole(optimizer, history)
    channels = needed.manifest.canvas.channels
    for least in (as_pixels(GOOD_TILE, channels), as_pixels(LEAST_TILE, channels)):
        for optimizer, history in [*optimizers, _least(needed.manifest, settings)]:
            scale = way.tiled(optimizer, history, least)
            if scale is not None:
                yield scale
    last = way.tiled("adam", 0, as_pixels(LEAST_TILE, channels))  # two images less than in parts
    if last is not None:
        yield last


def _optimizers(manifest: Manifest, settings: Settings) -> Iterator[tuple[Optimizer, int]]:
    """What is wanted: L-BFGS with fewer and fewer pairs."""
    most = settings.history_size or manifest.optimizers.history_size
    if settings.optimizer == "lbfgs":
        for history in sorted({most, min(most, 5), min(most, 3)}, reverse=True):
            yield "lbfgs", history
    else:
        yield "adam", 0


def _least(manifest: Manifest, settings: Settings) -> tuple[Optimizer, int]:
    """What needs the least memory in tiles: L-BFGS in parts, if it is wanted and there."""
    in_parts = settings.optimizer == "lbfgs" and manifest.lbfgs_parts
    return ("lbfgs", 1) if in_parts else ("adam", 0)


class _Way:
    """What a scale would need, one way or another."""

    def __init__(self, needed: Needed, iterations: int, room: int) -> None:
        manifest, settings, size = needed.manifest, needed.settings, needed.size
        self._objective = objective = manifest.objectives[settings.objective]
        self._composed = COMPOSED_IMAGES if needed.regions else 0
        regions = max(1, needed.regions)
        graphs = objective.poolings[settings.pooling]
        self._alignment, self._room = manifest.encoder.alignment, room
        self._padded = padded_size(*size, self._alignment)
        self._pixels = math.prod(self._padded)
        self._image = self._pixels * manifest.canvas.channels * FLOAT
        self._maps = FLOAT * self._pixels * _map_floats(manifest, objective, regions)
        self._live = {
            name: FLOAT * manifest.signatures[graph].live(regions)
            for name, graph in vars(graphs).items()
        }
        self._can_tile, self._in_parts = manifest.encoder.tiled, manifest.lbfgs_parts is not None
        self._averages = int(settings.averaging > 0)
        self._blank = Scale(
            size=size,
            iterations=iterations,
            optimizer="adam",
            history=0,
            tile_pixels=None,
            memory=0,
            files=0,
            work=float(self._pixels),
        )

    def whole(self, optimizer: Optimizer, history: int) -> Scale:
        """The image at once."""
        moments = ADAM_MOMENTS * self._image if optimizer == "adam" else 0
        needed = self._state(optimizer, history) + moments + self._maps
        needed += WHOLE_GRAPHS + ARENA * self._live["step"] * self._pixels
        return replace(
            self._blank,
            optimizer=optimizer,
            history=history,
            memory=max(OPENING, round(needed)),
        )

    def tiled(self, optimizer: Optimizer, history: int, least: int) -> Scale | None:
        """In tiles of ``least`` pixels or more; None: there are no such tiles."""
        if not self._can_tile or least >= self._pixels // 2:
            return None
        per_pixel = TILE_ARENA * max(self._live["pullback"], self._live["statistics"])
        needed = self._state(optimizer, history, self._in_parts) + TILE_GRAPHS
        pixels = max(least, min(self._pixels // 2, round((self._room - needed) / per_pixel)))
        margin = self._objective.margin
        shape = tile_shape(*self._padded, pixels, margin, self._alignment)
        if shape is None:
            return None
        tiles = cut(*self._padded, shape, margin, self._alignment)
        moments = ADAM_MOMENTS * self._image if optimizer == "adam" else 0
        return replace(
            self._blank,
            optimizer=optimizer,
            history=history,
            tile_pixels=pixels,
            memory=max(OPENING, round(needed + math.prod(shape) * per_pixel)),
            files=round(self._maps + moments),
            work=1.5 * len(tiles) * math.prod(shape),
        )

    def _state(self, optimizer: Optimizer, history: int, in_parts: bool = False) -> int:
        images = 2 * history + LBFGS_IMAGES if optimizer == "lbfgs" else ADAM_IMAGES
        if in_parts and history == 1:
            images = PARTS_IMAGES
        images += AVERAGE_IMAGES * self._averages + self._composed
        return images * self._image


def _map_floats(manifest: Manifest, objective: Objective, regions: int) -> float:
    """Floats of the targets that are maps, for a pixel."""
    found = 0.0
    for term in objective.terms:
        layer = manifest.encoder.layers.get(term.layer)
        stride = math.prod(layer.stride) if layer else 1
        for source in term.inputs:
            if source.source in MAPS:
                channels = source.shape[1]
                assert isinstance(channels, int)
                count = regions if source.source == "regions" else 1
                found += count * channels / stride
    return found
