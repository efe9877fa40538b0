"""SIGKILL at moments drawn over a run: whatever was lost, the picture is the same."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from impasto.runtime import read_checkpoint

Program = Callable[..., Any]
PLAIN = Path(__file__).parents[1] / "data" / "plain"
RUN = ("--model", PLAIN, "--size", 400, "--min-size", 200, "--iterations", 20, "--json")

TILES = """
import dataclasses, sys
import numpy as np
from impasto.runtime import Engine, Run
from impasto.runtime.loop import Loop

folder, model, *resuming = sys.argv[1:]
engine = Engine.load(model, device="cpu")
if resuming:
    run = engine.resume(folder + "/run.checkpoint")
else:
    pictures = np.random.default_rng(0).random((2, 208, 240, 3), np.float32)
    begun = engine.start(*pictures, size=240, min_size=240, optimizer="adam", iterations=40)
    scale = dataclasses.replace(begun.plan.scales[0], tile_pixels=120 * 120)
    plan = dataclasses.replace(begun.plan, scales=(scale,))
    loop = Loop(engine.runs.graphs, plan, begun._loop.pictures)
    run = Run(loop, begun._machine, engine.runs.bundle.digest, begun._reservation)
    run.save(folder + "/run.checkpoint")
for step in run:
    print(step.iteration, flush=True)
    run.save(folder + "/run.checkpoint")
run.result().save(folder + "/out.png", overwrite=True)
"""


@pytest.fixture
def command(photo: Path, painting: Path) -> tuple[object, ...]:
    return ("stylize", photo, "--style", painting, "-o", "out.png", *RUN)


def iterations(text: str) -> int:
    """The last one that a process told."""
    events = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    return max((e["iteration"] for e in events if e["event"] == "iteration"), default=0)


def kill(process: Any, path: Path, moment: float | None, painting: bool = False) -> str:
    """After so many seconds, of ``painting`` or of all, or while a checkpoint is written.

    It paints from its first checkpoint on. What it had told is returned.
    """
    since = None if painting else time.monotonic()
    while process.poll() is None:
        since = since or (time.monotonic() if path.exists() else None)
        if moment is None and path.exists() and list(path.parent.glob(".impasto-*.tmp")):
            break
        if moment is not None and since and time.monotonic() - since >= moment:
            break
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    return str(out)


@pytest.mark.parametrize(
    ("moments", "writes"), [(9, 3), pytest.param(60, 20, marks=pytest.mark.soak)]
)
def test_killed_at_any_moment(
    start: Program,
    impasto: Program,
    command: tuple[object, ...],
    tmp_path: Path,
    moments: int,
    writes: int,
) -> None:
    """``moments``: a third while it starts, the rest while it paints; ``writes``: of a file."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance, path = random.Random(seed), tmp_path / "run.checkpoint"
    assert impasto(*command).returncode == 0
    expected = (tmp_path / "out.png").read_bytes()
    kept = ("--checkpoint", path, "--checkpoint-every", 0, "--overwrite")
    began = time.monotonic()
    process = start(*command, *kept)
    while not path.exists() and process.poll() is None:
        time.sleep(0.0005)
    begun = time.monotonic()
    process.communicate()
    assert process.returncode == 0
    starts, paints = begun - began, time.monotonic() - begun
    assert (tmp_path / "out.png").read_bytes() == expected
    early = moments // 3
    times: list[tuple[float | None, bool]] = [
        *((chance.random() * starts, False) for _ in range(early)),
        *(
            ((part + chance.random()) / (moments - early) * paints, True)
            for part in range(moments - early)
        ),
        *[(None, False)] * writes,
    ]
    interrupted = 0
    for moment, painting in times:
        path.unlink(missing_ok=True)
        (tmp_path / "out.png").unlink(missing_ok=True)
        told = iterations(kill(start(*command, *kept), path, moment, painting))
        if not path.exists():  # killed before it began
            assert told == 0
            continue
        where = read_checkpoint(path).where  # so it is whole
        done = where.iterations if where else 0
        assert done >= told - 1  # one is told before it is kept
        interrupted += 0 < done < 40
        again = impasto("resume", path, "--overwrite", "--json")
        assert again.returncode == 0, again.stderr
        assert (tmp_path / "out.png").read_bytes() == expected
        for left in tmp_path.glob(".impasto-*.tmp"):  # a kill leaves these, and nothing reads them
            left.unlink()
    assert interrupted >= 2


def test_killed_in_tiles(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance, path = random.Random(seed), tmp_path / "run.checkpoint"

    def begin(*more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", TILES, str(tmp_path), str(PLAIN), *more]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    began = time.monotonic()
    assert begin().wait() == 0
    whole = time.monotonic() - began
    expected = (tmp_path / "out.png").read_bytes()
    path.unlink()
    (tmp_path / "out.png").unlink()
    kill(begin(), path, chance.uniform(0.5 * whole, 0.9 * whole))
    for _ in range(5):  # each goes on with what the one before left
        if not path.exists():
            begin().wait()
        kill(begin("again"), path, chance.uniform(0.3 * whole, 0.9 * whole))
    assert begin("again").wait() == 0
    assert (tmp_path / "out.png").read_bytes() == expected
