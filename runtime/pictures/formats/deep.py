"""Pictures of more than 8 bits a channel, with all of their bits.

Pillow has no mode for colour of 16 bits and keeps the high bytes. So such a file is decoded twice:
the second time Pillow is told the other byte order, and keeps what are the low bytes.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.shapes import BAND

from .profiles import by_lcms, by_numbers
from .stored import Stored, decoding, load, opaque, raw_mode, unit, unless_broken
from .tiff import BITS, INVERTED, PHOTOMETRIC

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

DEEP = {"I;16", "I;16B", "I;16L", "I;16N", "I", "F"}
"""Pillow's modes of one channel with more than 8 bits."""
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_NATIVE = {"F;32F": "F;32NF", "F;32BF": "F;32NF", "I;32S": "I;32NS", "I;32BS": "I;32NS"}
"""What libtiff decompresses has the machine's byte order; Pillow minds that for 16 bits alone."""


def is_deep(image: Image.Image) -> bool:
    """Tell if ``image``, not yet loaded, has more in its file than 8 bits, or another white."""
    return image.mode in DEEP or raw_mode(image)[1] is not None or is_colour(image)


def is_colour(image: Image.Image) -> bool:
    """Tell if ``image``, not yet loaded, has several channels of 16 bits in its file."""
    raw, white = raw_mode(image)
    deep = raw.endswith((";16B", ";16L", ";16N"))  # but not BGR;16, two bytes a pixel
    return image.mode in {"RGB", "RGBA"} and (deep or (white or 0) > 255)


class Deep(Stored):
    """``other`` is the same picture, opened again, where there are several channels."""

    def __init__(self, image: Image.Image, name: str, other: Image.Image | None) -> None:
        super().__init__(image, name)
        self.other = other
        raw = self.raw_mode
        self._has_alpha = image.mode == "RGBA"
        self._premultiplied = raw.startswith("RGBa")
        self._packed = raw.startswith("LA;16")  # four bytes, as in RGBA, are two samples
        self._white, self._inverted = _white(image, self.raw_white), _is_inverted(image)
        if self.raw_white:  # a PPM that Pillow would scale, a sample at a time
            raw = "I;16B" if image.mode == "I" else "RGB;16B" if self.raw_white > 255 else raw
        if _codec(image) == "libtiff" and raw in _NATIVE:
            _decode_as(image, _NATIVE[raw])
        elif self._packed:
            _decode_as(image, "RGBA")
            self.other = None
        elif other is not None:
            high = raw.replace("RGBa", "RGBA")
            _decode_as(image, high)
            _decode_as(other, high[:-1] + _SWAPPED[high[-1]])
        elif self.raw_white:
            _decode_as(image, raw)
        self._key = self.key(65535)

    @property
    def decoding(self) -> int:
        """As in ``Stored``."""
        return super().decoding + (decoding(self.other) if self.other is not None else 0)

    def load(self) -> None:
        """As in ``Stored``."""
        if self.other is not None:
            load(self.other)
        super().load()

    def prepare(self) -> None:
        """Choose what takes the samples to sRGB, and look at their range."""
        self._lcms: Callable[[Image.Image], Image.Image] | None = None
        self._exact: Callable[[NDArray[np.uint16]], NDArray[np.float32]] | None = None
        if self.image.mode in {"I", "F"} and not self.raw_white:
            self._check_range()
        elif profile := self.profile:
            mode = "L" if self._packed or self.image.mode in DEEP else "RGB"
            self._lcms = unless_broken(lambda: by_lcms(profile, mode), None)
            if self._lcms:
                self._exact = unless_broken(lambda: by_numbers(profile, len(mode)), None)

    def layers(
        self, box: tuple[int, int, int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """As in ``Stored``."""
        samples = self._samples(box)
        alpha = None
        if self._has_alpha:
            alpha = unit(samples[:, :, -1], self._white)
            samples = samples[:, :, :-1]
        elif self._key:
            alpha = opaque(samples, self._key)
        if self._premultiplied and alpha is not None:
            straight = samples / np.maximum(alpha, 1 / self._white)
            samples = np.rint(straight).clip(0, self._white).astype(np.uint16)
        return self._colour(samples), alpha

    def _samples(self, box: tuple[int, int, int, int]) -> NDArray[Any]:
        """(rows, width, channels) as they are in the file, but 0 is black."""
        samples: NDArray[Any] = np.asarray(self.image.crop(box))
        if self._packed:
            samples = np.ascontiguousarray(samples).view(">u2").astype(np.uint16)
        elif self.other is not None:
            samples = samples.astype(np.uint16) << 8 | np.asarray(self.other.crop(box))
        if samples.ndim == 2:
            samples = samples[:, :, None]
        if self._inverted:
            samples = self._white - samples
        return samples

    def _colour(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        if self._lcms is None:
            return np.minimum(unit(samples, self._white), 1)
        full = samples if self._white == 65535 else samples * (65535 / self._white)
        if self._exact:
            return self._exact(np.rint(full).astype(np.uint16))
        eight = np.rint(full / 257).astype(np.uint8)  # a profile of tables: lcms has 8 bits
        image = Image.fromarray(eight if eight.shape[2] == 3 else eight[:, :, 0])
        return unit(np.asarray(self._lcms(image)), 255)

    def _check_range(self) -> None:
        lows, highs = [], []
        step = max(1, BAND // 8 // self.width)
        for top in range(0, self.height, step):
            samples = self._samples((0, top, self.width, min(top + step, self.height)))
            lows.append(samples.min())
            highs.append(samples.max())
        low, high = np.min(lows), np.max(highs)
        if not 0 <= low <= high <= self._white:  # false for NaN too
            raise ImageError(
                f"{self.name} has samples from {low:g} to {high:g} where 0 to {self._white} is "
                "expected; save it with 8 or 16 bits a channel"
            )


def _white(image: Image.Image, stated: int | None) -> int:
    if image.mode == "F":
        return 1
    if isinstance(image, TiffImageFile) and image.mode.startswith("I;16"):
        return int((1 << max(image.tag_v2.get(BITS, (16,)))) - 1)
    return stated or 65535


def _is_inverted(image: Image.Image) -> bool:
    if not isinstance(image, TiffImageFile) or image.mode not in DEEP:
        return False
    return bool(image.info.get(INVERTED)) or image.tag_v2.get(PHOTOMETRIC) == 0


def _codec(image: Image.Image) -> str:
    tiles = getattr(image, "tile", None)
    return str(tiles[0].codec_name) if tiles else ""


def _decode_as(image: Image.Image, raw: str) -> None:
    """Have the samples of ``image`` unpacked as Pillow's mode ``raw`` says."""
    tiles = []
    for tile in image.tile:  # type: ignore[attr-defined]
        if tile.codec_name == "ppm":
            tiles.append(tile._replace(codec_name="raw", args=raw))
            continue
        rest = tile.args[1:] if isinstance(tile.args, tuple) else ()
        tiles.append(tile._replace(args=(raw, *rest) if rest else raw))
    image.tile = tiles  # type: ignore[attr-defined]
