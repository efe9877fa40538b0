"""What a caller sees of a run: its steps, and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.runtime.pictures.image import Picture
from impasto.runtime.pictures.writing.encode import (
    Target,
    as_png,
    encoding,
    to_pil,
    write_image,
)
from impasto.runtime.planning.plan import Plan

from .texts import Stopped


@dataclass(frozen=True)
class Step:
    """One iteration. ``loss`` is the weighted sum of ``terms``: all whose weight is not 0."""

    scale: int
    """From 1, the coarsest."""
    scales: int
    size: tuple[int, int]
    """(height, width) of this scale."""
    iteration: int
    """From 1, at this scale."""
    iterations: int
    loss: float
    terms: dict[str, float]
    seconds: float
    """Since the first step was asked for."""
    fraction: float
    """Share of the whole work that is done."""
    _image: Callable[[], Picture] = field(repr=False, compare=False)

    @property
    def image(self) -> Picture:
        """The picture now, (height, width, 3) float32 in [0, 1]; copied when asked for."""
        return self._image()

    def to_pil(self) -> Image.Image:
        """The picture now, RGB with 8 bits a channel, rounded."""
        return to_pil(self.image)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return as_png(self.image)


@dataclass(frozen=True)
class Result:
    """The picture, (height, width, 3) float32 RGB in [0, 1], and how it came about."""

    image: Picture = field(repr=False)
    alpha: NDArray[np.float32] | None = field(repr=False)
    """How opaque it is, (height, width) in [0, 1]; None: all of it is."""
    loss: float
    terms: dict[str, float]
    initial_terms: dict[str, float]
    """The terms of the last scale's first image."""
    iterations: int
    """All that were done, at all scales."""
    seconds: float
    stopped: Stopped
    plan: Plan = field(repr=False)
    model: str
    """The bundle's folder."""
    texts: dict[str, str] = field(repr=False)
    """How it was painted: every field of Settings, what was planned and done, versions, hashes."""

    def to_pil(self) -> Image.Image:
        """The picture, RGB with 8 bits a channel, rounded."""
        return to_pil(self.image)

    def save(
        self,
        target: Target,
        *,
        format: str | None = None,
        depth: int | None = None,
        jpeg_quality: int | None = None,
        metadata: bool = True,
        overwrite: bool = False,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        """Write the picture to a path, atomically, or to a file that is open for writing bytes.

        Args:
            target: its suffix, if it has one, says the format.
            format: png, jpeg, webp, avif or tiff; of an open file png, if none is given.
            depth: bits a channel, 8 or 16; 16 for PNG and TIFF.
            jpeg_quality: 1 to 100; 95 if none is given.
            metadata: whether the file says how it was painted: ``texts``.
            overwrite: whether an existing file is replaced.
            parameters: more texts, in any case.

        Raises:
            ImageError: the file exists, or cannot be written.
            SettingError: a value is out of range, or the format has not so many bits.
        """
        how = {"format": format, "depth": depth, "jpeg_quality": jpeg_quality}
        texts: dict[str, str] = {}
        if metadata:
            texts = {**self.texts, **encoding(target, **how).texts}  # type: ignore[arg-type]
        write_image(
            self.image,
            target,
            overwrite=overwrite,
            parameters={**texts, **(parameters or {})},
            format=format,
            depth=depth,
            jpeg_quality=jpeg_quality,
            alpha=self.alpha,
        )

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return as_png(self.image)
