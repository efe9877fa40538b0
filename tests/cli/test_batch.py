"""``impasto batch``, in processes of its own that are killed at any moment."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from impasto.cli.app import run

Program = Callable[..., Any]
PLAIN = Path(__file__).parents[1] / "data" / "plain"
OPTIONS = ("--style", "s.png", "--model", PLAIN, "--device", "cpu", "--threads", 1)
TINY = (*OPTIONS, "--size", 24, "--iterations", 1)


@pytest.fixture
def many(tmp_path: Path) -> Callable[[int], None]:
    """``many(5)``: so many pictures in tmp_path/in and in a folder in it, and s.png."""

    def make(count: int) -> None:
        (tmp_path / "in" / "deep").mkdir(parents=True)
        noise = np.random.default_rng(0).integers(0, 256, (count + 1, 20, 24, 3)).astype(np.uint8)
        Image.fromarray(noise[-1]).save(tmp_path / "s.png")
        for number in range(count):
            folder = tmp_path / "in" / ("deep" if number % 2 else "")
            Image.fromarray(noise[number]).save(folder / f"{number}.png")

    return make


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def there(tmp_path: Path) -> dict[str, tuple[int, str]]:
    """The outputs' inodes and hashes; each is whole, and known to the index."""
    out, found = tmp_path / "out", {}
    known = set()
    for path in (out / ".impasto").glob("index-*.jsonl"):
        for line in path.read_text().splitlines():
            if line.endswith("}"):
                entry = json.loads(line)
                known.add((entry["output"], entry["digest"]))
    for path in out.rglob("*.png"):
        with Image.open(path) as image:
            image.load()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        name = path.relative_to(out).as_posix()
        assert (name, digest) in known
        found[name] = path.stat().st_ino, digest
    return found


def test_a_folder_and_the_rest_of_it(
    impasto: Program, many: Callable[[int], None], tmp_path: Path
) -> None:
    many(4)
    (tmp_path / "in" / "bad.png").write_text("no picture")
    done = impasto("batch", "in", "-o", "out", "--recursive", *TINY, "--workers", 2)
    assert done.returncode == 3, done.stderr
    first, bad, counted, where = done.stderr.splitlines()
    assert first == "impasto: 5 pictures to paint"
    assert bad.startswith("impasto: bad-s.png: in/bad.png is not a picture")
    assert counted.startswith("impasto: 4 painted, 1 failed in ")
    assert "out/failures.jsonl" in where
    assert sorted(there(tmp_path)) == ["0-s.png", "2-s.png", "deep/1-s.png", "deep/3-s.png"]
    (tmp_path / "in" / "bad.png").unlink()
    shutil.copy(tmp_path / "in" / "0.png", tmp_path / "in" / "new.png")
    again = impasto("batch", "--resume", "-o", "out", "--json")
    assert again.returncode == 0, again.stderr
    told = events(again.stdout)
    assert Counter(event["event"] for event in told) == {
        "start": 1,
        "skipped": 4,
        "painted": 1,
        "done": 1,
    }
    assert told[0] == {"event": "start", "rows": 5, "of": 5}
    (painted,) = (event for event in told if event["event"] == "painted")
    assert painted["output"] == "new-s.png"
    assert painted["loss"] > 0
    assert (told[-1]["painted"], told[-1]["skipped"]) == (1, 4)
    assert not (tmp_path / "out" / "failures.jsonl").exists()
    other = impasto("batch", "--resume", "-o", "out", "--seed", 3, "--on-error", "stop", "-q")
    assert other.returncode == 3
    refused = other.stderr.count("exists already, of other inputs or settings; pass --overwrite")
    assert 1 <= refused <= 2  # of two workers both may have begun


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("in",), 2, "--output: give the folder"),
        (("-o", "out"), 2, "PICTURES: name pictures or folders of them, or go on with --resume"),
        (("in", "-o", "out"), 2, "--style: there is no painting"),
        (("in", "-o", "out", "--shard", "9/8", *TINY), 2, "--shard 9/8: give I/N"),
        (("in", "-o", "out", "--workers", 0, *TINY), 2, "--workers 0: give"),
        (("in", "-o", "out", "--name", "{x}.png", *TINY), 2, "--name {x}.png: {x} is no name"),
        (("in", "-o", "in", *TINY), 1, "in is the folder to read"),
        (("gone", "-o", "out", *TINY), 1, "gone does not exist"),
        (("-o", "out", "--resume"), 1, "out: no batch was begun there"),
        (("in", "-o", "out", *TINY, "--ray", "127.0.0.1:1"), 1, "ray"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    many: Callable[[int], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[object, ...],
    code: int,
    part: str,
) -> None:
    many(2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    assert run(["batch", *map(str, arguments)]) == code
    assert part in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists() or "--ray" in arguments


def test_ctrl_c_keeps_what_is_done(
    start: Program, impasto: Program, many: Callable[[int], None], tmp_path: Path
) -> None:
    many(3)
    table = [{"content": "in/0.png", "size": 24, "iterations": 1}]
    table += [
        {"content": f"in/{n}.png", "size": 24, "iterations": 100_000} for n in ("2", "deep/1")
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, table)))
    command = ("batch", "rows.jsonl", "-o", "out", *OPTIONS, "--workers", 2, "--json")
    process = start(*command, start_new_session=True)
    assert json.loads(process.stdout.readline())["event"] == "start"
    assert json.loads(process.stdout.readline())["event"] == "painted"
    workers = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert not psutil.wait_procs(workers, timeout=5)[1]
    assert sorted(there(tmp_path)) == ["0-s.png"]


@pytest.mark.parametrize("whole", [True, False])
def test_killed_at_any_moment(
    start: Program, impasto: Program, many: Callable[[int], None], tmp_path: Path, whole: bool
) -> None:
    """The driver with its workers, or the driver alone, and again until all is painted."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance, count = random.Random(seed), 30
    many(count)
    command = ("batch", "in", "-o", "out", "--recursive", *TINY, "--workers", 2, "--json")
    before: dict[str, tuple[int, str]] = {}
    for _ in range(2):
        process = start(*command, start_new_session=True)
        process.stdout.readline()
        for _ in range(chance.randrange(1, 8)):  # so it paints
            process.stdout.readline()
        time.sleep(chance.random() / 10)
        workers = psutil.Process(process.pid).children(recursive=True)
        (os.killpg if whole else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
        assert not psutil.wait_procs(workers, timeout=10)[1]
        now = there(tmp_path)
        assert {name: now[name] for name in before} == before  # none was painted again
        before = now
    done = impasto(*command)
    assert done.returncode == 0, done.stderr
    now = there(tmp_path)
    assert len(now) == count
    assert {name: now[name] for name in before} == before
    told = Counter(event["event"] for event in events(done.stdout))
    assert told["skipped"] == len(before)
    assert told["painted"] == count - len(before)
    assert 0 < len(before) < count


def test_a_first_image_that_is_not_taken_is_refused(
    impasto: Program, many: Callable[[int], None], tmp_path: Path
) -> None:
    many(1)
    done = impasto("batch", "in", "-o", "out", *TINY, "--init", "in/0.png")
    assert done.returncode == 2
    assert "--init in/0.png" in done.stderr
    assert not (tmp_path / "out").exists()
