"""From nothing to the pictures to judge by: build/judge/pictures/PAIR-content.png and -style.png.

Contents get the size that is painted, both sides multiples of 16, so that nothing is padded.
Styles stay as they are, unless they are larger than anything here is painted.
"""

from __future__ import annotations

import argparse

from pairs import PICTURES, read
from PIL import Image, ImageOps
from sources import load

SIZE, STYLE_SIZE, MULTIPLE = 384, 512, 16


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE, help="contents' long side")
    size = parser.parse_args().size
    if size < MULTIPLE or size % MULTIPLE:
        parser.error(f"--size {size}: no multiple of {MULTIPLE}")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for pair in read():
        content, style = fit(load(pair.content), size), shrink(load(pair.style))
        content.save(pair.photograph)
        style.save(pair.painting)
        print(f"{pair.name}: {content.width}x{content.height}, style {style.width}x{style.height}")


def fit(image: Image.Image, size: int) -> Image.Image:
    """So long, and as near to its shape as multiples of 16 allow; what does not fit is cut off."""
    factor = size / max(image.size)
    width, height = (max(1, round(side * factor / MULTIPLE)) * MULTIPLE for side in image.size)
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


def shrink(image: Image.Image) -> Image.Image:
    """At most so long."""
    image.thumbnail((STYLE_SIZE, STYLE_SIZE), Image.Resampling.LANCZOS)
    return image


if __name__ == "__main__":
    main()
