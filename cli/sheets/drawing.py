"""Pillow's canvas and font, for what is drawn of pictures: a file that says how it was made."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from impasto.runtime import write_image

TEXT = 15
"""Pixels of a line's letters; a line takes LINE."""
LINE, MARGIN = 20, 12
JOINT = "\N{NO-BREAK SPACE}"
"""Between words of one line."""
INK, PALE, PAPER = "#202020", "#d8d8d8", "#ffffff"


class Drawing:
    """Pictures and lines of text on white."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self.image)

    def lines(self, left: int, top: int, lines: Sequence[str]) -> None:
        """Text, below and to the right of a point."""
        for number, line in enumerate(lines):
            self._draw.text((left, top + number * LINE), line, fill=INK, font=font())

    def right(self, right: int, top: int, line: str) -> None:
        """A line that ends at a point."""
        self._draw.text((right - width_of(line), top), line, fill=INK, font=font())

    def box(self, left: int, top: int, width: int, height: int, color: str = PALE) -> None:
        """A filled rectangle."""
        self._draw.rectangle((left, top, left + width - 1, top + height - 1), fill=color)

    def cropped(self, width: int, height: int) -> None:
        """Leave out what is beyond a size."""
        self.image = self.image.crop((0, 0, width, height))
        self._draw = ImageDraw.Draw(self.image)


class Sheet:
    """A drawing and its texts, saved as a result is."""

    def __init__(self, image: Image.Image, texts: Mapping[str, str]) -> None:
        self._image = image
        self._texts = {"Software": f"impasto {metadata.version('impasto')}", **texts}

    def save(
        self,
        target: Any,
        *,
        format: str | None = None,
        depth: int | None = None,
        jpeg_quality: int | None = None,
        metadata: bool = True,
        overwrite: bool = False,
    ) -> None:
        """See ``Result.save``."""
        write_image(
            np.asarray(self._image),
            target,
            overwrite=overwrite,
            parameters=self._texts if metadata else {},
            format=format,
            depth=depth,
            jpeg_quality=jpeg_quality,
        )


def font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own."""
    global _font
    _font = _font or ImageFont.load_default(TEXT)
    return _font


_font: ImageFont.FreeTypeFont | ImageFont.ImageFont | None = None


def width_of(line: str) -> int:
    """Pixels of a line."""
    return round(font().getlength(line))


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of at most so many pixels, none broken at a JOINT."""
    letters = max(4, width * 9 // (TEXT * 4))
    while True:
        found = textwrap.wrap(text, letters, break_on_hyphens=False)
        if letters == 4 or all(width_of(line) <= width for line in found):
            return [line.replace(JOINT, " ") for line in found]
        letters -= 1
