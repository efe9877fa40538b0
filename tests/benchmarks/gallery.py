"""`make gallery`: the pictures of docs/gallery.md and README.md, from the packaged example."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from settings import ROOT

from impasto.runtime import Engine

EXAMPLE = ROOT / "models" / "example"
IMAGES = ROOT / "docs" / "images"
SIZE, SMALL = 512, 320
"""Of the README's picture, and of those that are shown side by side."""
ROWS: dict[str, list[dict[str, Any]]] = {
    "presets": [{"preset": name} for name in ("paint", "bold", "gatys2016")],
    "detail": [{"detail": detail} for detail in (0.0, 0.5, 1.0)],
    "style-scale": [{"style_scale": scale} for scale in (0.5, 1.0, 2.0)],
    "color": [{"color": color} for color in ("style", "content", "match")],
    "quality": [{"quality": quality} for quality in ("draft", "normal", "high")],
    "init": [{"init": init} for init in ("content", "style", "noise")],
}
"""Each a file: what is set, from left to right."""


def main() -> None:
    """Paint what is asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"stylize, {', '.join(ROWS)}")
    names = parser.parse_args().names or ["stylize", *ROWS]
    engine = Engine.load("vgg19")
    for name in names:
        rows = ROWS.get(name)
        picture = _painted(engine, SIZE) if rows is None else _row(engine, rows)
        _save(picture, IMAGES / f"{name}.jpg")
        print(f"docs/images/{name}.jpg", flush=True)


def _row(engine: Engine, settings: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """Pictures side by side."""
    return np.concatenate([_painted(engine, SMALL, **given) for given in settings], axis=1)


def _painted(engine: Engine, size: int, **settings: Any) -> np.ndarray[Any, Any]:
    photo, painting = EXAMPLE / "photo.jpg", EXAMPLE / "painting.jpg"
    return engine.stylize(photo, painting, size=size, **settings).image


def _save(picture: np.ndarray[Any, Any], path: Path) -> None:
    pixels = Image.fromarray(np.rint(255 * picture).astype(np.uint8))
    pixels.save(path, quality=90, subsampling=0, optimize=True)


if __name__ == "__main__":
    main()
