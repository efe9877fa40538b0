"""`make gallery`: the pictures of docs and README.md, from what is packaged and scikit-image's.

``sizes`` and ``large`` take hours. What they painted lies in build/sizes and is not painted again.
``regions`` needs a bundle with ``gatys-conv4-regions``, as ``make artifacts`` exports it; another
is named by IMPASTO_MODEL.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
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
ROWS: dict[str, list[dict[str, Any]]] = {
    "detail": [{"detail": detail} for detail in (0.0, 0.5, 1.0)],
    "style-scale": [{"style_scale": scale} for scale in (0.5, 1.0, 2.0)],
    "color": [{"color": color} for color in ("style", "content", "match")],
    "quality": [{"quality": quality} for quality in ("draft", "normal", "high")],
    "init": [{"init": init} for init in ("content", "style", "noise")],
    "weights": [
        {"weights": {"conv1_1": a, "conv2_1": a, "conv3_1": b, "conv4_1": b}}
        for a, b in ((5.0, 0.2), (1.0, 1.0), (0.2, 5.0))
    ],
    "style-weight": [{"style_weight": weight} for weight in (100.0, 1_000.0, 10_000.0)],
    "pooling": [{"pooling": pooling} for pooling in ("avg", "max")],
    "content-layer": [
        {"preset": "faithful", "content_layer": layer} for layer in ("", "conv4_2", "conv3_2")
    ],
    "color-strength": [
        {"color": "content", "color_strength": strength} for strength in (0.0, 0.5, 1.0)
    ],
    "init-noise": [{"init": "content", "init_noise": share} for share in (0.0, 0.3, 1.0)],
    "seed": [{"init": "noise", "seed": seed} for seed in (0, 1, 2)],
    "min-size": [{"min_size": size} for size in (40, 160, 320)],
    "optimizer": [{"optimizer": optimizer} for optimizer in ("lbfgs", "adam")],
    "content-weight": [
        {"content_weight": weight, "size": 256, "iterations": 14} for weight in (2.0, 8.0, 32.0)
    ],
    "averaging": [
        {"preset": "crowsonkb", "averaging": share, "size": 192, "iterations": 80}
        for share in (0.0, 0.9, 0.99)
    ],
}
"""Each a file: what is set, from left to right."""
Pair = tuple[Path, Path]
Inputs = tuple[Path, Path | list[Path]]
"""A photograph, and a painting or several."""
Pictures = dict[str, np.ndarray[Any, Any]]
"""By the names of their files."""
Page = Callable[[Engine, Pair], Pictures]
SIZES = (256, 512, 1024, 2048, 4096)
LONG = ("sizes", "large")
PIECES = ((0.655, 0.24), (0.93, 0.36))
"""Where a large picture is shown at 100 %: the middles, as shares of width and height."""


def main() -> None:
    """Paint what is asked for, or all but what takes hours."""
    known = [*PAGES, *ROWS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--pair", nargs=2, type=Path, metavar=("CONTENT", "STYLE"), help="of these")
    options = parser.parse_args()
    engine = Engine.load()
    for name in options.names or (page for page in known if page not in LONG):
        pair, rows = options.pair or _pair(name), ROWS.get(name)
        found = {name: _row(engine, pair, rows)} if rows else PAGES[name](engine, pair)
        for file, picture in found.items():
            _save(picture, IMAGES / f"{file}.jpg")
            print(f"docs/images/{file}.jpg", flush=True)


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


def _alone(name: str) -> Page:
    return lambda engine, pair: {name: _painted(engine, pair, size=SIZE)}


def _presets(engine: Engine, pair: Pair) -> Pictures:
    """Each of the bundle's, by itself."""
    return {
        f"preset-{name}": _painted(engine, pair, preset=name, size=SMALL)
        for name in engine.manifest.presets
    }


def _sizes(engine: Engine, pair: Pair) -> Pictures:
    """One pair at five sizes, made as small as the smallest; and a piece of each at 100 %."""
    wholes, pieces = [], []
    for size in SIZES:
        picture = _once(engine, pair, size)
        width, height = SIZES[0], SIZES[0] * picture.height // picture.width
        wholes.append(picture.resize((width, height), Image.Resampling.BOX))
        pieces.append(_piece(picture, (width, height), (0.5, 0.5)))
    return {"sizes": _sheet([wholes, pieces])}


def _large(engine: Engine, pair: Pair) -> Pictures:
    """The largest of those, made as small as a screen; and two pieces of it at 100 %."""
    picture = _once(engine, pair, SIZES[-1])
    width = 2 * SIZE
    whole = picture.resize((width, width * picture.height // picture.width), Image.Resampling.BOX)
    pieces = [_piece(picture, (SIZE, SIZE), at) for at in PIECES]
    return {"large": _sheet([[whole], pieces])}


def _once(engine: Engine, pair: Pair, size: int) -> Image.Image:
    """Painted within 4 GB, or as it was painted before."""
    file = ROOT / "build" / "sizes" / f"{pair[0].stem}-{pair[1].stem}-{size}.png"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        engine.stylize(*pair, size=size, memory=4 * 10**9).save(file)
    return Image.open(file).convert("RGB")


def _piece(picture: Image.Image, size: tuple[int, int], middle: tuple[float, float]) -> Image.Image:
    left, top = (
        round(share * side - length / 2)
        for share, side, length in zip(middle, picture.size, size, strict=True)
    )
    return picture.crop((left, top, left + size[0], top + size[1]))


def _sheet(rows: list[list[Image.Image]]) -> np.ndarray[Any, Any]:
    """Rows of pictures, under one another."""
    return np.concatenate(
        [np.concatenate([np.asarray(one) / 255 for one in row], 1) for row in rows]
    )


def _crops(engine: Engine, pair: Pair) -> Pictures:
    """Pieces at 100 %, twice as large as they are: total variation, and the paper's own grain."""
    rows: list[dict[str, Any]] = [
        {"preset": "gatys2016"},
        {"preset": "gatys2016", "tv_weight": 3_000.0},
        {"preset": "gatys2016", "tv_weight": 30_000.0},
        {},
    ]
    pieces = [_painted(engine, pair, size=SIZE, **row)[60:220, 180:380] for row in rows]
    return {"grain": np.concatenate(pieces, 1).repeat(2, 0).repeat(2, 1)}


def _blend(engine: Engine, pair: Pair) -> Pictures:
    """Two paintings, from nearly all of the first to nearly all of the second."""
    both = pair[0], [pair[1], MODELS / "paintings" / "great-wave.jpg"]
    blends = ([9.0, 1.0], [1.0, 1.0], [1.0, 9.0])
    return {"blend": _row(engine, both, [{"blend": blend} for blend in blends])}


def _alpha(engine: Engine, pair: Pair) -> Pictures:
    """A photograph whose ground is transparent, over squares: as it is, on white, kept, ignored."""
    photo = read_picture(pair[0], within=(SMALL, SMALL))
    height, width = photo.shape[:2]
    y, x = np.mgrid[:height, :width]
    far = ((x - 0.47 * width) / (0.37 * width)) ** 2 + ((y - 0.53 * height) / (0.47 * height)) ** 2
    there = (20 * (1 - far)).clip(0, 1)[..., None].astype(np.float32)
    squares = np.float32(0.75) + np.float32(0.15) * ((x // 12 + y // 12) % 2)[..., None]
    logo = np.rint(255 * np.concatenate([photo, there], 2)).astype(np.uint8)
    painted = [photo * there + squares * (1 - there)]
    for alpha in ("white", "keep", "ignore"):
        result = engine.stylize(Image.fromarray(logo), pair[1], size=SMALL, alpha=alpha)
        over = 1 if result.alpha is None else result.alpha[..., None]
        painted.append(result.image * over + squares * (1 - over))
    return {"alpha": np.concatenate(painted, axis=1)}


def _row(engine: Engine, pair: Inputs, settings: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """Pictures side by side."""
    pictures = [_painted(engine, pair, **{"size": SMALL} | given) for given in settings]
    return np.concatenate(pictures, axis=1)


def _regions(engine: Engine, _: Pair) -> Pictures:
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
    return {"regions": np.concatenate([photo, both, again], axis=1)}


def _painted(engine: Engine, pair: Inputs, **settings: Any) -> np.ndarray[Any, Any]:
    return engine.stylize(*pair, **settings).image


def _save(picture: np.ndarray[Any, Any], path: Path) -> None:
    pixels = Image.fromarray(np.rint(255 * picture).astype(np.uint8))
    pixels.save(path, quality=90, subsampling=0)  # optimize fails where all is noise


PAGES: dict[str, Page] = {
    "stylize": _alone("stylize"),
    "example": _alone("example"),
    "regions": _regions,
    "presets": _presets,
    "sizes": _sizes,
    "large": _large,
    "crops": _crops,
    "blend": _blend,
    "alpha": _alpha,
}
"""What is not a row of pictures alone."""

if __name__ == "__main__":
    main()
