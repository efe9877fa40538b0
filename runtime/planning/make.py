"""Plans, made of the Settings, the sizes of the pictures, the manifest and an amount of memory.

A pure function of these: no picture is decoded, nothing is asked of the machine.
"""

from __future__ import annotations

import math
from dataclasses import replace

from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.errors import Field, SettingError
from impasto.runtime.machine.memory import allowance, show_bytes
from impasto.runtime.settings import Settings, shares, term_weights
from impasto.runtime.settings.settings import Quality

from .plan import Plan, Scale
from .sizes import Size, Sizes, kept_sizes, scale_sizes, sized_by
from .ways import FLOAT, Needed, ways

QUALITIES: dict[Quality, tuple[float, float]] = {
    "draft": (0.25, 0.06),
    "normal": (1.0, 1.0),
    "high": (3.0, 3.0),
}
"""What each does to the schedule's iterations: at the COARSE coarsest scales, and at finer ones."""
COARSE = 3
CHEAPER = 4.0
"""Times, what an iteration costs at the next finer scale."""


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
            Needed(manifest, settings, found[place], len(sizes.regions)),
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
    usual = math.ceil(_share(settings.quality, place, count) * usual)
    if settings.iterations is None:
        return usual
    return settings.iterations if place == count - 1 else min(usual, settings.iterations)


def _share(quality: Quality, place: int, count: int) -> float:
    """Of the schedule's iterations, at a scale.

    Below the two finest ones a draft has as many more as they are cheaper, up to all: so a large
    one has the shapes and colors that it would have in full.
    """
    coarse, fine = QUALITIES[quality]
    more: float = min(1.0, fine * CHEAPER ** max(0, count - 2 - place))
    return max(coarse if place < COARSE else fine, more)


def _fit(needed: Needed, iterations: int, held: int, memory: int) -> Scale:
    """The first way that fits beside what the pictures hold; the least is said where none does."""
    least: Scale | None = None
    settings, size = needed.settings, needed.size
    for way in ways(needed, iterations, memory - held):
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


def _mask_pixels(settings: Settings, sizes: Sizes, finest: Size) -> int:
    """Of the regions' masks, and of the content's opacity, as a run keeps them."""
    styles = [mask for region in sizes.regions for mask in region.style_masks if mask]
    whole = len(sizes.regions) + (settings.alpha == "keep")
    return whole * math.prod(finest) + sum(map(math.prod, styles))
