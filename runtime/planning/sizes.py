"""Sizes, in pixels: of the scales, and of the pictures at each of them. Proportions are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

from impasto.runtime.errors import SettingError
from impasto.runtime.settings import Settings

Size = tuple[int, int]
"""(height, width)."""

MOST = 64
"""Times the pixels of a size that a thin style may have there."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """(height, width) of the pictures that were given, upright."""

    content: Size | None = None
    styles: tuple[Size, ...] = ()
    image: Size | None = None
    """Of a first image of the user's."""

    @property
    def shape(self) -> Size:
        """Whose proportions the result has: the content's, else the first style's."""
        return self.styles[0] if self.content is None else self.content


def scale_sizes(settings: Settings, shape: Size, least: Size) -> list[Size]:
    """Of the scales, the coarsest first, none with a side below ``least``.

    Raises:
        SettingError: the finest would be too thin.
    """
    sides = [settings.size]
    while sides[-1] // 2 >= settings.min_size:
        sides.append(sides[-1] // 2)
    found = [scaled(shape, side) for side in sides]
    if _is_thin(found[0], least):
        needed = settings.size + 1
        while _is_thin(scaled(shape, needed), least):
            needed += 1
        raise SettingError(
            "size",
            settings.size,
            f"a picture of {shape[1]} x {shape[0]} would be too thin: give {needed} or more, or "
            "crop it",
        )
    return [size for size in reversed(found) if not _is_thin(size, least)]


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
    if factor > max(area, wanted) * math.sqrt(MOST):
        raise SettingError(
            "style", f"{shape[1]} x {shape[0]}", "too long and thin for this size: crop it"
        )
    height, width = (max(n, round(side * factor)) for n, side in zip(least, shape, strict=True))
    return height, width


def style_sizes(settings: Settings, sizes: Sizes, size: Size, least: Size) -> list[Size]:
    """Of all styles, for an image of a size; see ``style_size``."""
    return [style_size(shape, size, least, settings.style_scale) for shape in sizes.styles]


def kept_sizes(settings: Settings, sizes: Sizes, finest: Size, least: Size) -> list[Size]:
    """Of content, styles and first image, as a run keeps them: no larger than the finest needs."""
    styles = style_sizes(settings, sizes, finest, least)
    wanted = [
        *([(sizes.content, finest)] if sizes.content else []),
        *zip(sizes.styles, styles, strict=True),
        *([(sizes.image, finest)] if sizes.image else []),
    ]
    return [min(size, most, key=math.prod) for size, most in wanted]


def _is_thin(size: Size, least: Size) -> bool:
    return any(side < n for side, n in zip(size, least, strict=True))
