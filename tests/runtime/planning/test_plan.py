"""What is decided before a run: scales, iterations, and ways to do a scale in little memory."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import pytest

from impasto.runtime import Plan, Scale, SettingError, Settings, Sizes
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.machine import memory
from impasto.runtime.objective.tiles import tile_shape
from impasto.runtime.planning.make import make_plan
from impasto.runtime.settings.resolve import resolve

MB, GB = 10**6, 10**9
SQUARE = (3000, 3000)
Size = tuple[int, int]


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return Bundle("vgg19").manifest


@pytest.fixture(scope="module")
def settings(manifest: Manifest) -> Settings:
    given = {"min_size": 400, "schedule": (40, 80, 20)}
    return resolve(manifest, given, content=True, styles=0, image=False)


def planned(
    manifest: Manifest, settings: Settings, source: Size, budget: float = 1e15, **changes: Any
) -> tuple[Scale, ...]:
    """Of a content alone."""
    changed = dataclasses.replace(settings, **changes)
    return make_plan(manifest, changed, Sizes(content=source), round(budget)).scales


@pytest.mark.parametrize(
    ("source", "size", "expected"),
    [
        ((3000, 4000), 512, [((384, 512), 80)]),
        ((4000, 3000), 799, [((799, 599), 80)]),
        ((3000, 4000), 800, [((300, 400), 40), ((600, 800), 80)]),
        (
            (1000, 2000),
            3200,
            [((200, 400), 40), ((400, 800), 80), ((800, 1600), 20), ((1600, 3200), 20)],
        ),
        ((60, 3000), 900, [((18, 900), 80)]),  # at 450 pixels it would be 9 pixels high
        ((40, 40), 64, [((64, 64), 80)]),
    ],
)
def test_scales_and_iterations(
    manifest: Manifest,
    settings: Settings,
    source: Size,
    size: int,
    expected: list[tuple[Size, int]],
) -> None:
    scales = planned(manifest, settings, source, size=size)
    assert [(scale.size, scale.iterations) for scale in scales] == expected
    for scale in scales:
        assert (scale.optimizer, scale.history, scale.tile_pixels) == ("lbfgs", 10, None)


def test_a_plan_goes_to_json_and_back_without_loss(manifest: Manifest) -> None:
    given = {"blend": (1.0, 3.0), "weights": {"style.conv1_1": 1 / 3}, "size": 3000}
    settings = resolve(manifest, given, content=True, styles=2, image=True)
    sizes = Sizes(content=(600, 800), styles=((70, 80), (900, 900)), image=(5, 4))
    plan = make_plan(manifest, settings, sizes, 3 * GB)
    assert any(scale.tile_pixels for scale in plan.scales)
    assert Plan.from_json(plan.to_json()) == plan
    assert plan == make_plan(manifest, settings, sizes, 3 * GB)


def test_a_picture_that_would_be_too_thin_is_refused_with_what_would_do(
    manifest: Manifest, settings: Settings
) -> None:
    """It is not stretched."""
    with pytest.raises(
        SettingError, match="2000 x 50 would be too thin: give 620 or more"
    ) as error:
        planned(manifest, settings, (50, 2000), size=128)
    assert error.value.field == "size"
    (scale,) = planned(manifest, settings, (50, 2000), size=620, min_size=16)
    assert scale.size == (16, 620)
    with pytest.raises(SettingError, match="too thin"):
        planned(manifest, settings, (50, 2000), size=619)


@pytest.mark.parametrize(("pooling", "optimizer"), [*product(["avg", "max"], ["lbfgs", "adam"])])
def test_every_scale_keeps_to_the_budget(
    manifest: Manifest, settings: Settings, pooling: str, optimizer: str
) -> None:
    objective = manifest.objectives[settings.objective]
    found = tiled = 0
    for source, size, budget in product(
        [SQUARE, (1000, 3000)], [500, 1000, 2345, 5000], [300 * MB, GB, 3 * GB, 10 * GB]
    ):
        try:
            scales = planned(
                manifest, settings, source, budget, size=size, pooling=pooling, optimizer=optimizer
            )
        except SettingError:
            continue
        for scale in scales:
            assert scale.memory <= budget
            height, width = (-(-side // 16) * 16 for side in scale.size)
            assert scale.memory > 12 * height * width * 8  # Adam's images alone
            if scale.tile_pixels is not None:
                shape = tile_shape(height, width, scale.tile_pixels, objective.margin, (16, 16))
                assert shape
                assert scale.work >= height * width > math.prod(shape)
            else:
                assert scale.work == height * width
            found, tiled = found + 1, tiled + (scale.tile_pixels is not None)
    assert found > tiled > 10


@pytest.mark.parametrize("in_parts", [True, False])
def test_less_memory_means_a_shorter_history_then_tiles_then_parts(
    manifest: Manifest, settings: Settings, in_parts: bool
) -> None:
    """Large tiles come before the smallest ones; then it starts again with the full history.

    Bundles of before L-BFGS went in parts have Adam in its place.
    """
    last = ("lbfgs", 1) if in_parts else ("adam", 0)
    if not in_parts:
        manifest = dataclasses.replace(manifest, lbfgs_parts=None)
    histories = [("lbfgs", 10), ("lbfgs", 5), ("lbfgs", 3)]
    ways = [(False, *way) for way in histories] + 2 * [(True, *way) for way in [*histories, last]]
    ways.append((True, "adam", 0))
    found = [
        (scale.tile_pixels is not None, scale.optimizer, scale.history)
        for scale in by_memory(manifest, settings)
    ]
    distinct = [way for way, following in pairwise([*found, None]) if way != following]
    remaining = iter(ways)
    assert all(way in remaining for way in distinct), distinct
    assert {way[0] for way in distinct if way[1:] != last} == {True, False}
    assert {way[1:] for way in distinct if way[0]} == {*histories, last, ("adam", 0)}


@pytest.mark.parametrize("size", [432, 800, 864, 1600])
def test_where_a_small_tile_has_no_room_other_ways_are_taken(
    manifest: Manifest, settings: Settings, size: int
) -> None:
    """As with conv5_4: a window with its margins has more pixels than the least that is tried."""
    gatys = dataclasses.replace(manifest.objectives["gatys"], margin=(128, 128))
    deep = dataclasses.replace(manifest, objectives={settings.objective: gatys})
    (*_, whole) = planned(deep, settings, (size, size), size=size)
    assert whole.tile_pixels is None
    (*_, tiled) = planned(deep, settings, (size, size), 0.98 * whole.memory, size=size)
    assert (tiled.history, tiled.tile_pixels) != (whole.history, None)


def test_the_less_memory_the_more_work(manifest: Manifest, settings: Settings) -> None:
    scales = [s for s in by_memory(manifest, settings) if (s.optimizer, s.history) == ("lbfgs", 10)]
    works = [scale.work for scale in scales]
    assert works == sorted(works)
    assert works[0] == 2048**2 < works[-1]


def by_memory(manifest: Manifest, settings: Settings) -> Iterator[Scale]:
    """How the finest scale is done with less and less memory, while it can be."""
    budget = 20.0 * GB
    while True:
        try:
            yield planned(manifest, settings, SQUARE, budget, size=2048)[-1]
        except SettingError:
            return
        budget *= 0.98


def test_adam_is_kept_where_it_is_wanted(manifest: Manifest, settings: Settings) -> None:
    for budget in (20 * GB, 2 * GB):
        (*_, scale) = planned(manifest, settings, SQUARE, budget, size=2048, optimizer="adam")
        assert (scale.optimizer, scale.history) == ("adam", 0)


@pytest.mark.parametrize(("wanted", "expected"), [(60, [40, 60, 60]), (5, [5, 5, 5])])
def test_a_number_of_iterations_is_that_of_the_finest_scale(
    manifest: Manifest, settings: Settings, wanted: int, expected: list[int]
) -> None:
    scales = planned(manifest, settings, SQUARE, size=1600, iterations=wanted)
    assert [scale.iterations for scale in scales] == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [  # of 20, 40, 40, 32, 25, 12, 8 in normal quality
        (256, [5, 10, 10]),
        (512, [20, 10, 10, 2]),
        (2048, [20, 40, 39, 8, 2, 1]),
        (4096, [20, 40, 40, 31, 6, 1, 1]),
    ],
)
def test_a_large_draft_has_its_shapes_whole(
    manifest: Manifest, size: int, expected: list[int]
) -> None:
    """Below the two finest scales each costs about as much as the next."""
    given = {"size": size, "quality": "draft"}
    settings = resolve(manifest, given, content=True, styles=0, image=False)
    assert [scale.iterations for scale in planned(manifest, settings, SQUARE)] == expected


def test_what_does_not_fit_is_refused_with_the_need_and_the_mend(
    manifest: Manifest, settings: Settings
) -> None:
    picture = (1500, 2000)
    with pytest.raises(SettingError) as caught:
        planned(manifest, settings, picture, 150 * MB, size=2000)
    matched = re.fullmatch(
        r"size=2000: 2000 x 1500 pixels need ([\d.]+) ([GM]B) more memory than the program has, "
        r"and [\d.]+ MB are free for it: choose a smaller one, or allow memory=([\d.]+GB)",
        str(caught.value),
    )
    assert matched
    needed = float(matched[1]) * {"GB": GB, "MB": MB}[matched[2]]
    assert planned(manifest, settings, picture, 1.01 * needed, size=2000)
    with pytest.raises(SettingError):
        planned(manifest, settings, picture, 0.97 * needed, size=2000)
    allowed = memory.budget(memory.parse(matched[3]))
    assert planned(manifest, settings, picture, allowed, size=2000)
