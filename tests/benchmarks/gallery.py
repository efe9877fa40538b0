"""`make gallery`: the pictures of docs and README.md, from what is packaged and scikit-image's.

``regions`` needs a bundle with ``gatys-conv4-regions``, as ``make artifacts`` exports it; another
is named by IMPASTO_MODEL.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from settings import ROOT

from impasto.runtime import Engine, Region, read_picture

MODELS = ROOT / "models"
IMAGES = ROOT / "docs" / "images"
SIZE, SMALL = 512, 320
"""Of a picture that is shown alone, and of those that are shown side by side."""
ALONE = ("stylize", "example", "regions")
ROWS: dict[str, list[dict[str, Any]]] = {
    "presets": [{"preset": name} for name in ("paint", "bold", "gatys2016")],
    "detail": [{"detail": detail} for detail in (0.0, 0.5, 1.0)],
    "style-scale": [{"style_scale": scale} for scale in (0.5, 1.0, 2.0)],
    "color": [{"color": color} for color in ("style", "content", "match")],
    "quality": [{"quality": quality} for quality in ("draft", "normal", "high")],
    "init": [{"init": init} for init in ("content", "style", "noise")],
    "content-weight": [
        {"content_weight": weight, "size": 256, "iterations": 14} for weight in (2.0, 8.0, 32.0)
    ],
}
"""Each a file: what is set, from left to right."""
Pair = tuple[Path, Path]


def main() -> None:
    """Paint what is asked for, or all."""
    known = [*ALONE, *ROWS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    engine = Engine.load()
    for name in parser.parse_args().names or known:
        pair, rows = _pair(name), ROWS.get(name)
        if name == "regions":
            picture = _regions(engine)
        else:
            picture = _row(engine, pair, rows) if rows else _painted(engine, pair, size=SIZE)
        _save(picture, IMAGES / f"{name}.jpg")
        print(f"docs/images/{name}.jpg", flush=True)


def _pair(name: str) -> Pair:
    """The photograph and the painting of a file."""
    match name:
        case "stylize":
            return _photograph("chelsea.png"), MODELS / "paintings" / "village-street.jpg"
        case "content-weight":
            return _photograph("rocket.jpg"), MODELS / "paintings" / "summertime.jpg"
    return MODELS / "example" / "photo.jpg", MODELS / "example" / "painting.jpg"


def _photograph(name: str) -> Path:
    """Of scikit-image's."""
    found = importlib.util.find_spec("skimage")
    if not found or not found.origin:
        raise SystemExit("gallery: the Python package skimage is not installed")
    return Path(found.origin).parent / "data" / name


def _row(engine: Engine, pair: Pair, settings: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """Pictures side by side."""
    pictures = [_painted(engine, pair, **{"size": SMALL} | given) for given in settings]
    return np.concatenate(pictures, axis=1)


def _regions(engine: Engine) -> np.ndarray[Any, Any]:
    """A photograph; its sky like one painting and the rest like another; the sky painted again."""
    photo = read_picture(_photograph("rocket.jpg"), within=(SMALL * 2 // 3, SMALL))
    sky = ((photo[:, :, 2] - photo[:, :, 0]) / 0.1).clip(0, 1)  # what is blue
    terrace, shapes, wave = (
        MODELS / "paintings" / f"{name}.jpg"
        for name in ("cafe-terrace", "composition-viii", "great-wave")
    )
    settings: Any = {"size": SMALL, "content_weight": 16.0}
    both = engine.stylize(photo, shapes, regions=[Region(sky, terrace)], **settings).image
    again = engine.stylize(photo, regions=[Region(sky, wave)], init_image=both, **settings).image
    untouched = sky == 0
    assert np.array_equal(again[untouched], both[untouched])
    return np.concatenate([photo, both, again], axis=1)


def _painted(engine: Engine, pair: Pair, **settings: Any) -> np.ndarray[Any, Any]:
    return engine.stylize(*pair, **settings).image


def _save(picture: np.ndarray[Any, Any], path: Path) -> None:
    pixels = Image.fromarray(np.rint(255 * picture).astype(np.uint8))
    pixels.save(path, quality=90, subsampling=0, optimize=True)


if __name__ == "__main__":
    main()
