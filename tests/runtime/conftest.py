"""What tests of runs share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from impasto.runtime import Engine, Run
from impasto.runtime.loop import Loop

TILE = 40 * 48
"""Pixels of a tile that cuts 64x80."""


@pytest.fixture(scope="session")
def in_tiles() -> Callable[..., Run]:
    """``in_tiles(engine, run)``: the run, not begun, with its finest scale in tiles."""

    def changed(engine: Engine, run: Run, pixels: int = TILE) -> Run:
        *coarse, fine = run.plan.scales
        scales = (*coarse, dataclasses.replace(fine, tile_pixels=pixels))
        loop = Loop(
            engine.runs.graphs, dataclasses.replace(run.plan, scales=scales), run._loop.pictures
        )
        return Run(loop, run._machine, engine.runs.bundle.digest, run._reservation)

    return changed
