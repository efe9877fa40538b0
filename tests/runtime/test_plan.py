"""What is decided before a run: scales, iterations, and ways to do a scale in little memory."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from itertools import pairwise, product

import pytest

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.errors import SettingError
from impasto.runtime.machine import memory
from impasto.runtime.objective.tiles import tile_shape
from impasto.runtime.plan import Preset, Stage, make_stages

MB, GB = 10**6, 10**9
SQUARE = (3000, 3000)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return Bundle("vgg19").manifest


@pytest.fixture(scope="module")
def preset(manifest: Manifest) -> Preset:
    gatys = Preset.of(manifest.presets["gatys2016"])
    return dataclasses.replace(gatys, coarsest=400, iterations=(40, 80, 20))


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
        ((30, 3000), 900, [((16, 450), 40), ((16, 900), 80)]),
        ((40, 40), 64, [((64, 64), 80)]),
    ],
)
def test_scales_and_iterations(
    manifest: Manifest,
    preset: Preset,
    source: tuple[int, int],
    size: int,
    expected: list[tuple[tuple[int, int], int]],
) -> None:
    stages = make_stages(manifest, preset, source, size, 10**15)
    assert [(stage.size, stage.iterations) for stage in stages] == expected
    for stage in stages:
        assert (stage.optimizer, stage.history, stage.tile_pixels) == ("lbfgs", 10, None)


@pytest.mark.parametrize(("pooling", "optimizer"), [*product(["avg", "max"], ["lbfgs", "adam"])])
def test_every_stage_keeps_to_the_budget(
    manifest: Manifest, preset: Preset, pooling: str, optimizer: str
) -> None:
    chosen = dataclasses.replace(preset, pooling=pooling, optimizer=optimizer)  # type: ignore[arg-type]
    planned = tiled = 0
    margin = manifest.objectives["gatys"].margin
    for source, size, budget in product(
        [SQUARE, (1000, 3000)], [500, 1000, 2345, 5000], [300 * MB, GB, 3 * GB, 10 * GB]
    ):
        try:
            stages = make_stages(manifest, chosen, source, size, budget)
        except SettingError:
            continue
        for stage in stages:
            assert stage.memory <= budget
            height, width = (-(-side // 16) * 16 for side in stage.size)
            assert stage.memory > 12 * height * width * 8  # Adam's images alone
            if stage.tile_pixels is not None:
                shape = tile_shape(height, width, stage.tile_pixels, margin, (16, 16))
                assert shape
                assert stage.work >= height * width > math.prod(shape)
            else:
                assert stage.work == height * width
            planned, tiled = planned + 1, tiled + (stage.tile_pixels is not None)
    assert planned > tiled > 10


def test_less_memory_means_a_shorter_history_then_tiles_then_adam(
    manifest: Manifest, preset: Preset
) -> None:
    """Large tiles come before the smallest ones; then it starts again with the full history."""
    histories = [("lbfgs", 10), ("lbfgs", 5), ("lbfgs", 3)]
    ways = [(False, *way) for way in histories] + 2 * [
        (True, *way) for way in [*histories, ("adam", 0)]
    ]
    found = [
        (stage.tile_pixels is not None, stage.optimizer, stage.history)
        for stage in by_memory(manifest, preset)
    ]
    distinct = [way for way, following in pairwise([*found, None]) if way != following]
    remaining = iter(ways)
    assert all(way in remaining for way in distinct), distinct
    assert {way[:2] for way in distinct} == {(False, "lbfgs"), (True, "lbfgs"), (True, "adam")}
    assert {way[2] for way in distinct} == {10, 5, 3, 0}


@pytest.mark.parametrize("size", [432, 800, 864, 1600])
def test_where_a_small_tile_has_no_room_other_ways_are_taken(
    manifest: Manifest, preset: Preset, size: int
) -> None:
    """As with conv5_4: a window with its margins has more pixels than the least that is tried."""
    gatys = dataclasses.replace(manifest.objectives["gatys"], margin=(128, 128))
    deep = dataclasses.replace(manifest, objectives={"gatys": gatys})
    (*_, whole) = make_stages(deep, preset, (size, size), size, 100 * GB)
    assert whole.tile_pixels is None
    (*_, tiled) = make_stages(deep, preset, (size, size), size, round(0.98 * whole.memory))
    assert (tiled.history, tiled.tile_pixels) != (whole.history, None)


def test_the_less_memory_the_more_work(manifest: Manifest, preset: Preset) -> None:
    stages = [s for s in by_memory(manifest, preset) if (s.optimizer, s.history) == ("lbfgs", 10)]
    works = [stage.work for stage in stages]
    assert works == sorted(works)
    assert works[0] == 2048**2 < works[-1]


def by_memory(manifest: Manifest, preset: Preset) -> Iterator[Stage]:
    """How the finest scale is done with less and less memory, while it can be."""
    budget = 20.0 * GB
    while True:
        try:
            yield make_stages(manifest, preset, SQUARE, 2048, round(budget))[-1]
        except SettingError:
            return
        budget *= 0.98


def test_adam_is_kept_where_it_is_the_presets(manifest: Manifest, preset: Preset) -> None:
    adam = dataclasses.replace(preset, optimizer="adam")
    for budget in (20 * GB, 2 * GB):
        (*_, stage) = make_stages(manifest, adam, SQUARE, 2048, budget)
        assert (stage.optimizer, stage.history) == ("adam", 0)


@pytest.mark.parametrize(("wanted", "expected"), [(60, [40, 60, 60]), (5, [5, 5, 5])])
def test_a_number_of_iterations_is_that_of_the_finest_scale(
    manifest: Manifest, preset: Preset, wanted: int, expected: list[int]
) -> None:
    stages = make_stages(manifest, preset, SQUARE, 1600, 10**15, wanted)
    assert [stage.iterations for stage in stages] == expected


def test_what_does_not_fit_is_refused_with_the_need_and_the_mend(
    manifest: Manifest, preset: Preset
) -> None:
    with pytest.raises(SettingError) as caught:
        make_stages(manifest, preset, (1500, 2000), 2000, 100 * MB)
    matched = re.fullmatch(
        r"2000 x 1500 pixels need ([\d.]+) ([GM]B) more memory than the program has, and 100 MB "
        r"are free for it: choose a smaller size, or allow --memory ([\d.]+GB) \(memory=\)",
        str(caught.value),
    )
    assert matched
    needed = float(matched[1]) * {"GB": GB, "MB": MB}[matched[2]]
    assert make_stages(manifest, preset, (1500, 2000), 2000, round(1.05 * needed))
    assert make_stages(manifest, preset, (1500, 2000), 2000, memory.budget(matched[3]))
    with pytest.raises(SettingError):
        make_stages(manifest, preset, (1500, 2000), 2000, round(0.9 * needed))
