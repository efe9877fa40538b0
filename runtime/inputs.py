"""What a run is given: sources, whose sizes are told from headers, and the pictures in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .bundle.manifest import Manifest
from .pictures.image import (
    Picture,
    Source,
    check_values,
    picture_size,
    read_picture,
    resample,
)
from .planning.plan import Plan
from .planning.sizes import Size, Sizes, style_size


@dataclass(frozen=True, eq=False, kw_only=True)
class Pictures:
    """The pictures of a run, (height, width, channels) in the canvas' range, no larger than used.

    ``low`` and ``high`` are that range; noise comes from ``seed``.
    """

    content: Picture | None
    styles: tuple[Picture, ...]
    image: Picture | None
    """The user's first image."""
    init: str
    seed: int
    low: float
    high: float
    channels: int

    def start(self, size: Size) -> Picture:
        """The first image at a size, without what coarser scales found."""
        if self.init == "noise":
            noise = np.random.default_rng(self.seed).random((*size, self.channels), np.float32)
            return noise * np.float32(self.high - self.low) + np.float32(self.low)
        source = self.content if self.init == "content" else self.image
        assert source is not None
        return self.resized(source, size)

    def resized(self, picture: Picture, size: Size) -> Picture:
        """A picture at another size."""
        return self._clipped(resample(picture, *size))

    def refined(self, image: Picture, coarse: Size, fine: Size) -> Picture:
        """The first image of a finer scale: its own start, changed as the coarser one was.

        So what the coarser scale left alone stays as fine as the photograph. Noise has nothing to
        keep.
        """
        if self.init == "noise":
            return self.resized(image, fine)
        change = resample(image - self.start(coarse), *fine)
        return self._clipped(self.start(fine) + change)

    def _clipped(self, image: Picture) -> Picture:
        return image.clip(self.low, self.high, out=image)


def of_plan(
    manifest: Manifest,
    plan: Plan,
    content: Picture | None,
    styles: tuple[Picture, ...],
    image: Picture | None,
) -> Pictures:
    """The pictures of a run, for what its plan and its canvas say."""
    canvas, settings = manifest.canvas, plan.settings
    return Pictures(
        content=content,
        styles=styles,
        image=image,
        init=settings.init,
        seed=settings.seed,
        low=canvas.low,
        high=canvas.high,
        channels=canvas.channels,
    )


@dataclass(frozen=True)
class Inputs:
    """The sources, not read yet."""

    content: Source | None
    styles: tuple[Source, ...]
    image: Source | None

    @classmethod
    def of(
        cls, content: Source | None, style: Source | Sequence[Source] | None, image: Source | None
    ) -> Inputs:
        """As the API takes them: one style, several, or none."""
        if style is None:
            styles: tuple[Source, ...] = ()
        elif isinstance(style, list | tuple):
            styles = tuple(style)
        else:
            styles = (style,)  # type: ignore[assignment]
        return cls(content, styles, image)

    def sizes(self, manifest: Manifest, max_pixels: int) -> Sizes:
        """From headers alone.

        Raises:
            ImageError: a source is no picture, too large or too small.
        """

        def size(source: Source) -> Size:
            if not _takes_pictures(manifest):
                height, width, _ = _values(source, manifest).shape
                return height, width
            least = manifest.encoder.alignment
            return picture_size(source, max_pixels=max_pixels, least=least)

        return Sizes(
            content=None if self.content is None else size(self.content),
            styles=tuple(size(style) for style in self.styles),
            image=None if self.image is None else size(self.image),
        )

    def read(self, manifest: Manifest, plan: Plan, max_pixels: int, memory: int) -> Pictures:
        """Decoded, within so many bytes, and no larger than the plan needs.

        Raises:
            ImageError: a picture is damaged, or takes more memory.
        """
        least = manifest.encoder.alignment

        def read(source: Source, most: Size) -> Picture:
            if not _takes_pictures(manifest):
                return _values(source, manifest)
            return read_picture(
                source, max_pixels=max_pixels, within=most, memory=memory, least=least
            )

        shapes = zip(self.styles, plan.sizes.styles, strict=True)
        return of_plan(
            manifest,
            plan,
            content=None if self.content is None else read(self.content, plan.size),
            styles=tuple(read(s, style_size(shape, plan.size, least)) for s, shape in shapes),
            image=None if self.image is None else read(self.image, plan.size),
        )


def _takes_pictures(manifest: Manifest) -> bool:
    canvas = manifest.canvas
    return (canvas.channels, canvas.low, canvas.high) == (3, 0.0, 1.0)


def _values(source: Source, manifest: Manifest) -> Picture:
    canvas, least = manifest.canvas, manifest.encoder.alignment
    return check_values(source, canvas.channels, canvas.low, canvas.high, least)
