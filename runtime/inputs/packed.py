"""Pictures that wait: what has pixels in memory is compressed, and comes back as it was."""

from __future__ import annotations

import pickle
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from impasto.runtime.pictures.sources import Source


@dataclass(frozen=True)
class Packed:
    """An array or a Pillow image, compressed."""

    data: bytes


def pack(source: Source | Packed) -> Source | Packed:
    """``source`` in little memory: a path and the bytes of a file as they are."""
    if isinstance(source, Image.Image):
        source = _file(source) or source.copy()  # a copy, for files' own classes are not pickled
    if isinstance(source, np.ndarray | Image.Image):
        return Packed(zlib.compress(pickle.dumps(source, protocol=5), level=1))
    return bytes(source) if isinstance(source, bytearray | memoryview) else source


def unpack(source: Source | Packed) -> Source:
    """What ``pack`` was given."""
    if isinstance(source, Packed):
        found: Source = pickle.loads(zlib.decompress(source.data))
        return found
    return source


def _file(image: Image.Image) -> bytes | None:
    """The bytes of the file that an image comes from, if it is not loaded yet."""
    file: Any = getattr(image, "fp", None)
    if file is None or not getattr(image, "tile", None) or image.tell():
        return None
    place = file.tell()
    file.seek(0)
    data: bytes = file.read()
    file.seek(place)
    return data
