"""Pictures to measure with: the packaged example and scikit-image's, cut to a size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image, ImageOps
from settings import ROOT

FOLDERS = (ROOT / "models" / "example", Path(skimage.__file__).parent / "data")


def cut(name: str, width: int, height: int) -> Image.Image:
    """``photo``, ``chelsea`` ...: the middle of it, in exactly this size."""
    source = next(path for folder in FOLDERS for path in folder.glob(f"{name}.*"))
    with Image.open(source) as image:
        return ImageOps.fit(image.convert("RGB"), (width, height), Image.Resampling.LANCZOS)


def cut_pair(
    folder: Path, width: int, height: int, content: str = "photo", style: str = "painting"
) -> tuple[Path, Path]:
    """A content and a style as PNG files in a folder."""
    paths = folder / "content.png", folder / "style.png"
    for name, path in zip((content, style), paths, strict=True):
        cut(name, width, height).save(path)
    return paths


def tensor(path: Path) -> NDArray[np.float32]:
    """(1, 3, height, width) in [0, 1]."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), np.float32) / np.float32(255)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
