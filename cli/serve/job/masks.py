"""Masks: gray pictures that say where a term counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from impasto.runtime import read_picture

if TYPE_CHECKING:
    from .folder import JobFolder, Order

PREFIX = "mask."


def read_masks(folder: JobFolder, order: Order) -> dict[str, NDArray[np.float32]] | None:
    """Those of an order by the name of the term's input: (height, width, 1), 0 to 1.

    Raises:
        ImageError: one is no picture.
    """
    found = {}
    for name, called in order.pictures.items():
        if name.startswith(PREFIX):
            picture = read_picture(folder.picture(name).read_bytes(), name=called, least=(1, 1))
            found[name.removeprefix(PREFIX)] = picture.mean(2, keepdims=True)
    return found or None
