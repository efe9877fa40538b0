"""Which optimizer a scale has, and what it favors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from impasto.runtime import Engine
from impasto.runtime.optimizers import LBFGS, LBFGSInParts

PYRAMID, CHANNELS = (3.0, 9.0), 0.35


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(Path(__file__).parents[1] / "data" / "plain", device="cpu", threads=1)


@pytest.mark.parametrize("tiled", [False, True])
def test_only_the_two_coarsest_scales_favor_low_frequencies(
    engine: Engine, photo: Callable[..., Any], in_tiles: Any, tiled: bool
) -> None:
    """In parts too: the finest scale is in tiles, with one pair."""
    run = engine.start(
        photo("chelsea", 96, 128),
        photo("coffee", 96, 128),
        size=128,
        min_size=32,
        schedule=(1,),
        history_size=1,
        preconditioner_pyramid=PYRAMID,
        preconditioner_channels=CHANNELS,
    )
    run = in_tiles(engine, run) if tiled else run
    found = []
    for _ in run:
        optimizer = run._loop.level.optimizer
        assert isinstance(optimizer, LBFGS | LBFGSInParts)
        weights = {name: value.numpy() for name, value in optimizer._weights.items()}
        np.testing.assert_allclose(weights["channels"], [CHANNELS])
        found.append((type(optimizer), tuple(weights["preconditioner"].tolist())))
    fine = LBFGSInParts if tiled else LBFGS
    assert found == [(LBFGS, PYRAMID), (LBFGS, PYRAMID), (fine, (0.0, 0.0))]
