"""What a run will do, decided before it starts: scales, iterations, what fits into memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from .bundle.manifest import Manifest, OptimizerName
from .bundle.manifest import Preset as Entry
from .errors import SettingError
from .machine.memory import allowance, show
from .machine.scratch import check_room
from .objective.tiles import cut, tile_shape
from .pictures.image import Picture, padded_size, scaled_size

Size = tuple[int, int]
"""(height, width)."""

IMAGE = 3 * 4
"""Bytes of a pixel of an image, a gradient or one of a pair of L-BFGS."""
ADAM_IMAGES = 6
"""Images that live at once: three slots' images and gradients."""
ADAM_MOMENTS = 2
"""Two more, which are in a file where the image is in tiles."""
LBFGS_IMAGES = 14
"""Four slots, a new pair, and what its graph needs; two more for every pair that is kept."""
ARENA, TILE_ARENA = 1.3, 1.4
"""What ONNX Runtime takes, in units of what lives at once: 1.27 to 1.5, as it grows by powers of
two. Tiles are there to keep to what was allowed."""
WHOLE_GRAPHS, TILE_GRAPHS = 250_000_000, 480_000_000
"""Bytes of the kernels in the graphs that a scale keeps open."""
OPENING = 450_000_000
"""What opening a graph takes for a moment: the least that a scale needs, however small."""
GOOD_TILE, LEAST_TILE = 400_000, 60_000
"""Pixels of a tile that wastes little, and of the least one that is worth trying."""


@dataclass(frozen=True)
class Preset:
    """A manifest's preset, typed."""

    objective: str
    pooling: str
    weights: dict[str, float]
    """By head or by term; they scale the terms' own."""
    optimizer: OptimizerName
    rate: float
    pyramid: tuple[float, ...]
    colour: float
    size: int
    coarsest: int
    iterations: tuple[int, ...]
    """Of the coarsest scale, the next finer one and so on; the last number goes for the rest.
    A scale that is alone has no finer one to do the rest: it takes the second number."""

    @staticmethod
    def of(entry: Entry) -> Preset:
        """From the settings of a preset."""
        settings = entry.settings
        return Preset(
            objective=settings["objective"],
            pooling=settings["pooling"],
            weights={key: settings[f"{key}_weight"] for key in ("content", "style", "tv")},
            optimizer=settings["optimizer"],
            rate=settings["learning_rate"],
            pyramid=tuple(settings["preconditioner_pyramid"]),
            colour=settings["preconditioner_channels"],
            size=settings["size"],
            coarsest=settings["min_size"],
            iterations=tuple(settings["schedule"]),
        )


@dataclass(frozen=True)
class Stage:
    """One scale of a run."""

    size: Size
    iterations: int
    optimizer: OptimizerName
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


@dataclass(frozen=True)
class Plan:
    """What a run does, checked."""

    content: Picture | None
    styles: list[Picture]
    shares: list[float]
    init: Picture | Literal["content", "noise"]
    seed: int
    preset: Preset
    weights: list[float]
    """Of the manifest's terms, in their order."""
    stages: list[Stage]
    """The coarsest first."""


def make_stages(
    manifest: Manifest,
    preset: Preset,
    source: Size,
    size: int,
    budget: int,
    iterations: int | None = None,
) -> list[Stage]:
    """The scales up to ``size`` pixels on the long side, each to fit into ``budget`` bytes.

    Raises:
        SettingError: a scale needs more memory, however it is done, or its files more room.
    """
    sides = [size]
    while sides[-1] // 2 >= preset.coarsest:
        sides.append(sides[-1] // 2)
    stages = []
    scales = list(enumerate(reversed(sides)))
    for scale, side in reversed(scales):  # the finest first: what is refused is what was asked for
        place = scale if len(sides) > 1 else 1
        count = preset.iterations[min(place, len(preset.iterations) - 1)]
        if iterations is not None:
            count = iterations if side == size else min(count, iterations)
        stages.append(_fit(manifest, preset, scaled_size(*source, side), count, budget))
    check_room(max(stage.files for stage in stages))
    return stages[::-1]


def _fit(manifest: Manifest, preset: Preset, size: Size, iterations: int, budget: int) -> Stage:
    """The first way that fits; the least that was found is said where none does."""
    stages = [way for way in _ways(manifest, preset, size, iterations, budget) if way]
    for stage in stages:
        if stage.memory <= budget:
            return stage
    least = min(stage.memory for stage in stages)
    raise SettingError(
        f"{size[1]} x {size[0]} pixels need {show(least)} more memory than the program has, and "
        f"{show(budget)} are free for it: choose a smaller size, or allow --memory "
        f"{allowance(least)} (memory=)"
    )


def _ways(
    manifest: Manifest, preset: Preset, size: Size, iterations: int, budget: int
) -> Iterator[Stage | None]:
    """Ways to do a scale, the fastest first."""
    most, objective = manifest.optimizers.history_size, manifest.objectives[preset.objective]
    histories = sorted({most, min(most, 5), min(most, 3)}, reverse=True)
    optimisers: list[tuple[OptimizerName, int]] = [("adam", 0)]
    if preset.optimizer == "lbfgs":
        optimisers = [("lbfgs", history) for history in histories] + optimisers
    graphs = objective.poolings[preset.pooling]
    whole = ARENA * _live(manifest, graphs.step)
    tile = TILE_ARENA * max(_live(manifest, name) for name in (graphs.pullback, graphs.statistics))
    padded = padded_size(*size, manifest.encoder.alignment[1])
    pixels = math.prod(padded)
    blank = Stage(size, iterations, "adam", 0, None, 0, 0, pixels)

    def way(optimizer: OptimizerName, history: int, tile_pixels: int | None) -> Stage | None:
        images = 2 * history + LBFGS_IMAGES if optimizer == "lbfgs" else ADAM_IMAGES
        state = pixels * images * IMAGE
        movable = 4 * pixels * _content(manifest, preset)  # in tiles this is in files
        if optimizer == "adam":
            movable += pixels * ADAM_MOMENTS * IMAGE
        known = replace(blank, optimizer=optimizer, history=history)
        if tile_pixels is None:
            needed = round(WHOLE_GRAPHS + state + movable + pixels * whole)
            return replace(known, memory=max(OPENING, needed))
        state += TILE_GRAPHS
        room = max(tile_pixels, min(pixels // 2, round((budget - state) / tile)))
        alignment = manifest.encoder.alignment
        shape = tile_shape(*padded, room, objective.margin, alignment)
        if shape is None:
            return None
        tiles = cut(*padded, shape, objective.margin, alignment)
        return replace(
            known,
            tile_pixels=room,
            memory=max(OPENING, round(state + math.prod(shape) * tile)),
            files=round(movable),
            work=1.5 * len(tiles) * math.prod(shape),
        )

    yield from (
        way(*optimiser, None) for optimiser in optimisers if optimiser[0] == preset.optimizer
    )
    for least in (GOOD_TILE, LEAST_TILE):
        if least < pixels // 2 and manifest.encoder.tiled:
            yield from (way(*optimiser, least) for optimiser in optimisers)


def _live(manifest: Manifest, graph: str) -> float:
    """Bytes that live at once in a graph, for a pixel."""
    return 4 * manifest.signatures[graph].floats_per_pixel


def _content(manifest: Manifest, preset: Preset) -> float:
    """Floats of the content targets, for a pixel."""
    layers = [
        manifest.layer(term.layer)
        for term in manifest.objectives[preset.objective].terms
        for value in term.inputs
        if value.source == "content"
    ]
    return sum(layer.channels / math.prod(layer.stride) for layer in layers)
