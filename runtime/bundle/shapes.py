"""Shapes of what graphs take and give, fixed when a size and a number of regions are known."""

from __future__ import annotations

REGIONS = "regions"
"""The side of a shape that is the number of regions, fixed when a graph is opened."""
MOST_REGIONS = 8

Pair = tuple[int, int]
"""Along rows and columns: down and across."""
Shape = tuple[int | str, ...]
"""Of a graph's input or output: numbers, ``regions``, or ``height``, ``width``, ``height/8`` ..."""


def fix(shape: Shape, height: int, width: int, regions: int = 1) -> tuple[int, ...]:
    """A shape at a picture size, with so many regions."""
    return tuple(fix_side(side, height, width, regions) for side in shape)


def fix_side(side: int | str, height: int, width: int, regions: int = 1) -> int:
    """``height/8`` at a picture size; ``regions``."""
    if isinstance(side, int):
        return side
    name, _, stride = side.partition("/")
    return {"height": height, "width": width, REGIONS: regions}[name] // int(stride or 1)
