"""Threads: one for each physical core that may be used, and no more than a container's quota."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from impasto.runtime.machine.processors import default_threads

linux = pytest.mark.skipif(sys.platform != "linux", reason="affinity is Linux'")


def topology(folder: Path, *cores: tuple[int, ...]) -> Path:
    """Processors that share a core each."""
    for core in cores:
        for processor in core:
            place = folder / f"cpu{processor}" / "topology"
            place.mkdir(parents=True)
            (place / "thread_siblings_list").write_text(",".join(map(str, core)) + "\n")
    return folder


def threads(folder: Path, own: str = "", cores: Path | None = None) -> int:
    (folder / "own").write_text(own)
    return default_threads(folder, folder / "own", cores or folder / "none")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def test_here_there_is_one_for_each_core_or_fewer() -> None:
    assert 1 <= default_threads() <= (psutil.cpu_count(logical=False) or 1)


@pytest.mark.usefixtures("eight")
def test_siblings_are_one_core(tmp_path: Path) -> None:
    assert threads(tmp_path) == 8
    cores = topology(tmp_path / "cpu", (0, 4), (1, 5), (2, 6), (3, 7))
    assert threads(tmp_path, cores=cores) == 4


@linux
@pytest.mark.parametrize("keep", [1, 2])
def test_affinity_counts(tmp_path: Path, keep: int) -> None:
    allowed = sorted(os.sched_getaffinity(0))[:keep]
    code = (
        "import os, sys; os.sched_setaffinity(0, eval(sys.argv[1]));"
        "from impasto.runtime.machine.processors import default_threads;"
        "from pathlib import Path; print(default_threads(topology=Path('nowhere')))"
    )
    command = [sys.executable, "-c", code, repr(set(allowed))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(allowed)


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 8),
        ("400000 100000", 4),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("300000", 3),
        ("9000000 100000", 8),
        ("x", 8),
        ("0 0", 8),
    ],
)
def test_the_quota_of_version_2(tmp_path: Path, quota: str, expected: int) -> None:
    write(tmp_path / "cpu.max", quota)
    assert threads(tmp_path) == expected


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(("quota", "expected"), [(-1, 8), (400000, 4), (150000, 2), (1000, 1)])
def test_the_quota_of_version_1(tmp_path: Path, quota: int, expected: int) -> None:
    for folder in ("cpu", "cpu,cpuacct"):
        write(tmp_path / folder / "cpu.cfs_quota_us", str(quota))
        write(tmp_path / folder / "cpu.cfs_period_us", "100000")
        assert threads(tmp_path, "3:cpu,cpuacct:/") == expected
        (tmp_path / folder / "cpu.cfs_quota_us").unlink()


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("own", "mount"), [("0::/outer/inner", ""), ("0::/outer/inner", "unified")]
)
def test_the_tightest_of_nested_groups_counts(tmp_path: Path, own: str, mount: str) -> None:
    write(tmp_path / mount / "outer" / "cpu.max", "200000 100000")
    write(tmp_path / mount / "outer" / "inner" / "cpu.max", "500000 100000")
    write(tmp_path / mount / "sibling" / "cpu.max", "100000 100000")
    assert threads(tmp_path, own) == 2
    write(tmp_path / mount / "outer" / "cpu.max", "max 100000")
    assert threads(tmp_path, own) == 5
