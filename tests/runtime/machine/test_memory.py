"""Amounts of memory: as they are written, free in a container, and really held by a run."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from impasto.runtime.errors import SettingError
from impasto.runtime.machine import memory

MB = 10**6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2GB", 2 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("1.5 GiB", 3 * 2**29),
        ("800M", 800 * MB),
        ("800m", 800 * MB),
        (" 3 Kib ", 3 * 2**10),
        ("1TB", 10**12),
        ("12345", 12345),
        ("64B", 64),
        (12345, 12345),
        (2.5e9, 2_500_000_000),
    ],
)
def test_amounts(text: int | str, expected: int) -> None:
    assert memory.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "GB", "2XB", "2GBs", "-1GB", "1e9", "1,5GB", "nan", "2 G 3"]
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        memory.parse(text)
    assert str(caught.value) == f"memory must be a number such as 2GB or 800M, not {text!r}"


def test_amounts_are_shown_to_two_figures_or_more() -> None:
    assert [memory.show(amount) for amount in (48 * MB, 999 * MB, 1.26e9, 3e10)] == [
        "48 MB",
        "999 MB",
        "1.3 GB",
        "30.0 GB",
    ]


def test_what_is_used_grows_with_what_is_allocated() -> None:
    before = memory.used()
    fresh = mmap.mmap(-1, 100 * MB)  # malloc may have as much left from other tests
    for _ in range(100):
        fresh.write(bytes(MB))
    assert memory.used() - before == pytest.approx(100 * MB, rel=0.2)


def test_a_budget_is_what_is_left_of_an_amount_or_most_of_what_is_free() -> None:
    assert memory.budget("4GB") == pytest.approx(0.95 * 4e9 - memory.used(), abs=20 * MB)
    assert memory.budget("1MB") == 0
    assert memory.budget(None) == pytest.approx(0.8 * memory.free(), rel=0.1)


# Containers


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    (tmp_path / "memory").mkdir()
    return tmp_path


V1, V2 = (
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ("memory.max", "memory.current"),
)


def write(folder: Path, names: tuple[str, str], limit: str, current: int) -> None:
    for name, value in zip(names, (limit, current), strict=True):
        (folder / name).write_text(f"{value}\n")


@pytest.mark.parametrize("names", [V1, V2])
def test_free_is_what_the_container_leaves(cgroup: Path, names: tuple[str, str]) -> None:
    write(cgroup, names, str(70 * MB), 30 * MB)
    assert memory.free() == 40 * MB
    write(cgroup, names, str(70 * MB), 80 * MB)
    assert memory.free() == 0


def test_no_container_and_one_without_a_limit_leave_the_machines(cgroup: Path) -> None:
    available = psutil.virtual_memory().available
    assert memory.free() == pytest.approx(available, rel=0.1)
    write(cgroup, V2, "max", 30 * MB)
    write(cgroup, V1, "9223372036854771712", 30 * MB)
    assert memory.free() == pytest.approx(available, rel=0.1)


# What a run holds


RUN = """
import sys
import numpy as np
from impasto.runtime import Engine
from impasto.runtime.machine.memory import used

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024

photograph, painting = np.random.default_rng(0).random((2, 240, 784, 3), np.float32)
engine, before = Engine.load(device="cpu"), used()
run = engine.start(photograph, painting, size=784, iterations=1, memory=sys.argv[1])
list(run)
stage = run.plan.stages[-1]
print(stage.tile_pixels or 0, stage.memory, peak() - before)
"""


def held(amount: str) -> tuple[int, int, int]:
    """Pixels of a tile, bytes that were planned, and bytes that a run added at its peak."""
    command = [sys.executable, "-c", RUN, amount]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    tile, planned, added = map(int, text.split())
    return tile, planned, added


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_a_run_keeps_to_its_plan() -> None:
    tile, planned, added = held("8GB")
    assert tile == 0
    assert 0.6 * planned <= added <= planned


PASSES = """
import math, sys
import numpy as np
from impasto.runtime import Engine
from impasto.runtime.machine.memory import used
from impasto.runtime.objective.tiled import Tiled
from impasto.runtime.graphs.session import Graph

run, left = Graph.run, []

def watched(graph, *args, **options):
    found = run(graph, *args, **options)
    if options.get("release"):
        left.append(used())
    return found

Graph.run = watched
engine, size, shape = Engine.load(device="cpu"), (384, 960), (384, 576)
objective = Tiled(engine._graphs, "gatys", "avg", size, shape)
objective.set_targets({}, [1.0] * len(engine.manifest.objectives["gatys"].terms))
objective._statistics, objective._pullback
(slot,) = objective.slots(1)
slot.image.update_inplace(np.random.default_rng(0).random((1, 3, *size), np.float32))
slot.gradient.numpy()[:] = 0
before = used()
objective.evaluate(slot)
pullback = engine.manifest.signatures["pullback-gatys-avg.onnx"]
print(4 * math.prod(shape) * pullback.floats_per_pixel, before, *left)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what is resident is measured on Linux")
def test_a_pass_over_tiles_gives_its_memory_back() -> None:
    """Not so where an output of it lives in the memory that its graph took."""
    command = [sys.executable, "-c", PASSES]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    live, before, *left = map(float, text.split())
    assert len(left) == 2
    assert max(left) - before < 0.4 * live
