"""A real Ray on this machine, with two nodes' worth of actors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.soak
Folder = Callable[..., Path]
TINY = ("--size", "24", "--iterations", "2", "--json")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def batch(
    address: str, plain: Path, folder: Folder, tmp_path: Path
) -> Callable[..., subprocess.Popen[str]]:
    folder("in", *(f"{n}.png" for n in range(12)))
    folder("styles", "s.png")

    def start(*more: str) -> subprocess.Popen[str]:
        words = ["batch", "in", "-o", "out", "--style", "styles", "--model", str(plain), *more]
        command = [sys.executable, "-m", "impasto.cli", *words, "--ray", address]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=tmp_path, text=True, **pipes)  # type: ignore[call-overload]

    return start


def counted(text: str) -> Counter[str]:
    return Counter(json.loads(line)["event"] for line in text.splitlines())


def actors() -> list[psutil.Process]:
    """Those that paint."""
    found = psutil.process_iter(["cmdline"])
    return [p for p in found if (p.info["cmdline"] or [""])[0].startswith("ray::_Actor")]


def outputs(tmp_path: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (tmp_path / "out").glob("*.png")}


def test_two_nodes_paint_and_what_dies_costs_nothing(
    batch: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "in" / "bad.png").write_text("no picture")
    process = batch(*TINY)
    lines = [process.stdout.readline() for _ in range(3)]  # start, and two rows
    while len(actors()) < 2:  # the other one begins later where the machine is busy
        lines.append(process.stdout.readline())
        assert len(lines) < 10
    assert len(actors()) == 2
    for actor in actors():
        actor.kill()
    out, said = process.communicate(timeout=120)
    assert process.returncode == 3, said
    assert counted("".join(lines) + out) == {"start": 1, "painted": 12, "failed": 1, "done": 1}
    assert len(outputs(tmp_path)) == 12
    again = batch(*TINY)
    out, said = again.communicate(timeout=120)
    assert counted(out) == {"start": 1, "skipped": 12, "failed": 1, "done": 1}, said


def test_the_driver_is_killed_and_begins_again(batch: Callable[..., Any], tmp_path: Path) -> None:
    process = batch(*TINY)
    for _ in range(5):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    end = time.monotonic() + 60
    while actors() and time.monotonic() < end:  # Ray ends those of a driver that has gone
        time.sleep(0.1)
    assert not actors()
    before = outputs(tmp_path)
    out, said = batch(*TINY).communicate(timeout=120)
    told = counted(out)
    assert told["skipped"] == len(before), said
    assert told["painted"] == 12 - len(before)
    now = outputs(tmp_path)
    assert len(now) == 12
    assert {name: now[name] for name in before} == before


def test_what_no_actor_can_do_is_told(batch: Callable[..., Any]) -> None:
    process = batch(*TINY, "--device", "cuda:7")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "cuda" in said.splitlines()[-1]
    assert "Traceback" not in said
