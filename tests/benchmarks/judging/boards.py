"""Paintings that come as jigsaw pieces: put together as their board says."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt

PIECE = re.compile(
    r'"pixmapfile"\s*:\s*"([^"]+\.webp)",\s*"x"\s*:\s*"([\d.]+)",\s*"y"\s*:\s*"([\d.]+)"'
)
SIZE = re.compile(r'"width"\s*:\s*"?(\d+)"?,\s*"height"\s*:\s*"?(\d+)')
SOLID = 0.5
"""Below so much opacity in all, a pixel lies in a gap between pieces."""


def assemble(files: Mapping[str, bytes], folder: str, board: str) -> Image.Image:
    """The picture of a board; where no piece lies, the nearest pixel of one.

    Pieces overlap by soft edges. They are averaged by their opacity: laid over one another on black
    they would leave a web of dark lines, which a painter in that style would learn.

    Raises:
        ValueError: the board says nothing of a size or pieces.
    """
    text = files[f"{folder}/board/{board}"].decode()
    size, pieces = SIZE.search(text), PIECE.findall(text)
    if not size or not pieces:
        raise ValueError(f"{board}: no board of pieces")
    width, height = int(size[1]), int(size[2])
    total = np.zeros((height, width, 4))
    for name, x, y in pieces:
        with Image.open(io.BytesIO(files[f"{folder}/{name}"])) as image:
            _add(total, np.asarray(image.convert("RGBA"), np.float64), float(x), float(y))
    opacity = total[:, :, 3]
    colours = total[:, :, :3] / np.maximum(opacity, 1e-9)[:, :, None]
    nearest = distance_transform_edt(opacity < SOLID, return_distances=False, return_indices=True)
    return Image.fromarray(np.rint(colours[tuple(nearest)]).astype(np.uint8))


def _add(total: NDArray[np.float64], piece: NDArray[np.float64], x: float, y: float) -> None:
    """A piece whose middle lies at a share of the board's size."""
    (height, width), (tall, wide) = total.shape[:2], piece.shape[:2]
    top, left = round(y * height - tall / 2), round(x * width - wide / 2)
    rows = slice(max(top, 0), min(top + tall, height))
    columns = slice(max(left, 0), min(left + wide, width))
    seen = piece[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    opacity = seen[:, :, 3:] / 255
    total[rows, columns] += np.concatenate([seen[:, :, :3] * opacity, opacity], axis=2)
