"""The pictures of a run, decoded, and the images that are made of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from impasto.runtime.bundle.manifest import Canvas, Manifest
from impasto.runtime.pictures.color import (
    ColorMap,
    Moments,
    blend_moments,
    lightness_gray,
    moments,
    transport,
    with_chroma,
)
from impasto.runtime.pictures.image import Picture, resample
from impasto.runtime.planning.plan import Plan
from impasto.runtime.planning.sizes import Size
from impasto.runtime.settings import Settings

BLANK = ("noise", "gray")
"""First images that are no picture."""
REDUCED = 4
"""Times a side: ``detail`` is of what a picture loses that is made so much smaller."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Pictures:
    """The pictures of a run, (height, width, channels) in the canvas' range, no larger than used.

    An *image* is what is optimised; a *picture* is what is shown and saved of it.
    """

    content: Picture | None
    styles: tuple[Picture, ...]
    image: Picture | None
    """The user's first image."""
    shares: tuple[float, ...]
    """What each style counts for."""
    settings: Settings
    canvas: Canvas

    @property
    def is_gray(self) -> bool:
        """Whether lightness alone is painted: all channels of an image are equal."""
        return self.settings.color == "content"

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each picture's samples: its bytes as float32, and its size."""
        found = {"content": self.content, "init_image": self.image}
        found |= {f"style_{i}": style for i, style in enumerate(self.styles, start=1)}
        return {name: _hash(p) for name, p in found.items() if p is not None}

    def start(self, size: Size) -> Picture:
        """The first image at a size, without what coarser scales found."""
        settings, canvas = self.settings, self.canvas
        share = settings.init_noise
        if share is None:
            share = float(settings.init == "noise")
        image = self._first(size)
        if share:
            shape = (*size, canvas.channels)
            noise = np.random.default_rng(settings.seed).random(shape, np.float32)
            noise = noise * np.float32(canvas.high - canvas.low) + np.float32(canvas.low)
            image = np.float32(1 - share) * image + np.float32(share) * self.seen(noise)
        return image

    def resized(self, picture: Picture, size: Size) -> Picture:
        """A picture at another size."""
        return self._clipped(resample(picture, *size))

    def refined(self, image: Picture, coarse: Size, fine: Size) -> Picture:
        """The first image of a finer scale: its own start, changed as the coarser one was.

        So what the coarser scale left alone stays as fine as the photograph, as far as ``detail``
        says. Noise has nothing to keep.
        """
        if self.settings.init in BLANK:
            return self.resized(image, fine)
        own, detail = self._first(fine), np.float32(self.settings.detail)
        if detail < 1:
            height, width = (max(1, side // REDUCED) for side in fine)
            rough = resample(own, height, width)
            own = detail * own + (1 - detail) * resample(rough, *fine)
        return self._clipped(own + resample(image - self._first(coarse), *fine))

    def seen(self, picture: Picture) -> Picture:
        """What the terms see of a picture: its lightness alone, where that is painted."""
        return lightness_gray(picture) if self.is_gray else picture

    def style(self, number: int, size: Size) -> Picture:
        """A style as the terms see it, in the colors that ``color`` says."""
        picture = self.resized(self.styles[number], size)
        if self.settings.color == "match":
            return self._from_styles[number](picture)
        if self.is_gray:
            picture = lightness_gray(picture)
            return self._clipped(picture + self._lighter[number])
        return picture

    def shown(self, image: Picture) -> Picture:
        """The picture of an image: with the content's colors, where lightness is painted."""
        if not self.is_gray:
            return image
        assert self.content is not None
        own = self.resized(self.content, image.shape[:2])
        strength = self.settings.color_strength
        return with_chroma(image, own if strength == 1 else self._to_styles(1 - strength)(own))

    def _to_styles(self, strength: float) -> ColorMap:
        """From the content's colors to the styles'."""
        own, styles = self._moments
        return transport(own, blend_moments(styles, self.shares), strength)

    @cached_property
    def _from_styles(self) -> list[ColorMap]:
        """From each style's colors to the content's."""
        own, styles = self._moments
        return [transport(style, own, self.settings.color_strength) for style in styles]

    @cached_property
    def _moments(self) -> tuple[Moments, list[Moments]]:
        """Of the content's colors, and of each style's."""
        assert self.content is not None
        return moments(self.content), [moments(style) for style in self.styles]

    @cached_property
    def _lighter(self) -> list[np.float32]:
        """What moves each style's mean to the content's, both gray."""
        assert self.content is not None
        own, *others = (lightness_gray(p).mean() for p in (self.content, *self.styles))
        return [np.float32(own - other) for other in others]

    def _first(self, size: Size) -> Picture:
        """As ``start``, without noise."""
        settings, canvas = self.settings, self.canvas
        if settings.init in BLANK:
            middle = np.float32((canvas.low + canvas.high) / 2)
            return np.full((*size, canvas.channels), middle, np.float32)
        source = self.image if settings.init == "image" else self.content
        assert source is not None
        picture = self.resized(source, size)
        return self.seen(self._to_styles(1.0)(picture) if settings.init == "style" else picture)

    def _clipped(self, image: Picture) -> Picture:
        return image.clip(self.canvas.low, self.canvas.high, out=image)


def _hash(picture: Picture) -> str:
    digest = hashlib.sha256(repr(picture.shape).encode())
    digest.update(np.ascontiguousarray(picture, "<f4").data)
    return digest.hexdigest()


def of_plan(
    manifest: Manifest,
    plan: Plan,
    content: Picture | None,
    styles: tuple[Picture, ...],
    image: Picture | None,
) -> Pictures:
    """The pictures of a run, for what its plan and its canvas say."""
    return Pictures(
        content=content,
        styles=styles,
        image=image,
        shares=plan.shares,
        settings=plan.settings,
        canvas=manifest.canvas,
    )
