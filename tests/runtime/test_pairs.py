"""Options compose: every pair of their values in some run on a small encoder."""

from __future__ import annotations

import io
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from impasto.runtime import Engine, Region, Run

Array = NDArray[np.float32]
Choice = dict[str, Any]
HEIGHT, WIDTH = 64, 80

OPTIONS: dict[str, tuple[Any, ...]] = {
    "losses": ("gatys", "all others"),
    "regions": ("none", "one", "one and the rest", "two with a style's mask"),
    "styles": (1, 2),
    "tiles": (False, True),
    "optimizer": ("lbfgs", "adam"),
    "resumed": (False, True),
    "color": ("style", "content", "match"),
    "init": ("content", "style", "noise", "image"),
    "alpha": ("white", "keep", "ignore"),
    "style_scale": (None, 0.5, 2.0),
    "detail": (1.0, 0.5),
    "tv_weight": (0.0, 0.01),
}


def pairs_of(choice: Choice) -> set[Any]:
    return set(combinations(choice.items(), 2))


def covering() -> list[Choice]:
    """Few choices in which every pair of values is, found greedily."""
    missing = all_pairs()
    random, found = np.random.default_rng(0), []
    while missing:
        tried = [_choice(missing, random) for _ in range(30)]
        best = max(tried, key=lambda choice: len(pairs_of(choice) & missing))
        missing -= pairs_of(best)
        found.append(best)
    return found


def _choice(missing: set[Any], random: np.random.Generator) -> Choice:
    """One that has a missing pair, and as many others as its options, one by one, can add."""
    ordered = sorted(missing, key=repr)
    chosen: Choice = dict(ordered[random.integers(len(ordered))])
    for name in random.permutation([name for name in OPTIONS if name not in chosen]):
        ways = [_with(chosen, name, OPTIONS[name][i]) for i in _shuffled(name, random)]
        chosen = max(ways, key=lambda way: len(pairs_of(way) & missing))
    return chosen


def _shuffled(name: str, random: np.random.Generator) -> list[int]:
    return [int(i) for i in random.permutation(len(OPTIONS[name]))]


def _with(chosen: Choice, name: str, value: Any) -> Choice:
    found = {**chosen, name: value}
    return {key: found[key] for key in OPTIONS if key in found}


def all_pairs() -> set[Any]:
    return {
        ((a, x), (b, y))
        for a, b in combinations(OPTIONS, 2)
        for x, y in product(OPTIONS[a], OPTIONS[b])
    }


def picture(seed: int) -> Array:
    noise = np.random.default_rng(seed).random((HEIGHT, WIDTH, 3), np.float32)
    return (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1)) / 3


def transparent(seed: int) -> bytes:
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:9] = 0
    stream = io.BytesIO()
    Image.fromarray(np.dstack([np.uint8(255 * picture(seed)), alpha])).save(stream, "PNG")
    return stream.getvalue()


def mask(first: int, last: int) -> Array:
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    inside = (np.minimum(rows - first, last - rows) / 4).clip(0, 1)
    return np.broadcast_to(inside, (HEIGHT, WIDTH)).copy()


def inputs_of(choice: Choice) -> dict[str, Any]:
    styles = [picture(1) ** 2, picture(2)][: choice["styles"]]
    found: dict[str, Any] = {"content": transparent(0)}
    match choice["regions"]:
        case "none":
            found["style"] = styles
        case "one":
            found["regions"] = [Region(mask(10, 40), styles)]
        case "one and the rest":
            found |= {"regions": [Region(mask(10, 40), styles)], "style": picture(3)}
        case _:
            own = Region(mask(30, 60), picture(4), mask(5, 50))
            found["regions"] = [Region(mask(0, 34), styles), own]
    if choice["init"] == "image":
        found["init_image"] = picture(5)
    return found


def settings_of(choice: Choice) -> dict[str, Any]:
    names = ("optimizer", "color", "alpha", "style_scale", "detail", "tv_weight", "init")
    short: dict[str, Any] = {"size": WIDTH, "min_size": 40, "schedule": [2], "iterations": 2}
    if choice["losses"] != "gatys":  # all of them of one size
        short["weights"] = {"wasserstein": 1.0, "moments": 1.0, "neighbours": 1.0, "tv9": 1.0}
    return {name: choice[name] for name in names} | short


def told(choice: Choice) -> str:
    return "-".join(str(value).replace(" ", "_") for value in choice.values())


@pytest.fixture(scope="module")
def engines(guided: Any, losses: Path) -> dict[str, Engine]:
    folders = zip(OPTIONS["losses"], (guided.folder, losses), strict=True)
    return {name: Engine.load(folder, device="cpu", threads=1) for name, folder in folders}


def start(engine: Engine, choice: Choice, in_tiles: Any) -> Run:
    run = engine.start(**inputs_of(choice), **settings_of(choice))
    return in_tiles(engine, run) if choice["tiles"] else run


@pytest.mark.parametrize("choice", covering(), ids=told)
def test_a_pair_of_options(
    engines: dict[str, Engine], in_tiles: Any, tmp_path: Path, choice: Choice
) -> None:
    engine = engines[choice["losses"]]
    run = start(engine, choice, in_tiles)
    steps = []
    for step in run:
        steps.append(step.image)
        if choice["resumed"] and len(steps) == 3:
            run.save(tmp_path / "run")
    result = run.result()
    assert np.isfinite(result.loss)
    assert len(steps) == result.iterations == 4
    if choice["resumed"]:
        again = engine.resume(tmp_path / "run").finish()
        np.testing.assert_array_equal(again.image, result.image)
    if choice["tiles"]:
        loop = run._loop
        whole = engine.start(**inputs_of(choice), **settings_of(choice))._loop
        points = []
        for one in (loop, whole):
            level = one.open(1, {})
            slot = level.slot(0)
            slot.image.update_inplace(np.float32(level._tensor(result.image)))
            points.append(level.evaluate(slot))
        ours, theirs = points
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
        difference = np.linalg.norm(ours.gradient.numpy() - theirs.gradient.numpy())
        assert difference <= 1e-5 * np.linalg.norm(theirs.gradient.numpy())
    result.save(tmp_path / "out.png")
    replayed = engine.replay(tmp_path / "out.png", **inputs_of(choice)).finish()
    np.testing.assert_array_equal(replayed.image, result.image)
    if result.alpha is not None:
        np.testing.assert_array_equal(replayed.alpha, result.alpha)


def test_every_pair_is_there() -> None:
    choices = covering()
    assert set().union(*map(pairs_of, choices)) == all_pairs()
    assert len(choices) < 24  # of 55,000
