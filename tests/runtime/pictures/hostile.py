"""Pictures that nobody should have to open: those of a folder, or of every format, and damaged."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.image import picture_size, read_picture

WORDS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Numbers at which parsers count wrongly."""
MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "MPO": ("RGB",),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "LAB", "YCbCr"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "GIF": ("L", "P"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "AVIF": ("RGB", "RGBA"),
}
OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "JPEG": ({}, {"progressive": True}),
    "WEBP": ({}, {"lossless": True}),
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}),
    "MPO": ({"save_all": True, "append_images": [Image.new("RGB", (20, 20))]},),
}


def pictures() -> dict[str, bytes]:
    """A file of every format and mode that Pillow writes, by a name that says which."""
    noise = np.random.default_rng(8).integers(0, 256, (33, 41, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    found = {}
    for kind, modes in MODES.items():
        for mode in modes:
            source = Image.fromarray(noise).convert("L" if mode in {"I;16", "F"} else "RGB")
            for number, options in enumerate(OPTIONS.get(kind, ({},))):
                file = io.BytesIO()
                extra = {"exif": exif} if kind in {"PNG", "JPEG", "WEBP", "AVIF"} else {}
                image = _converted(source, mode)
                image.save(file, kind, **options, **extra)
                found[f"{kind} {mode} {number}"] = file.getvalue()
    return found


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        return Image.merge("LAB", image.split())
    if mode == "F":
        return Image.fromarray(np.asarray(image, np.float32) / 255)
    return image.convert(mode)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Bytes changed, numbers set to extremes, pieces cut out, repeated or moved."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        near = chance.choice((64, 512, len(data)))
        place = chance.randrange(min(near, len(data)))
        kind = chance.randrange(6)
        if kind <= 1:
            data[place] = chance.randrange(256)
        elif kind == 2:
            width = chance.choice((1, 2, 4))
            word = chance.choice(WORDS) & ((1 << 8 * width) - 1)
            data[place : place + width] = word.to_bytes(width, chance.choice(("big", "little")))
        elif kind == 3:
            del data[place : place + chance.randrange(1, 20)]
        elif kind == 4:
            data[place:place] = data[place : place + chance.randrange(1, 200)]
        else:
            del data[chance.randrange(len(data) // 2, len(data)) :]
    return bytes(data)


def mutations(files: dict[str, bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many, of each file in turn."""
    chance = random.Random(seed)
    names = sorted(files)
    for number in range(count):
        name = names[number % len(names)]
        yield f"{name}, mutation {number}", damaged(files[name], chance)


def verdict(content: bytes, memory: int = 500_000_000) -> str:
    """``read``, or the sentence that says why not; whatever else happens is raised."""
    try:
        size = picture_size(content, max_pixels=4_000_000)
        within = (min(size[0], 48), min(size[1], 64))
        picture = read_picture(content, max_pixels=4_000_000, memory=memory)
        reduced = read_picture(content, max_pixels=4_000_000, memory=memory, within=within)
    except ImageError as error:
        return str(error)
    assert picture.shape == (*size, 3)
    assert picture.dtype == reduced.dtype == np.float32
    assert reduced.shape == (*within, 3)
    assert 0 <= picture.min() <= picture.max() <= 1
    assert 0 <= reduced.min() <= reduced.max() <= 1
    return "read"
