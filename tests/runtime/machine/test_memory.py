"""Amounts of memory: as they are written, free in a container, and really held by a run."""

from __future__ import annotations

import gc
import mmap
import multiprocessing
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from impasto.runtime import Engine, examine_installation
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
    assert str(caught.value) == f"memory={text!r}: give a number such as 2GB or 800M"


def test_amounts_are_shown_to_two_figures_or_more() -> None:
    assert [memory.show_bytes(amount) for amount in (48 * MB, 999 * MB, 1.26e9, 3e10)] == [
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


def test_a_budget_is_what_is_left_of_an_amount_or_most_of_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "ledger", memory.Ledger())  # other tests may hold runs
    assert memory.budget("4GB") == pytest.approx(0.95 * 4e9 - memory.used(), abs=20 * MB)
    assert memory.budget("1MB") == 0
    assert memory.budget(None) == pytest.approx(0.8 * memory.free(), rel=0.1)


# Containers

V1 = ("limit_in_bytes", "usage_in_bytes", "total_inactive_file")
V2 = ("max", "current", "inactive_file")


@pytest.fixture
def group(tmp_path: Path) -> Callable[..., None]:
    """Write what control groups say: ``group(V2, "outer/inner", 70, 30, cached=5)``."""

    def write(
        names: tuple[str, str, str], folder: str, limit: int | str, held: int, cached: int = 0
    ) -> None:
        place = tmp_path / ("memory" if names == V1 else "") / folder
        place.mkdir(parents=True, exist_ok=True)
        text = limit if isinstance(limit, str) else str(limit * MB)
        (place / f"memory.{names[0]}").write_text(f"{text}\n")
        (place / f"memory.{names[1]}").write_text(f"{held * MB}\n")
        stat = f"anon 1\n{names[2]} {cached * MB}\nsome_future_line\n"
        (place / "memory.stat").write_text(stat)

    return write


def free(folder: Path, own: str = "") -> int:
    (folder / "own").write_text(own)
    return memory.free(folder, folder / "own")


@pytest.mark.parametrize("names", [V1, V2])
def test_free_is_what_the_container_leaves(
    tmp_path: Path, group: Callable[..., None], names: Any
) -> None:
    group(names, "", 70, 30)
    assert free(tmp_path) == 40 * MB
    assert memory.total(tmp_path, tmp_path / "own") == 70 * MB
    group(names, "", 70, 80)
    assert free(tmp_path) == 0


@pytest.mark.parametrize("names", [V1, V2])
def test_cached_files_are_free(tmp_path: Path, group: Callable[..., None], names: Any) -> None:
    group(names, "", 70, 60, cached=25)
    assert free(tmp_path) == 35 * MB


@pytest.mark.parametrize(
    ("names", "own"),
    [
        (V2, "0::/outer/inner"),
        (V1, "9:pids:/x\n4:memory:/outer/inner"),
        (V1, "4:cpu,memory:/outer/inner"),
    ],
)
def test_the_tightest_of_nested_groups_counts(
    tmp_path: Path, group: Callable[..., None], names: Any, own: str
) -> None:
    group(names, "", 90, 10)
    group(names, "outer", 60, 40, cached=5)
    group(names, "outer/inner", 50, 10)
    group(names, "sibling", 1, 1)
    assert free(tmp_path, own) == 25 * MB
    group(names, "outer/inner", 30, 10)
    assert free(tmp_path, own) == 20 * MB
    assert memory.total(tmp_path, tmp_path / "own") == 30 * MB
    group(names, "outer/inner", "max", 10)
    assert free(tmp_path, own) == 25 * MB


def test_a_limit_that_only_slows_down_counts(tmp_path: Path, group: Callable[..., None]) -> None:
    group(V2, "", 70, 30)
    (tmp_path / "memory.high").write_text("50000000\n")
    assert free(tmp_path) == 20 * MB


@pytest.mark.parametrize("own", ["0::/../outside", "0::/not/there", "nonsense", "\0", "0::"])
def test_paths_that_mean_nothing_here(tmp_path: Path, group: Callable[..., None], own: str) -> None:
    group(V2, "", 70, 30)
    assert free(tmp_path, own) == 40 * MB


def test_no_container_and_one_without_a_limit_leave_the_machines(
    tmp_path: Path, group: Callable[..., None]
) -> None:
    available = psutil.virtual_memory().available
    assert memory.free(tmp_path, tmp_path / "missing") == pytest.approx(available, rel=0.1)
    group(V2, "", "max", 30)
    group(V1, "", "9223372036854771712", 30)
    assert free(tmp_path) == pytest.approx(available, rel=0.1)
    assert memory.total(tmp_path, tmp_path / "own") == psutil.virtual_memory().total


def test_more_than_there_is_cannot_be_allowed() -> None:
    there_is = memory.total()
    assert memory.budget(there_is) > 0
    with pytest.raises(SettingError) as caught:
        memory.budget("900TB")
    shown = memory.show_bytes(there_is)
    assert str(caught.value) == (f"memory='900TB': there are {shown} here: give less")


# Several runs in one process


def test_what_others_have_reserved_is_not_free() -> None:
    gc.collect()  # so that what other tests left is not given back meanwhile
    before = memory.budget("4GB")
    with memory.reserve(500 * MB):
        assert memory.budget("4GB") == pytest.approx(before - 500 * MB, abs=20 * MB)
        with memory.reserve(250 * MB):
            assert memory.budget("4GB") == pytest.approx(before - 750 * MB, abs=20 * MB)
    assert memory.budget("4GB") == pytest.approx(before, abs=20 * MB)


TAKING = """
import mmap
from impasto.runtime.machine import memory

before = memory.budget("4GB")
with memory.reserve(300_000_000):
    taken = mmap.mmap(-1, 200_000_000)
    taken.write(bytes(200_000_000))
    print(before - memory.budget("4GB"), memory.ledger.outstanding())
"""


def test_what_they_have_taken_is_not_subtracted_twice() -> None:
    """In a process of its own, where no other test gives memory back meanwhile."""
    command = [sys.executable, "-c", TAKING]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    missing, outstanding = map(int, text.split())
    assert missing == pytest.approx(300 * MB, abs=20 * MB)
    assert outstanding == pytest.approx(100 * MB, abs=20 * MB)


def test_a_reservation_ends_with_its_run() -> None:
    kept = memory.reserve(500 * MB)
    assert memory.ledger.outstanding() == pytest.approx(500 * MB, abs=20 * MB)
    del kept
    assert memory.ledger.outstanding() == 0
    twice = memory.reserve(500 * MB)
    twice.release()
    twice.release()
    assert memory.ledger.outstanding() == 0


def test_runs_that_are_planned_at_once_share_what_is_free() -> None:
    """Each takes half of what it is told is free: together less than all of it."""
    whole, taken, held = memory.budget("4GB"), [], []
    gate = threading.Barrier(8)

    def plan() -> None:
        gate.wait()
        with memory.planning():
            half = memory.budget("4GB") // 2
            time.sleep(0.01)  # enough for the others to plan with the same
            held.append(memory.reserve(half))
        taken.append(half)

    threads = [threading.Thread(target=plan) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == pytest.approx(whole * (1 - 0.5**8), rel=0.05)
    held.clear()
    assert memory.ledger.outstanding() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_while_another_thread_plans_does_not_hang() -> None:
    entered, done = threading.Event(), threading.Event()

    def hold() -> None:
        with memory.planning():
            entered.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    kept = memory.reserve(500 * MB)
    thread.start()
    entered.wait()
    child = multiprocessing.get_context("fork").Process(target=memory.reserve, args=(1,))
    child.start()
    child.join(10)
    done.set()
    thread.join()
    kept.release()
    assert child.exitcode == 0


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
paper = {"preset": "gatys2016", "size": 784, "iterations": 1}
run = engine.start(photograph, painting, memory=sys.argv[1], **paper)
list(run)
stage = run.plan.scales[-1]
print(stage.tile_pixels or 0, run.plan.memory, peak() - before)
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
objective = Tiled(engine.runs.graphs, "gatys", "avg", size, shape)
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


def test_where_freed_memory_may_stay_less_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, Windows and musl, whose C libraries have no malloc_trim."""
    assert bool(memory.caveat()) == (platform.libc_ver()[0] != "glibc")
    sure = memory.parse(memory.allowance(1_000_000_000))
    monkeypatch.setattr(memory, "_malloc_trim", lambda: None)
    assert "less certain" in memory.caveat()
    assert memory.parse(memory.allowance(1_000_000_000)) > sure
    assert memory.budget(memory.allowance(1_000_000_000)) >= 1_000_000_000
    memory.trim()
    settings = {"size": 64, "min_size": 64}
    picture = np.zeros((64, 64, 3), np.uint8)
    found = Engine.load("vgg19", device="cpu").estimate(picture, picture, **settings)
    assert found.caveat == memory.caveat()
    assert found.caveat in examine_installation().memory
