"""Neighbours: found as a loop would, blended, exact in tiles, and the same after a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from impasto.runtime import Engine, matching
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.pool import Graphs
from impasto.runtime.objective import make_objective

SETTINGS: dict[str, Any] = {
    "objective": "losses",
    "size": 48,
    "min_size": 24,
    "weights": {"moments": 1.0, "wasserstein": 1.0, "laplacian": 0.01, "tv9": 1.0},
    "style_scale": 1.0,
    "style_weight": 0.01,
    "init": "content",
}


@pytest.fixture(scope="module")
def engine(losses: Path) -> Engine:
    return Engine.load(losses, device="cpu", threads=1)


@pytest.fixture
def pictures(photo: Callable[..., Any]) -> list[Any]:
    return [photo("chelsea", 32, 48), photo("coffee", 36, 44), photo("astronaut", 28, 28)]


def test_a_neighbour_has_the_largest_centred_cosine(
    losses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "SCORES", 50)  # in parts, the last of which overlaps
    monkeypatch.setattr(matching, "CANDIDATES", 20)
    graphs = Graphs(Bundle(losses), Device("cpu"), 1)
    random = np.random.default_rng(0)
    image, style = (random.random((1, 8, *size), np.float32) for size in ((5, 7), (6, 11)))
    found = matching.nearest(graphs, graphs.bundle.manifest.matching["first"], image, style)
    kept = style[0, :, ::2, ::2].reshape(8, -1).astype(np.float64)
    q = image[0].reshape(8, -1).astype(np.float64)
    q, kept_centred = (x - x.mean(1, keepdims=True) for x in (q, kept))
    expected = []
    for p in range(35):
        cosines = [
            q[:, p] @ k / np.linalg.norm(q[:, p]) / np.linalg.norm(k) for k in kept_centred.T
        ]
        expected.append(int(np.argmax(cosines)))
    assert found.astype(int).tolist() == expected
    target = matching.taken(style, found, (1, 8, 5, 7))
    np.testing.assert_array_equal(target[0].reshape(8, -1), kept[:, expected].astype(np.float32))


def test_neighbours_are_found_at_the_start_and_halfway_through(
    engine: Engine, pictures: list[Any]
) -> None:
    run = engine.start(pictures[0], pictures[1:], iterations=4, blend=(3, 1), **SETTINGS)
    seen: list[Any] = []
    for step in run:
        state = run._state
        assert state is not None
        if not seen or seen[-1] is not state.matches:
            seen.append(state.matches)
            level, name = run._loop.level, "neighbours.first.target"
            assert set(state.matches) == {f"{name}.0", f"{name}.1"}
            if step.iteration in (1, 3):
                target = level._matched[name]
                parts = [
                    share * matching.taken(f[name], state.matches[f"{name}.{n}"], target.shape)
                    for n, share, f in level._features()
                ]
                assert [share for _, share, _ in level._features()] == [0.75, 0.25]
                np.testing.assert_allclose(target, sum(parts), rtol=1e-6)
    assert len(seen) == 4  # twice at each of two scales


def test_a_run_that_stopped_ends_in_the_same_bytes(
    engine: Engine, pictures: list[Any], tmp_path: Path
) -> None:
    for stop in (1, 2, 5):
        run = engine.start(pictures[0], pictures[1:], iterations=4, **SETTINGS)
        for _ in range(stop):
            next(run)
        run.save(tmp_path / f"{stop}.checkpoint")
        expected = run.finish()
        again = engine.resume(tmp_path / f"{stop}.checkpoint").finish()
        np.testing.assert_array_equal(again.image, expected.image)
        assert again.loss == expected.loss


def test_tiles_give_the_wholes_losses(engine: Engine, pictures: list[Any], in_tiles: Any) -> None:
    one = {**SETTINGS, "min_size": 48}
    whole = engine.start(pictures[0], pictures[1:], iterations=2, **one)
    run = engine.start(pictures[0], pictures[1:], iterations=2, **one)
    tiled = in_tiles(engine, run, 800)
    for ours, theirs in zip(tiled, whole, strict=True):
        assert set(theirs.terms) >= {"laplacian", "tv9", "neighbours.first"}
        for name, value in theirs.terms.items():
            assert ours.terms[name] == pytest.approx(value, rel=1e-4), name
    a, b = (run._state.point.gradient.numpy() for run in (tiled, whole))  # type: ignore[union-attr]
    assert np.linalg.norm(a - b) <= 1e-3 * np.linalg.norm(b)


def test_every_terms_gradient_in_tiles_is_the_wholes(engine: Engine) -> None:
    """At one image, before rounding makes two runs part."""
    random = np.random.default_rng(2)
    content, style, image = random.random((3, 1, 3, 32, 48), np.float32)
    given = {"neighbours.first.target": random.random((1, 8, 32, 48), np.float32)}
    whole, tiled = (
        make_objective(engine.runs.graphs, "losses", "own", (32, 48), pixels)
        for pixels in (None, 800)
    )
    terms = engine.manifest.objectives["losses"].terms
    found: dict[str, list[Any]] = {term.name: [] for term in terms}
    for objective in (whole, tiled):
        targets = {**objective.describe(content, "content"), **given}
        targets |= objective.describe(style**3, "style")
        (slot,) = objective.slots(1)
        slot.image.update_inplace(image)
        for term in terms:
            objective.set_targets(targets, [float(term is other) for other in terms])
            point = objective.evaluate(slot)
            found[term.name].append((point.loss, point.gradient.numpy().copy()))
    for name, ((loss, gradient), (tiled_loss, tiled_gradient)) in found.items():
        assert tiled_loss == pytest.approx(loss, rel=1e-5), name
        difference = np.linalg.norm(tiled_gradient - gradient)
        assert difference <= 1e-5 * np.linalg.norm(gradient), name
