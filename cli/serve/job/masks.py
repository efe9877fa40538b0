"""Masks: gray pictures that say where a term counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.runtime import ImageError

if TYPE_CHECKING:
    from .folder import JobFolder, Order

PREFIX = "mask."
FORMATS = ("PNG", "JPEG", "WEBP")
MOST = 100_000_000
"""Pixels."""


def read_masks(folder: JobFolder, order: Order) -> dict[str, NDArray[np.float32]] | None:
    """Those of an order by the name of the term's input: (height, width, 1), 0 to 1.

    Raises:
        ImageError: one is no picture.
    """
    names = [name for name in order.pictures if name.startswith(PREFIX)]
    if not names:
        return None
    found = {}
    for name in names:
        try:
            with Image.open(folder.picture(name), formats=FORMATS) as picture:
                if picture.width * picture.height > MOST:
                    raise ImageError(f"{order.pictures[name]}: a mask of too many pixels")
                gray = np.asarray(picture.convert("L"), np.float32) / np.float32(255)
        except ImageError:
            raise
        except Exception as error:  # Pillow raises what its parsers do
            raise ImageError(
                f"{order.pictures[name]} cannot be read as a mask ({error}): give a gray PNG"
            ) from None
        found[name.removeprefix(PREFIX)] = gray[:, :, None]
    return found
