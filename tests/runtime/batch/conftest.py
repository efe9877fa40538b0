"""Folders of tiny pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PLAIN = Path(__file__).parents[2] / "data" / "plain"
SETTINGS = {"size": 24, "iterations": 1}


@pytest.fixture
def plain() -> Path:
    return PLAIN


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """``folder("in", "a.png", "b/c.jpg")``: a folder in tmp_path with these pictures, all of them
    different."""

    def make(name: str, *files: str) -> Path:
        top = tmp_path / name
        for number, file in enumerate(files):
            path = top / file
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng([number, len(name)]).integers(0, 256, (20, 24, 3))
            Image.fromarray(noise.astype(np.uint8)).save(path)
        return top

    return make
