"""The comparison as a picture: pictures side by side, and under each its losses as bars."""

from __future__ import annotations

import os
from collections.abc import Sequence

from PIL import Image

from impasto.runtime import read_picture

from .drawing import LINE, MARGIN, Drawing, Sheet, width_of, wrapped

Row = tuple[str, float | None, list[float]]
WIDTHS = 200, 512
"""Pixels that a picture is drawn wide at least, and at most."""
BAR = 12


def chart(
    pictures: Sequence[str], letters: str, rows: Sequence[Row], size: tuple[int, int]
) -> Sheet:
    """Bars are as long as values, of each row's largest."""
    wide = min(max(WIDTHS[0], size[1]), WIDTHS[1])
    tall = max(1, round(size[0] * wide / size[1]))
    heads = [
        wrapped(f"{letter}  {os.path.basename(picture)}", wide)
        for letter, picture in zip(letters, pictures, strict=False)
    ]
    names = [_name(row) for row in rows]
    left = MARGIN + max(map(width_of, names)) + MARGIN
    top = MARGIN + tall + LINE // 4 + max(map(len, heads)) * LINE + MARGIN
    step = wide + MARGIN
    note = f"at {size[1]} x {size[0]} pixels; bars: of each line's largest"
    drawing = Drawing(
        max(left + len(pictures) * step, MARGIN + width_of(note) + MARGIN),
        top + len(rows) * LINE + LINE // 2 + LINE + MARGIN,
    )
    for column, (picture, head) in enumerate(zip(pictures, heads, strict=True)):
        at = left + column * step
        drawing.image.paste(_small(picture, tall, wide), (at, MARGIN))
        drawing.lines(at, MARGIN + tall + LINE // 4, head)
    reserved = max(width_of(_value(value)) for _, _, values in rows for value in values) + MARGIN
    for number, (name, (_, _, values)) in enumerate(zip(names, rows, strict=True)):
        line = top + number * LINE
        drawing.lines(MARGIN, line, [name])
        largest = max(values)
        for column, value in enumerate(values):
            at = left + column * step
            length = round((wide - reserved) * value / largest) if largest > 0 else 0
            if length:
                drawing.box(at, line + (LINE - BAR) // 2, length, BAR)
            drawing.right(at + wide, line, _value(value))
    drawing.lines(MARGIN, top + len(rows) * LINE + LINE // 2, [note])
    return Sheet(drawing.image, {})


def _small(picture: str, height: int, width: int) -> Image.Image:
    pixels = read_picture(picture, within=(height, width))
    image = Image.fromarray((pixels * 255).round().astype("uint8"))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _name(row: Row) -> str:
    name, weight, _ = row
    return name if weight is None else f"{name}  x {weight:g}"


def _value(value: float) -> str:
    return f"{value:.4g}"
