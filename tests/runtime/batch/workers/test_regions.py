"""A row with regions, painted as an engine paints it, and known again by all that it is made of."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from impasto.runtime import Engine, Region, Row, Setup
from impasto.runtime.batch import Painter
from impasto.runtime.batch.index import LocalIndex

SETTINGS = {"size": 24, "iterations": 1}


def test_regions_are_painted_and_in_the_key(
    folder: Callable[..., Path], guided: Any, tmp_path: Path
) -> None:
    top = folder("in", "a.png", "s.png", "t.png")
    for number, name in enumerate(("m.png", "n.png")):
        mask = np.zeros((20, 24), np.uint8)
        mask[10 * number : 10 * number + 8] = 255
        Image.fromarray(mask).save(top / name)
    a, s, t, m, n = (str(top / f"{name}.png") for name in "astmn")
    machine = {"device": "cpu", "threads": 1}

    def painter(name: str) -> Painter:
        setup = Setup(model=str(guided.folder), output=str(tmp_path / "out"), machine=machine)
        return Painter(setup, name)

    row = Row(a, (t,), "a.png", SETTINGS, ((m, s), (n, t, m)))
    first = painter("0")
    assert first.paint(row).status == "painted"
    engine = Engine.load(guided.folder, **machine)
    result = engine.stylize(a, t, regions=[Region(m, s), Region(n, t, m)], **SETTINGS)
    result.save(tmp_path / "alone.png")
    assert (tmp_path / "alone.png").read_bytes() == (tmp_path / "out" / "a.png").read_bytes()

    index = LocalIndex(str(tmp_path / "out"), "")
    index.load({"a.png"})
    known = index.known("a.png")
    assert first.paint(row, known).status == "skipped"
    for other in (
        ((m, s),),
        ((m, s), (n, t)),
        ((m, s), (m, t, n)),
        ((n, s), (m, t, n)),
        ((n, t, m), (m, s)),
        (),
    ):
        found = first.paint(Row(a, (t,), "a.png", SETTINGS, other), known)
        assert "of other inputs or settings" in found.error, other
    shutil.copy(n, m)  # another mask of the same name
    assert "of other inputs or settings" in painter("1").paint(row, known).error
