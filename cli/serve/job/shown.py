"""What a client sent, as a picture that a browser can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impasto.runtime import picture_size, read_picture

from .folder import write_jpeg

if TYPE_CHECKING:
    from pathlib import Path

    from .folder import JobFolder

SIDE = 1024
"""Pixels, at most."""


def shown(folder: JobFolder, name: str) -> Path:
    """A JPEG of one of a job's pictures, upright, in sRGB; made once.

    Raises:
        ImageError: it cannot be shown.
    """
    from PIL import Image

    path = folder.path / f"shown-{name}.jpg"
    if path.exists():
        return path
    data = folder.picture(name).read_bytes()
    height, width = picture_size(data, name=name, least=(1, 1))
    share = min(1.0, SIDE / max(height, width))
    size = max(1, round(height * share)), max(1, round(width * share))
    picture = read_picture(data, name=name, within=size, least=(1, 1)).clip(0, 1)
    write_jpeg(path, Image.fromarray((picture * 255).round().astype("uint8")))
    return path
