"""The command ``compare``: losses of pictures side by side, as a table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from impasto.cli.configuration import with_config
from impasto.cli.console import print_json
from impasto.cli.options import Given
from impasto.cli.painting import outputs, paint
from impasto.runtime import Engine, Evaluation, ImageError, SettingError, check_all, picture_size

from .chart import chart
from .options import Comparison

OWN = ("memory", "max_pixels")
"""What of Machine is each run's own."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TOTAL = "loss"


def compare(command: str, given: Given) -> None:
    """Evaluate each picture with the same settings at the same size."""
    given = with_config(given, command)
    said, files = check_all(Comparison, given.own), dict(given.files)
    pictures: tuple[str, ...] = said["pictures"]
    if len(pictures) > len(LETTERS):
        raise SettingError("pictures", len(pictures), f"give at most {len(LETTERS)}")
    if "output" in said:
        read = (*pictures, *files.get("style", ()))
        named = files | {"output": said["output"], "style": read}
        files["output"] = outputs.named(command, named)["output"]
        paint.check(files)
    machine = dict(given.machine)
    own = {name: machine.pop(name) for name in OWN if name in machine}
    height, width = common_size(pictures, own.get("max_pixels"))
    engine = Engine.load(files.get("model"), **machine)
    found = [
        engine.evaluate(
            picture,
            files.get("content"),
            files.get("style"),
            **given.settings | {"height": height, "width": width} | own,
        )
        for picture in pictures
    ]
    tell(pictures, found, bool(files.get("json")))
    if "output" in said:
        rows = [*rows_of(found)]
        paint.save(chart(pictures, LETTERS, rows, (height, width)), files, "overwrite" in files)


def common_size(pictures: Sequence[str], max_pixels: int | None) -> tuple[int, int]:
    """(height, width) of the smallest: larger ones are made as small.

    Raises:
        ImageError: one cannot be read, or has other proportions.
    """
    most: dict[str, Any] = {} if max_pixels is None else {"max_pixels": max_pixels}
    sizes = [picture_size(picture, **most) for picture in pictures]
    height, width = smallest = min(sizes, key=math.prod)
    for picture, size in zip(pictures, sizes, strict=True):
        if abs(size[1] * height / size[0] - width) > 1.5 and (
            abs(size[0] * width / size[1] - height) > 1.5
        ):
            first = pictures[sizes.index(smallest)]
            raise ImageError(
                f"{picture} is {size[1]} x {size[0]} pixels, and {first} {width} x {height}: "
                "compare pictures of the same proportions, or crop one"
            )
    return smallest


def rows_of(found: Sequence[Evaluation]) -> Iterator[tuple[str, float | None, list[float]]]:
    """Name, weight and values of each term, then the loss, which is the weighted sum."""
    for name, weight in found[0].weights.items():
        yield name, weight, [evaluation.terms[name] for evaluation in found]
    yield TOTAL, None, [evaluation.loss for evaluation in found]


def tell(pictures: Sequence[str], found: Sequence[Evaluation], as_json: bool) -> None:
    """Print a table, or an object for each picture."""
    height, width = found[0].size
    if as_json:
        for picture, one in zip(pictures, found, strict=True):
            told: dict[str, Any] = {"picture": picture, "size": (width, height), "loss": one.loss}
            print_json({**told, "terms": one.terms, "weights": one.weights})
        return
    letters = LETTERS[: len(pictures)]
    for letter, picture in zip(letters, pictures, strict=True):
        print(f"{letter}  {picture}")
    print(f"at {width} x {height} pixels; terms are not weighted, the loss is their weighted sum")
    table = [["", "weight", *letters]]
    for name, weight, values in rows_of(found):
        shown = "" if weight is None else f"{weight:g}"
        table.append([name, shown, *(f"{value:.4g}" for value in values)])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *cells in table:
        aligned = (f"{cell:>{size}}" for cell, size in zip(cells, widths[1:], strict=True))
        print("  ".join([f"{first:{widths[0]}}", *aligned]).rstrip())
