"""Sizes, in pixels: of the scales, and of the pictures at each of them. Proportions are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

from impasto.runtime.errors import SettingError
from impasto.runtime.settings import Settings
from impasto.runtime.settings.settings import MAX_SIDE

Size = tuple[int, int]
"""(height, width)."""

MOST = 64
"""Times the pixels of a size that a thin style may have there."""


@dataclass(frozen=True, kw_only=True)
class RegionSizes:
    """Of a region's masks, and how many of the styles are its own."""

    mask: Size | None
    """None: it is what the other regions leave."""
    styles: int
    style_masks: tuple[Size | None, ...]
    """One for each of its styles."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """(height, width) of the pictures that were given, upright."""

    content: Size | None = None
    styles: tuple[Size, ...] = ()
    image: Size | None = None
    """Of a first image of the user's."""
    regions: tuple[RegionSizes, ...] = ()
    """Their styles follow one another in ``styles``; none: the styles are the whole picture's."""

    @property
    def region_of(self) -> tuple[int, ...]:
        """The number of each style's region, from 0."""
        if not self.regions:
            return (0,) * len(self.styles)
        return tuple(k for k, region in enumerate(self.regions) for _ in range(region.styles))

    @property
    def shape(self) -> Size:
        """Whose proportions the result has: the content's, else the first style's."""
        return self.styles[0] if self.content is None else self.content


def result_size(settings: Settings, shape: Size) -> Size:
    """Of the result: of the proportions of ``shape``, unless both sides are given."""
    height, width = settings.height, settings.width
    if height and width:
        return height, width
    if width:
        return max(1, round(shape[0] * width / shape[1])), width
    if height:
        return height, max(1, round(shape[1] * height / shape[0]))
    if settings.megapixels:
        factor = math.sqrt(settings.megapixels * 1e6 / math.prod(shape))
        return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))
    if isinstance(settings.size, int):
        return scaled(shape, settings.size)
    return shape


def is_cropped(settings: Settings) -> bool:
    """Whether the content is: both sides are given, and it is not stretched."""
    return settings.width is not None and settings.height is not None


def sized_by(settings: Settings) -> tuple[str, int | float | str]:
    """The field that says how large the result is, and its value."""
    for name in ("width", "height", "megapixels"):
        value = getattr(settings, name)
        if value is not None:
            return name, value
    return "size", settings.size or "original"


def scale_sizes(settings: Settings, shape: Size, least: Size, fixed: bool = False) -> list[Size]:
    """Of the scales, the coarsest first, none with a side below ``least``.

    ``fixed``: there is one alone, of the shape itself, as sounds have it.

    Raises:
        SettingError: the finest would be too thin, or too large.
    """
    if fixed:
        return [shape]
    finest = result_size(settings, shape)
    if _is_thin(finest, least):
        raise _too_thin(settings, shape, least)
    if max(finest) > MAX_SIDE:
        name, value = sized_by(settings)
        height, width = finest
        mend = f"{width} x {height} pixels are more than {MAX_SIDE} a side: choose less"
        raise SettingError(name, value, mend)
    proportions, side, found = finest if is_cropped(settings) else shape, max(finest), [finest]
    while side // 2 >= settings.min_size:
        side //= 2
        found.append(scaled(proportions, side))
    return [size for size in reversed(found) if not _is_thin(size, least)]


def _too_thin(settings: Settings, shape: Size, least: Size) -> SettingError:
    """With what would do."""
    name, value = sized_by(settings)
    if is_cropped(settings):
        axis = 0 if (settings.height or 0) < least[0] else 1
        name = ("height", "width")[axis]
        return SettingError(name, getattr(settings, name), f"give {least[axis]} or more")
    short = [(n - 1) * max(shape) // own for n, own in zip(least, shape, strict=True)]
    side = max(*result_size(settings, shape), *short) + 1
    while _is_thin(scaled(shape, side), least):
        side += 1
    height, width = scaled(shape, side)
    millions = math.ceil(height * width / 1e3) / 1e3
    needed = {"size": side, "width": width, "height": height, "megapixels": millions}[name]
    return SettingError(
        name,
        value,
        f"a picture of {shape[1]} x {shape[0]} would be too thin: give {needed} or more, or "
        "crop it",
    )


def cover_size(shape: Size, size: Size) -> Size:
    """The least one of the proportions of ``shape`` from which ``size`` can be cut."""
    factor = max(size[0] / shape[0], size[1] / shape[1])
    return max(size[0], round(shape[0] * factor)), max(size[1], round(shape[1] * factor))


def scaled(shape: Size, side: int) -> Size:
    """Of the proportions of ``shape``, the longer side as given."""
    factor = side / max(shape)
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def style_size(shape: Size, size: Size, least: Size, scale: float | None = None) -> Size:
    """Of a style: its proportions, with ``scale`` times the sides of a square of ``size`` pixels.

    None: 1, but no larger than it is. At least what ``least`` takes.

    Raises:
        SettingError: it is so thin that it would have MOST times as many pixels.
    """
    area = math.sqrt(math.prod(size) / math.prod(shape))
    wanted = min(area, 1.0) if scale is None else scale * area
    factor = max(wanted, *(n / side for n, side in zip(least, shape, strict=True)))
    if factor > max(area, wanted) * math.sqrt(MOST) and shape[0] > 1:  # of a sound no frame goes
        raise SettingError(
            "style", f"{shape[1]} x {shape[0]}", "too long and thin for this size: crop it"
        )
    height, width = (max(n, round(side * factor)) for n, side in zip(least, shape, strict=True))
    return height, width


def style_sizes(settings: Settings, sizes: Sizes, size: Size, least: Size) -> list[Size]:
    """Of all styles, for an image of a size; see ``style_size``."""
    return [style_size(shape, size, least, settings.style_scale) for shape in sizes.styles]


def kept_sizes(settings: Settings, sizes: Sizes, finest: Size, least: Size) -> list[Size]:
    """Of content, first image and styles, as a run keeps them: no larger than the finest needs."""
    styles = style_sizes(settings, sizes, finest, least)
    own = [size for size in (sizes.content, sizes.image) if size]
    kept = [finest if is_cropped(settings) else min(size, finest, key=math.prod) for size in own]
    return kept + [
        min(size, most, key=math.prod) for size, most in zip(sizes.styles, styles, strict=True)
    ]


def _is_thin(size: Size, least: Size) -> bool:
    return any(side < n for side, n in zip(size, least, strict=True))
