"""What a picture's loss is made of, as the loop sees it when a run begins with that picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from impasto.runtime.planning.sizes import Size
from impasto.runtime.settings import RunKeywords
from impasto.runtime.settings.settings import MAX_SIDE, SIZES

ELSE = ("init", "init_noise", "quality", "iterations", "schedule", "min_size", "optimizer", "betas")
"""Settings of how a picture is found, not of what it is compared with."""


@dataclass(frozen=True)
class Evaluation:
    """Losses of a picture. ``loss`` is the sum of ``terms``, each times its weight."""

    size: tuple[int, int]
    """(height, width) at which it was compared."""
    loss: float
    terms: dict[str, float]
    """Those whose weight is not 0, not weighted."""
    weights: dict[str, float]


def settled(given: Mapping[str, Any], size: Size) -> RunKeywords:
    """What is given, for a run that begins with a picture of a size and has that one scale.

    Adam remembers least: there is room for a larger picture without tiles.
    """
    kept = {name: v for name, v in given.items() if name not in ELSE and v is not None}
    if not any(name in kept for name in SIZES):
        kept |= {"height": size[0], "width": size[1]}
    fixed = {"init_noise": 0.0, "min_size": MAX_SIDE, "iterations": 1, "optimizer": "adam"}
    return cast(RunKeywords, kept | fixed)
