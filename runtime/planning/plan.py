"""What a run will do: scales, iterations, optimizers, tiles. A pure function of what is given.

From the Settings, the sizes of the pictures, the manifest and an amount of memory: no picture is
decoded, nothing is asked of the machine. A checkpoint holds its plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from impasto.runtime import records
from impasto.runtime.bundle.manifest import MAPS, Manifest, Objective
from impasto.runtime.errors import Field, SettingError
from impasto.runtime.machine.memory import allowance, show_bytes
from impasto.runtime.objective.tiles import cut, tile_shape
from impasto.runtime.pictures.image import padded_size
from impasto.runtime.settings import Settings, shares, term_weights
from impasto.runtime.settings.settings import Optimizer, Quality

from .sizes import Size, Sizes, kept_sizes, scale_sizes, sized_by

QUALITIES: dict[Quality, tuple[float, float]] = {
    "draft": (0.25, 0.06),
    "normal": (1.0, 1.0),
    "high": (3.0, 3.0),
}
"""What each does to the schedule's iterations: at the COARSE coarsest scales, and at finer ones."""
COARSE = 3
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


def make_plan(manifest: Manifest, settings: Settings, sizes: Sizes, memory: int) -> Plan:
    """The scales up to the size that the settings say, each to fit into ``memory`` bytes.

    Raises:
        SettingError: a scale needs more memory, however it is done, or would be too thin.
    """
    given = {"content": sizes.content is not None, "style": bool(sizes.styles)}
    terms = manifest.objectives[settings.objective].terms
    plan = Plan(
        settings=settings,
        sizes=sizes,
        shares=shares(settings, sizes.region_of),
        weights=term_weights(terms, settings, **given),
        scales=(),
    )
    least = manifest.encoder.alignment
    found = scale_sizes(settings, sizes.shape, least, fixed=manifest.spectrogram is not None)
    pictures = sum(math.prod(size) for size in kept_sizes(settings, sizes, found[-1], least))
    held = FLOAT * (manifest.canvas.channels * pictures + _mask_pixels(settings, sizes, found[-1]))
    scales = [  # the finest first: what is refused is what was asked for
        _fit(
            _Needed(manifest, settings, found[place], len(sizes.regions)),
            _iterations(settings, place, len(found)),
            held,
            memory,
        )
        for place in reversed(range(len(found)))
    ]
    return replace(plan, scales=tuple(reversed(scales)))


def _iterations(settings: Settings, place: int, count: int) -> int:
    """At the scale of a place, from 0, the coarsest, of so many scales."""
    schedule = settings.schedule
    usual = schedule[min(place if count > 1 else 1, len(schedule) - 1)]
    coarse, fine = QUALITIES[settings.quality]
    usual = math.ceil((coarse if place < COARSE else fine) * usual)
    if settings.iterations is None:
        return usual
    return settings.iterations if place == count - 1 else min(usual, settings.iterations)


@dataclass(frozen=True)
class _Needed:
    """What a scale is to paint: all but how."""

    manifest: Manifest
    settings: Settings
    size: Size
    regions: int


def _fit(needed: _Needed, iterations: int, held: int, memory: int) -> Scale:
    """The first way that fits beside what the pictures hold; the least is said where none does."""
    least: Scale | None = None
    settings, size = needed.settings, needed.size
    for way in _ways(needed, iterations, memory - held):
        scale = replace(way, memory=way.memory + held)
        if scale.memory <= memory:
            return scale
        least = scale if least is None or scale.memory < least.memory else least
    assert least is not None  # a whole image is always a way
    raise SettingError(
        *sized_by(settings),
        f"{size[1]} x {size[0]} pixels need {show_bytes(least.memory)} more memory than the program"
        f" has, and {show_bytes(memory)} are free for it: choose a smaller one, or allow ",
        Field("memory", allowance(least.memory)),
    )


def _ways(needed: _Needed, iterations: int, room: int) -> Iterator[Scale]:
    """Ways to do a scale, the fastest first."""
    way, settings = _Ways(needed, iterations, room), needed.settings
    optimizers = list(_optimizers(needed.manifest, settings))
    for optimizer, history in optimizers:
        if optimizer == settings.optimizer:
            yield way.whole(optimizer, history)
    channels = needed.manifest.canvas.channels
    for least in (as_pixels(GOOD_TILE, channels), as_pixels(LEAST_TILE, channels)):
        for optimizer, history in optimizers:
            scale = way.tiled(optimizer, history, least)
            if scale is not None:
                yield scale


def _optimizers(manifest: Manifest, settings: Settings) -> Iterator[tuple[Optimizer, int]]:
    """L-BFGS with fewer and fewer pairs if it is wanted; Adam needs the least memory."""
    most = settings.history_size or manifest.optimizers.history_size
    if settings.optimizer == "lbfgs":
        for history in sorted({most, min(most, 5), min(most, 3)}, reverse=True):
            yield "lbfgs", history
    yield "adam", 0


class _Ways:
    """What a scale would need, one way or another."""

    def __init__(self, needed: _Needed, iterations: int, room: int) -> None:
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
        self._can_tile = manifest.encoder.tiled
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
        needed = self._state(optimizer, history) + TILE_GRAPHS
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

    def _state(self, optimizer: Optimizer, history: int) -> int:
        images = 2 * history + LBFGS_IMAGES if optimizer == "lbfgs" else ADAM_IMAGES
        images += AVERAGE_IMAGES * self._averages + self._composed
        return images * self._image


def _mask_pixels(settings: Settings, sizes: Sizes, finest: Size) -> int:
    """Of the regions' masks, and of the content's opacity, as a run keeps them."""
    styles = [mask for region in sizes.regions for mask in region.style_masks if mask]
    whole = len(sizes.regions) + (settings.alpha == "keep")
    return whole * math.prod(finest) + sum(map(math.prod, styles))


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
