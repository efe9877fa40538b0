"""The picture of how time and memory grow."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from PIL import Image
from settings import IMPASTO, PYTORCH

LOOKS = {IMPASTO: ("#0072B2", "o"), PYTORCH: ("#D55E00", "s")}
"""Colour and marker; Okabe and Ito's colours, which the colour-blind can tell apart."""


COLOURS = 32
TILED = "tiles"


@dataclass(frozen=True)
class Point:
    """What a step took at one size; memory in bytes."""

    who: str
    pixels: int
    seconds: float
    peak: int
    how: str


PANELS: dict[str, Callable[[Point], float]] = {
    "seconds a step": lambda point: point.seconds,
    "peak memory, GB": lambda point: point.peak / 1e9,
}


def draw(points: Sequence[Point], path: Path) -> None:
    """Two log-log panels against megapixels, as a small PNG."""
    mpl.use("Agg")
    from matplotlib import pyplot, ticker

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for axes, (label, value) in zip(panels, PANELS.items(), strict=True):
        for who, (colour, marker) in LOOKS.items():
            own = [point for point in points if point.who == who]
            across = [point.pixels / 1e6 for point in own]
            axes.loglog(across, [*map(value, own)], color=colour, marker=marker, label=who)
            if tiled := [point for point in own if point.how.startswith(TILED)]:
                across = [point.pixels / 1e6 for point in tiled]
                hollow = {"color": colour, "marker": marker, "mfc": "white", "linestyle": "none"}
                axes.loglog(across, [*map(value, tiled)], label=f"{who}, in tiles", **hollow)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
        axes.set(xlabel="megapixels", ylabel=label)
        axes.grid(color="#dddddd")
        axes.legend(frameon=False)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=110)
    pyplot.close(figure)
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(path, optimize=True)
