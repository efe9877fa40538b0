"""Contact sheets: a row for each pair; photograph, style, and what was painted."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from pairs import Pair
from PIL import Image, ImageDraw, ImageFont

CELL, MARGIN, TEXT = 256, 6, 14
HEADS = ("photograph", "style")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def sheet(rows: Sequence[tuple[str, Sequence[tuple[str, Path | None]]]]) -> Image.Image:
    """Rows have a name, and pictures with labels; one that is missing leaves a gap."""
    wide, tall = CELL + MARGIN, CELL + MARGIN + 2 * TEXT
    columns = max((len(cells) for _, cells in rows), default=0)
    whole = Image.new("RGB", (columns * wide + MARGIN, len(rows) * tall + MARGIN), "white")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(TEXT - 2)
    for row, (name, cells) in enumerate(rows):
        top = MARGIN + row * tall
        for column, (label, path) in enumerate(cells):
            left = MARGIN + column * wide
            text = f"{name}: {label}" if column == 0 else label
            draw.text((left, top), text, fill="black", font=font)
            if path:
                with Image.open(path) as image:
                    small = image.convert("RGB")
                small.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
                whole.paste(small, (left, top + TEXT + MARGIN // 2))
    return whole


def save(whole: Image.Image, path: Path) -> None:
    """As JPEG, or as a PNG of 256 colors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        whole.quantize(dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    else:
        whole.save(path, "JPEG", quality=85)


def labelled(pairs: Sequence[Pair], folders: Mapping[str, Path]) -> Image.Image:
    """Every column under its name."""
    return sheet([(pair.name, [*_given(pair), *_painted(pair, folders)]) for pair in pairs])


def blind(
    pairs: Sequence[Pair], folders: Mapping[str, Path], seed: int
) -> tuple[Image.Image, dict[str, dict[str, str]]]:
    """Every row in an order of its own under letters; and who they are, by pair."""
    order, rows, key = random.Random(seed), [], {}
    for pair in pairs:
        painted = [(name, path) for name, path in _painted(pair, folders) if path]
        order.shuffle(painted)
        key[pair.name] = {LETTERS[place]: name for place, (name, _) in enumerate(painted)}
        letters = [(LETTERS[place], path) for place, (_, path) in enumerate(painted)]
        rows.append((pair.name, [*_given(pair), *letters]))
    return sheet(rows), key


def _given(pair: Pair) -> list[tuple[str, Path | None]]:
    return list(zip(HEADS, (pair.photograph, pair.painting), strict=True))


def _painted(pair: Pair, folders: Mapping[str, Path]) -> list[tuple[str, Path | None]]:
    return [(name, pair.painted(folder)) for name, folder in folders.items()]
