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

from .regions import Mask, shared

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
    opacity: Mask | None = None
    """Of the content, where the result is to be as transparent."""
    masks: tuple[Mask | None, ...] = ()
    """Of the regions; None: the rest. There are none where styles are of the whole picture."""
    style_masks: tuple[Mask | None, ...] = ()
    """Of the styles; None: all of it."""
    region_of: tuple[int, ...] = ()
    """The number of each style's region, from 0."""

    @property
    def is_gray(self) -> bool:
        """Whether lightness alone is painted: all channels of an image are equal."""
        return self.settings.color == "content"

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each picture's samples: its bytes as float32, and its size."""
        found = {"content": self.content, "init_image": self.image, "alpha": self.opacity}
        found |= {f"style_{i}": style for i, style in enumerate(self.styles, start=1)}
        found |= {f"region_{i}": mask for i, mask in enumerate(self.masks, start=1)}
        found |= {f"style_mask_{i}": mask for i, mask in enumerate(self.style_masks, start=1)}
        return {name: picture_hash(p) for name, p in found.items() if p is not None}

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
        """The picture of an image: with the content's colors, where lightness is painted.

        Where no region is, it is the picture that was there before.
        """
        return self.framed(self._colored(image))

    def regions(self, size: Size) -> list[Mask]:
        """The regions' masks at a size, (height, width), together at most 1 at each place."""
        found = [None if m is None else _mask(m, size) for m in self.masks]
        return shared(found)

    def style_mask(self, number: int, size: Size) -> Mask | None:
        """That of a style at a size; None: all of it counts."""
        mask = self.style_masks[number] if self.style_masks else None
        return None if mask is None else _mask(mask, size)

    def painted(self, size: Size) -> Mask | None:
        """How much of each place is painted, (height, width); None: all of it is."""
        if not self.masks or any(m is None for m in self.masks):  # the rest is painted, too
            return None
        share = sum(self.regions(size), np.float32(0)).clip(0, 1)
        return None if share.min() == 1 else share

    def ground(self, size: Size) -> Picture:
        """What is where no region is: the user's first image, else the content."""
        source = self.content if self.image is None else self.image
        assert source is not None
        return self.resized(source, size)

    def alpha(self, size: Size) -> Mask | None:
        """How opaque the result is at a size, (height, width); None: all of it."""
        return None if self.opacity is None else _mask(self.opacity, size)

    def framed(self, picture: Picture) -> Picture:
        """A picture, and what was there before where no region is."""
        share = self.painted(picture.shape[:2])
        if share is None:
            return picture
        return laid(picture, self.ground(picture.shape[:2]), share[:, :, None])

    def _colored(self, image: Picture) -> Picture:
        if not self.is_gray:
            return image
        assert self.content is not None
        own = self.resized(self.content, image.shape[:2])
        strength = self.settings.color_strength
        return with_chroma(image, own if strength == 1 else self._in_styles(own, 1 - strength))

    def _to_styles(self, strength: float, region: int = 0) -> ColorMap:
        """From the content's colors to the styles', or to those of a region."""
        own, styles = self._moments
        places = [k for k, number in enumerate(self.region_of) if number == region]
        places = places if self.masks else [*range(len(styles))]
        theirs = blend_moments([styles[k] for k in places], [self.shares[k] for k in places])
        return transport(own, theirs, strength)

    def _in_styles(self, picture: Picture, strength: float) -> Picture:
        """The content in the styles' colors, each region in its own's."""
        if not self.masks:
            return self._to_styles(strength)(picture)
        found = picture
        for number, mask in enumerate(self.regions(picture.shape[:2])):
            share = mask[:, :, None]
            found = found + share * (self._to_styles(strength, number)(picture) - picture)
        return self._clipped(found)

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
        return self.seen(self._in_styles(picture, 1.0) if settings.init == "style" else picture)

    def _clipped(self, image: Picture) -> Picture:
        return image.clip(self.canvas.low, self.canvas.high, out=image)


def laid(picture: Picture, ground: Picture, share: Picture) -> Picture:
    """A picture on a ground: exactly either where its share is 1 or 0."""
    return share * picture + (1 - share) * ground


def _mask(mask: Mask, size: Size) -> Mask:
    """At another size; at its own it is as it is."""
    return np.asarray(resample(mask[:, :, None], *size)[:, :, 0].clip(0, 1), np.float32)


def picture_hash(picture: Picture) -> str:
    """SHA-256 of its shape and of its bytes as float32."""
    digest = hashlib.sha256(repr(picture.shape).encode())
    digest.update(np.ascontiguousarray(picture, "<f4").data)
    return digest.hexdigest()


def of_plan(
    manifest: Manifest,
    plan: Plan,
    content: Picture | None,
    styles: tuple[Picture, ...],
    image: Picture | None,
    masks: tuple[Mask | None, ...] = (),
    style_masks: tuple[Mask | None, ...] = (),
    opacity: Mask | None = None,
) -> Pictures:
    """The pictures of a run, for what its plan and its canvas say."""
    return Pictures(
        content=content,
        styles=styles,
        image=image,
        shares=plan.shares,
        settings=plan.settings,
        canvas=manifest.canvas,
        masks=masks,
        style_masks=style_masks,
        opacity=opacity,
        region_of=plan.sizes.region_of,
    )
