"""Masks: gray pictures that say where a style is painted, or where a term counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from impasto.runtime import Region, read_picture

if TYPE_CHECKING:
    from .folder import JobFolder, Order

PREFIX = "mask."


@dataclass(frozen=True)
class Guided:
    """An order's styles: those that have a mask are of a region, the others of the rest."""

    regions: list[Region]
    styles: list[Path]
    order: list[int]
    """Of all styles as they were sent: those of regions first."""


def read_regions(folder: JobFolder, order: Order) -> Guided:
    """``mask.style_1`` is where ``style_1`` is painted."""
    styles = folder.styles(order)
    masks = {k: f"{PREFIX}style_{k + 1}" for k in range(len(styles))}
    guided = [k for k, name in masks.items() if name in order.pictures]
    others = [k for k in masks if k not in guided]
    return Guided(
        [Region(folder.picture(masks[k]), styles[k]) for k in guided],
        [styles[k] for k in others],
        guided + others,
    )


def read_masks(folder: JobFolder, order: Order) -> dict[str, NDArray[np.float32]] | None:
    """Those of an order by the name of the term's input: (height, width, 1), 0 to 1.

    Raises:
        ImageError: one is no picture.
    """
    found = {}
    for name, called in order.pictures.items():
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in order.pictures:
            picture = read_picture(folder.picture(name).read_bytes(), name=called, least=(1, 1))
            found[name.removeprefix(PREFIX)] = picture.mean(2, keepdims=True)
    return found or None
