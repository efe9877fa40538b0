"""What a run is given: sources, whose sizes are told from headers, not read yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.errors import SettingError
from impasto.runtime.pictures.arrays import check_values
from impasto.runtime.pictures.formats.stored import Shown
from impasto.runtime.pictures.image import (
    Picture,
    Source,
    held,
    middle,
    picture_size,
    read_picture,
    reading_memory,
)
from impasto.runtime.planning.plan import Plan
from impasto.runtime.planning.sizes import Size, Sizes, cover_size, is_cropped, style_sizes

from .packed import Packed, pack, unpack
from .pictures import Pictures, of_plan
from .regions import Guide, Mask, Region, guides_of, mask_name, read_mask, style_mask_name

OPAQUE = 1 - 0.5 / 255
"""What a picture without transparency is everywhere."""
CONTENT, IMAGE = "the content", "the first image"
"""What errors call pictures that have no path."""


@dataclass(frozen=True)
class Inputs:
    """The sources, not read yet."""

    content: Source | Packed | None
    styles: tuple[Source | Packed, ...]
    image: Source | Packed | None
    regions: tuple[Guide, ...] = ()
    """Whose styles are all of ``styles``, one after another."""

    @classmethod
    def of(
        cls,
        content: Source | None,
        style: Source | Sequence[Source] | None,
        image: Source | None,
        regions: Sequence[Region] | None = None,
    ) -> Inputs:
        """As the API takes them: one style, several, or none. File objects are read, each once.

        With regions, ``style`` is that of the rest of the picture.

        Raises:
            ImageError: a file object cannot be read.
            SettingError: there are too many regions, or nothing that they are regions of.
        """
        found: dict[int, Source] = {}
        if isinstance(content, list | tuple):
            mend = "give one: paint each alone, or lay them into one picture first"
            raise SettingError("content", len(content), mend)

        def once(source: Source, name: str) -> Source:
            if id(source) not in found:
                found[id(source)] = held(source, name)
            return found[id(source)]

        if style is None:
            styles: tuple[Source, ...] = ()
        elif isinstance(style, list | tuple):
            styles = tuple(style)
        else:
            styles = (style,)  # type: ignore[assignment]
        if regions and content is None:
            raise SettingError("regions", len(regions), "give the content that they are parts of")
        guides, styles = guides_of(regions or (), styles)
        held_guides = tuple(
            Guide(
                None if guide.mask is None else once(guide.mask, mask_name(k)),  # type: ignore[arg-type]
                guide.styles,
                tuple(
                    None if mask is None else once(mask, style_mask_name(k))  # type: ignore[arg-type]
                    for mask in guide.style_masks
                ),
            )
            for k, guide in enumerate(guides, start=1)
        )
        return cls(
            regions=held_guides,
            content=None if content is None else once(content, CONTENT),
            styles=tuple(once(s, name) for s, name in zip(styles, _names(styles), strict=True)),
            image=None if image is None else once(image, IMAGE),
        )

    def packed(self) -> Inputs:
        """The same for later: no pixels are held, but compressed ones."""
        return Inputs(
            content=None if self.content is None else pack(self.content),
            styles=tuple(pack(style) for style in self.styles),
            image=None if self.image is None else pack(self.image),
            regions=tuple(guide.packed() for guide in self.regions),
        )

    def sizes(self, manifest: Manifest, max_pixels: int, memory: int) -> Sizes:
        """From headers alone, within so many bytes.

        Raises:
            ImageError: a source is no picture, too large or too small.
        """

        def size(packed: Source | Packed, name: str) -> Size:
            source = unpack(packed)
            if not manifest.canvas.is_rgb:
                height, width, _ = _values(source, name, manifest).shape
                return height, width
            least = manifest.encoder.alignment
            return picture_size(
                source, name=name, max_pixels=max_pixels, memory=memory, least=least
            )

        named = zip(self.styles, _names(self.styles), strict=True)
        return Sizes(
            content=None if self.content is None else size(self.content, CONTENT),
            styles=tuple(size(style, name) for style, name in named),
            image=None if self.image is None else size(self.image, IMAGE),
            regions=tuple(
                guide.sizes(k, max_pixels, memory) for k, guide in enumerate(self.regions, start=1)
            ),
        )

    def check_like(self, sizes: Sizes) -> None:
        """See whether they are as many as those of the sizes.

        Raises:
            SettingError: one is missing, or too many.
        """
        for name, mine, theirs in (
            ("content", self.content is not None, sizes.content is not None),
            ("regions", len(self.regions), len(sizes.regions)),
            ("style", len(self.styles), len(sizes.styles)),
            ("init_image", self.image is not None, sizes.image is not None),
        ):
            if mine != theirs:
                raise SettingError(
                    name, int(mine), f"it was painted from {int(theirs)}: give as many"
                )

    def peak(self, manifest: Manifest, plan: Plan, max_pixels: int) -> int:
        """Bytes that ``read`` needs for the one that needs most, from headers alone.

        Raises:
            ImageError: a source is no picture, too large or too small.
        """
        if not manifest.canvas.is_rgb:
            return 0
        sizes = style_sizes(plan.settings, plan.sizes, plan.size, manifest.encoder.alignment)
        found = [
            *zip(self.styles, _names(self.styles), sizes, strict=True),
            *(
                (s, n, plan.size)
                for s, n in ((self.content, CONTENT), (self.image, IMAGE))
                if s is not None
            ),
            *(
                (guide.mask, mask_name(k), plan.size)
                for k, guide in enumerate(self.regions, start=1)
                if guide.mask is not None
            ),
        ]
        needs = (
            reading_memory(unpack(source), name=name, max_pixels=max_pixels, within=most)
            for source, name, most in found
        )
        return max(needs, default=0)

    def read(self, manifest: Manifest, plan: Plan, max_pixels: int, memory: int) -> Pictures:
        """Decoded, within so many bytes, and no larger than the plan needs.

        Raises:
            ImageError: a picture is damaged, or takes more memory.
        """
        least = manifest.encoder.alignment
        shown: Shown = "stored" if plan.settings.alpha == "ignore" else "white"

        def read(packed: Source | Packed, name: str, most: Size, shown: Shown) -> Picture:
            source = unpack(packed)
            if not manifest.canvas.is_rgb:
                return _values(source, name, manifest)
            return read_picture(
                source,
                name=name,
                max_pixels=max_pixels,
                within=most,
                memory=memory,
                least=least,
                shown=shown,
            )

        def fitted(
            source: Source | Packed | None,
            name: str,
            shape: Size | None,
            shown: Shown = shown,
        ) -> Picture | None:
            if source is None or shape is None:
                return None
            if not is_cropped(plan.settings):
                return read(source, name, plan.size, shown)
            picture = middle(read(source, name, cover_size(shape, plan.size), shown), *plan.size)
            return picture.clip(manifest.canvas.low, manifest.canvas.high, out=picture)

        def mask(source: Source | Packed | None, name: str, size: Size, cover: Size) -> Mask | None:
            if source is None:
                return None
            limits = {"max_pixels": max_pixels, "memory": memory}
            return read_mask(source, name, size, cover, **limits)

        sizes = style_sizes(plan.settings, plan.sizes, plan.size, least)
        named = zip(self.styles, _names(self.styles), sizes, strict=True)
        cropped = is_cropped(plan.settings) and plan.sizes.content is not None
        cover = cover_size(plan.sizes.content, plan.size) if cropped else plan.size  # type: ignore[arg-type]
        content, opacity = fitted(self.content, CONTENT, plan.sizes.content), None
        if plan.settings.alpha == "keep" and manifest.canvas.is_rgb and content is not None:
            found = fitted(self.content, CONTENT, plan.sizes.content, "opacity")
            if found is not None and found.min() < OPAQUE:
                content, opacity = alone(content, found[:, :, :1]), found[:, :, 0]
        style_masks = [
            (source, style_mask_name(k))
            for k, guide in enumerate(self.regions, start=1)
            for source in guide.style_masks
        ]
        return of_plan(
            manifest,
            plan,
            content=content,
            styles=tuple(read(style, name, most, shown) for style, name, most in named),
            opacity=opacity,
            image=fitted(self.image, IMAGE, plan.sizes.image),
            masks=tuple(
                mask(guide.mask, mask_name(k), plan.size, cover)
                for k, guide in enumerate(self.regions, start=1)
            ),
            style_masks=tuple(
                mask(*source, size, size) for source, size in zip(style_masks, sizes, strict=False)
            ),
        )


def alone(picture: Picture, opacity: Picture) -> Picture:
    """A picture that lies on white without the white; white where there is nothing of it."""
    there = np.maximum(opacity, 1 - OPAQUE)
    found = np.where(opacity < 1 - OPAQUE, 1, (picture - (1 - opacity)) / there)
    return np.asarray(found.clip(0, 1), np.float32)


def _names(styles: tuple[object, ...]) -> list[str]:
    """What errors call styles that have no path."""
    if len(styles) == 1:
        return ["the style"]
    return [f"style {number}" for number in range(1, len(styles) + 1)]


def _values(source: Source, name: str, manifest: Manifest) -> Picture:
    canvas, least = manifest.canvas, manifest.encoder.alignment
    return check_values(source, name, canvas.channels, canvas.low, canvas.high, least)
