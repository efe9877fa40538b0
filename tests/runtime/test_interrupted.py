"""A run that is ended at any call of a graph: its picture, its checkpoint, its engine are whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from impasto.runtime import Engine, Run
from impasto.runtime.graphs.session import Graph

Picture = NDArray[np.float32]
PLAIN = Path(__file__).parents[1] / "data" / "plain"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(PLAIN, device="cpu", threads=1)


@pytest.fixture
def begin(engine: Engine, photo: Callable[..., Picture], in_tiles: Callable[..., Run]) -> Any:
    """``begin("adam", tiled=True)``: two scales of two iterations, the finer one in tiles."""
    pictures = photo("chelsea", 64, 80), photo("coffee", 64, 80)

    def run(optimizer: Any, tiled: bool) -> Run:
        new = engine.start(
            *pictures, size=80, min_size=40, schedule=(2, 2), optimizer=optimizer, init="noise"
        )
        return in_tiles(engine, new) if tiled else new

    return run


class Counted:
    """Graph.run, which cancels a run at its call number ``at``, from 1: in it, or just before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls, self.at, self.target = 0, 0, None
        original = Graph.run

        def run(graph: Graph, *arguments: Any, **keywords: Any) -> Any:
            self.calls += 1
            if self.calls == self.at and self.target is not None:
                self.target.cancel()
            return original(graph, *arguments, **keywords)

        monkeypatch.setattr(Graph, "run", run)

    def cancel(self, run: Run | None, at: int) -> None:
        self.calls, self.at, self.target = 0, at, run


@pytest.mark.parametrize(
    ("optimizer", "tiled"), [("lbfgs", False), ("lbfgs", True), ("adam", True)]
)
def test_cancelled_at_any_call_of_a_graph(
    begin: Any,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    optimizer: str,
    tiled: bool,
) -> None:
    """It ends there, has a picture of the final size, and goes on to the very same end."""
    counted = Counted(monkeypatch)
    begin(optimizer, tiled).finish()  # from now on the style is known
    counted.cancel(None, 0)
    expected = begin(optimizer, tiled).finish()
    total = counted.calls
    assert total > 10
    for at in range(1, total + 1, 1 + total // 20):
        run = begin(optimizer, tiled)
        counted.cancel(run, at)
        result = run.finish()
        assert counted.calls <= at + 2  # those that cannot be ended take no time
        assert result.stopped == "cancelled" or at >= total - 1
        assert result.image.shape == expected.image.shape
        assert 0 <= result.image.min() <= result.image.max() <= 1
        run.save(tmp_path / "run.checkpoint")
        counted.cancel(None, 0)
        again = engine.resume(tmp_path / "run.checkpoint").finish()
        np.testing.assert_array_equal(again.image, expected.image)
        assert again.loss == expected.loss
