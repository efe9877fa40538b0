"""What a client sent, as a picture that a browser can show."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from impasto.runtime import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

    from .folder import JobFolder

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
MOST = 100_000_000
"""Pixels."""
SIDE = 1024
"""Pixels, at most."""


def shown(folder: JobFolder, name: str) -> Path:
    """A JPEG of one of a job's pictures, upright; made once.

    Raises:
        ImageError: it cannot be shown.
    """
    from PIL import Image, ImageOps

    path = folder.path / f"shown-{name}.jpg"
    if path.exists():
        return path
    temporary = folder.path / f"shown-{name}-{os.getpid()}.new"
    try:
        with Image.open(folder.picture(name), formats=FORMATS) as picture:
            if picture.width * picture.height > MOST:
                raise ImageError(f"{name}: of too many pixels to show")
            picture.draft("RGB", (SIDE, SIDE))
            upright = ImageOps.exif_transpose(picture)
            upright.thumbnail((SIDE, SIDE))
            profile = picture.info.get("icc_profile")
            _on_white(upright).save(temporary, "JPEG", quality=85, icc_profile=profile)
    except ImageError:
        raise
    except Exception as error:  # Pillow raises what its parsers do
        raise ImageError(f"{name} cannot be shown: {error}") from None
    os.replace(temporary, path)
    return path


def _on_white(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    seen = picture.convert("RGBA")
    ground = Image.new("RGBA", seen.size, "white")
    return Image.alpha_composite(ground, seen).convert("RGB")
