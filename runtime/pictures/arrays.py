"""Arrays that somebody gives instead of a picture's file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.errors import ImageError

from .formats.stored import Shown, unit


def check_values(
    source: object, name: str, channels: int, low: float, high: float, least: tuple[int, int]
) -> NDArray[np.float32]:
    """What fills a canvas that is no picture's: an array (height, width, channels) of floats.

    Raises ImageError for another kind, shape or range, or a side below ``least``.
    """
    if not isinstance(source, np.ndarray) or source.dtype.kind != "f" or source.ndim != 3:
        raise ImageError(
            f"{name} is no array of floats; give one, (height, width, {channels}), for this canvas"
        )
    if source.shape[2] != channels or source.shape[0] < least[0] or source.shape[1] < least[1]:
        raise ImageError(
            f"{name} has shape {source.shape}; give (height, width, {channels}), at least "
            f"{least[0]} x {least[1]}"
        )
    if not low <= source.min() <= source.max() <= high:  # false for NaN too
        raise ImageError(
            f"{name} holds {source.min():g} to {source.max():g}; give {low:g} to {high:g}"
        )
    return source.astype(np.float32)


@dataclass
class Given:
    """An array that somebody gave, as ``Stored`` is a file."""

    array: NDArray[Any]
    name: str
    orientation = 1
    decoding = 0
    shown: Shown = "white"
    """As in ``Stored``: it is opaque."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    def __post_init__(self) -> None:
        array = self.array
        if array.ndim not in {2, 3} or array.shape[2:] not in {(), (3,)}:
            raise ImageError(f"{self.name} has shape {array.shape}; give (height, width, 3) as RGB")
        if array.dtype != np.uint8 and array.dtype.kind != "f":
            raise ImageError(f"{self.name} holds {array.dtype}; give uint8, or floats from 0 to 1")
        self.height, self.width = self.extent = array.shape[:2]

    def reduce(self, height: int, width: int) -> None:
        """As in ``Stored``: there is nothing to decode."""

    def load(self) -> None:
        """As in ``Stored``: see whether its values are in range."""
        array = self.array
        self._white = 255 if array.dtype == np.uint8 else 1
        low, high = array.min(), array.max()
        if not 0 <= low <= high <= self._white:  # false for NaN too
            raise ImageError(
                f"{self.name} holds {low:g} to {high:g}; give floats from 0 to 1, or uint8"
            )

    def rows(self, top: int, bottom: int) -> NDArray[np.float32]:
        """As in ``Stored``."""
        found = unit(self.array[top:bottom], self._white)
        return np.ones_like(found) if self.shown == "opacity" else found
