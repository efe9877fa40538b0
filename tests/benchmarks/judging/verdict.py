"""All measures of a picture of a pair."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from pathlib import Path

import features
import measures
import numpy as np
from measures import Gaussian
from pairs import Pair
from PIL import Image

SIZES = (1, 2, 4)
"""Full, half and quarter."""


@dataclass(frozen=True)
class Verdict:
    """Content is better the nearer to 1; of the rest style and worst the smaller; grain near 1."""

    style: float
    worst: float
    content: float
    grain: float
    grain_flat: float
    clipped: float


MEASURES = tuple(field.name for field in fields(Verdict))


def mean(verdicts: list[Verdict]) -> Verdict:
    """Geometric where a measure is a ratio, else arithmetic."""
    columns = dict(zip(MEASURES, zip(*map(astuple, verdicts), strict=True), strict=True))
    plain = ("content", "clipped")
    return Verdict(
        **{
            name: float(np.mean(values)) if name in plain else measures.geometric(values)
            for name, values in columns.items()
        }
    )


class Judge:
    """Of pictures of one pair: what does not depend on them is found once."""

    def __init__(self, pair: Pair) -> None:
        if not (pair.photograph.is_file() and pair.painting.is_file()):
            raise SystemExit(f"judge: {pair.name} has no pictures yet: run fetch.py")
        self._photograph, self._painting = read(pair.photograph), read(pair.painting)
        self._maps = features.maps(self._photograph)
        self._gaussians = _gaussians(self._photograph, self._maps)
        self._painted = _gaussians(self._painting, features.maps(self._painting))
        self._window_painted = self._painted[list(features.DEPTHS).index(features.MIDDLE)]

    def verdict(self, path: Path) -> Verdict:
        """Of a file.

        Raises:
            SystemExit: it is not as large as the photograph.
        """
        picture = read(path)
        if picture.shape != self._photograph.shape:
            height, width = self._photograph.shape[:2]
            raise SystemExit(
                f"judge: {path} is {picture.shape[1]}x{picture.shape[0]}, its photograph "
                f"{width}x{height}: paint what fetch.py wrote, at its size"
            )
        maps = features.maps(picture)
        return Verdict(
            style=measures.style(_gaussians(picture, maps), self._gaussians, self._painted),
            worst=measures.worst(
                maps[features.MIDDLE], self._maps[features.MIDDLE], self._window_painted
            ),
            content=measures.content(maps[features.DEEP], self._maps[features.DEEP]),
            grain=measures.grain(picture, self._painting),
            grain_flat=measures.grain_flat(picture, self._photograph, self._painting),
            clipped=measures.clipped(picture),
        )


def read(path: Path) -> features.Picture:
    """A file as measures want it."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32) / np.float32(255)


def _gaussians(picture: features.Picture, full: features.Maps) -> list[Gaussian]:
    """At every depth, for every size, the full one first: its maps are known."""
    rest = [features.maps(_smaller(picture, size)) for size in SIZES if size > 1]
    return [Gaussian.of(maps[depth]) for maps in (full, *rest) for depth in features.DEPTHS]


def _smaller(picture: features.Picture, factor: int) -> features.Picture:
    height, width = (max(1, round(side / factor)) for side in picture.shape[:2])
    channels = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(picture[:, :, channel])).resize(
                (width, height), Image.Resampling.BOX
            )
        )
        for channel in range(3)
    ]
    return np.stack(channels, axis=2)
