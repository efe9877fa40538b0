"""Regions: parts of the content that are painted like styles of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.shapes import MOST_REGIONS
from impasto.runtime.errors import Field, ImageError, SettingError
from impasto.runtime.pictures.image import middle, picture_size, read_picture, resample
from impasto.runtime.pictures.sources import Source
from impasto.runtime.planning.sizes import RegionSizes, Size

from .packed import Packed, pack, unpack

Mask = NDArray[np.float32]
"""(height, width) in [0, 1]."""
EMPTY = 0.5 / 255
"""What no position of an empty mask is above: it is black in 8 bits."""


@dataclass(frozen=True, eq=False)
class Region:
    """A part of the content, and what it is painted like.

    Masks are pictures, as any other source: white is inside, black outside, gray in between. They
    are taken gray, and stretched to the size of what they belong to. Where those of several regions
    add up to more than 1 they share the place: each is divided by the sum.
    """

    mask: Source
    """Of the content."""
    style: Source | Sequence[Source]
    """One picture or several."""
    style_mask: Source | Sequence[Source | None] | None = None
    """Which part of each style counts; None: all of it."""


@dataclass(frozen=True, eq=False)
class Guide:
    """A region's sources, but for its styles: those are among all styles, one after another."""

    mask: Source | Packed | None
    """None: what the other regions leave."""
    styles: int
    style_masks: tuple[Source | Packed | None, ...]

    def packed(self) -> Guide:
        """The same for later: see ``pack``."""
        masks = tuple(None if mask is None else pack(mask) for mask in self.style_masks)
        return Guide(None if self.mask is None else pack(self.mask), self.styles, masks)

    def sizes(self, number: int, max_pixels: int, memory: int) -> RegionSizes:
        """From headers alone. ``number`` of the region, from 1.

        Raises:
            ImageError: a mask is no picture, or too large.
        """

        def size(mask: Source | Packed | None, name: str) -> Size | None:
            if mask is None:
                return None
            return picture_size(
                unpack(mask), name=name, max_pixels=max_pixels, memory=memory, least=(1, 1)
            )

        return RegionSizes(
            mask=size(self.mask, mask_name(number)),
            styles=self.styles,
            style_masks=tuple(size(m, style_mask_name(number)) for m in self.style_masks),
        )


def mask_name(number: int) -> str:
    """What errors call a mask that has no path."""
    return f"the mask of region {number}"


def style_mask_name(number: int) -> str:
    """What errors call a style's mask that has no path."""
    return f"the style's mask of region {number}"


def guides_of(
    regions: Sequence[Region], styles: Sequence[Source]
) -> tuple[tuple[Guide, ...], tuple[Source, ...]]:
    """Regions as they are painted, and all styles; ``styles`` besides are those of the rest.

    Raises:
        SettingError: there are too many, or a region has no style, or not a mask for each of them.
    """
    guides, found = [], []
    for number, region in enumerate(regions, start=1):
        own = _several(region.style)
        masks = _several(region.style_mask) if region.style_mask is not None else [None] * len(own)
        if not own or len(masks) != len(own):
            mend = f"region {number} has {len(own)} styles and {len(masks)} masks for them"
            raise SettingError("regions", number, f"{mend}: give a style, and as many masks")
        guides.append(Guide(_gray(region.mask), len(own), tuple(map(_gray, masks))))
        found += own
    if regions and styles:
        guides.append(Guide(None, len(styles), (None,) * len(styles)))
        found += styles
    if len(guides) > MOST_REGIONS:
        mend = f"give at most {MOST_REGIONS}, the rest of the picture among them if it has a style"
        raise SettingError("regions", len(guides), mend)
    return tuple(guides), tuple(found) if regions else tuple(styles)


def _several(source: Any) -> list[Any]:
    return list(source) if isinstance(source, list | tuple) else [source]


def _gray(mask: Any) -> Any:
    """An array of booleans is a mask, too."""
    is_bool = isinstance(mask, np.ndarray) and mask.dtype == np.bool_
    return mask.astype(np.float32) if is_bool else mask


def read_mask(
    packed: Source | Packed,
    name: str,
    size: Size,
    cover: Size,
    *,
    max_pixels: int,
    memory: int,
) -> Mask:
    """A mask at a size, cut from the middle of what ``cover`` is.

    Raises:
        ImageError: it is damaged, takes more memory, or is empty.
    """
    source = unpack(packed)
    if isinstance(source, str | os.PathLike):
        name = str(source)
    picture = read_picture(
        source, name=name, max_pixels=max_pixels, within=cover, memory=memory, least=(1, 1)
    )
    gray = picture.mean(2, keepdims=True)
    if gray.max() <= EMPTY:
        raise ImageError(f"{name} is black all over: paint white what is to be inside")
    mask = middle(resample(gray, *cover), *size)[:, :, 0].clip(0, 1)
    if mask.max() <= EMPTY:
        raise ImageError(
            f"{name} has nothing inside at {size[1]} x {size[0]} pixels: make it larger, or the ",
            Field("size"),
        )
    return np.ascontiguousarray(mask, np.float32)


def shared(masks: Sequence[Mask | None]) -> list[Mask]:
    """The regions' masks, at one size, so that no place counts for more than 1; see ``Region``.

    None is the rest.
    """
    total = sum((mask for mask in masks if mask is not None), np.float32(0))
    over = np.maximum(total, np.float32(1))
    rest = np.maximum(1 - total, 0)
    return [np.asarray(rest if mask is None else mask / over, np.float32) for mask in masks]
