"""Batches in processes of their own: skipped, refused, killed, poisoned, on a full disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from impasto.runtime import (
    Batch,
    Engine,
    ImpastoError,
    Outcome,
    Row,
    SettingError,
    Setup,
    make_rows,
    read_manifest,
)

Folder = Callable[..., Path]
SETTINGS = {"size": 24, "iterations": 1}


class Case:
    """Pictures in tmp_path/in, a style, and batches of them into tmp_path/out."""

    def __init__(self, plain: Path, top: Path) -> None:
        self.plain, self.top, self.out = plain, top, top / "out"

    def rows(self, **more: Any) -> list[Row]:
        own = {"settings": SETTINGS} | more
        style, manifest = [str(self.top / "style.png")], read_manifest(self.plain)
        return make_rows([str(self.top / "in")], style, str(self.out), manifest=manifest, **own)

    def batch(self, rows: list[Row] | None = None, workers: int = 1, **more: Any) -> Batch:
        own = {name: more.pop(name) for name in ("shard", "on_error") if name in more}
        setup = Setup(
            model=str(self.plain),
            output=str(self.out),
            machine={"device": "cpu", "threads": 1},
            **more,
        )
        return Batch(self.rows() if rows is None else rows, setup, workers=workers, **own)

    def files(self) -> dict[str, tuple[int, str]]:
        """What is there: each output's inode and hash; a name that is hidden is no output."""
        found = {}
        for path in sorted(self.out.rglob("*.png")):
            if ".impasto" not in path.parts:
                Image.open(path).load()  # whole
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[path.relative_to(self.out).as_posix()] = path.stat().st_ino, digest
        return found

    def index(self) -> list[dict[str, str]]:
        paths = (self.out / ".impasto").glob("index-*.jsonl")
        return [
            json.loads(line) for path in paths for line in path.read_text().splitlines() if line
        ]

    def check(self) -> None:
        """Every output is in the index as it is."""
        known = {(entry["output"], entry["digest"]) for entry in self.index()}
        assert {(name, digest) for name, (_, digest) in self.files().items()} <= known


@pytest.fixture
def case(plain: Path, folder: Folder, tmp_path: Path) -> Case:
    folder("in", "a.png", "b.png", "c.png")
    shutil.copy(folder("styles", "style.png") / "style.png", tmp_path / "style.png")
    return Case(plain, tmp_path)


def statuses(outcomes: Iterator[Outcome] | Batch) -> dict[str, str]:
    return {outcome.row.output: outcome.status for outcome in outcomes}


def test_what_is_there_is_skipped_and_what_is_another_is_refused(case: Case) -> None:
    names = ["a-style.png", "b-style.png", "c-style.png"]
    assert statuses(case.batch(workers=2)) == dict.fromkeys(names, "painted")
    before = case.files()
    case.check()
    assert statuses(case.batch()) == dict.fromkeys(names, "skipped")
    assert case.files() == before
    (case.out / names[0]).unlink()  # missing: painted again, to the same bytes
    shutil.copy(case.top / "style.png", case.out / names[1])  # not ours
    shutil.copy(case.top / "in" / "b.png", case.top / "in" / "c.png")  # another input
    batch = case.batch()
    errors = {o.row.output: o.error for o in batch}
    assert errors[names[0]] == ""
    assert case.files()[names[0]][1] == before[names[0]][1]
    assert "of what this batch does not know; pass overwrite=" in errors[names[1]]
    assert "of other inputs or settings; pass overwrite=" in errors[names[2]]
    lines = [json.loads(line) for line in Path(batch.failures).read_text().splitlines()]
    assert {line["output"]: line["error"] for line in lines} == {n: errors[n] for n in names[1:]}
    assert statuses(case.batch(overwrite=True)) == dict(
        zip(names, ("skipped", "painted", "painted"), strict=True)
    )
    assert not Path(batch.failures).exists()
    assert statuses(case.batch(metadata=False, overwrite=True)) == dict.fromkeys(names, "painted")
    assert set(statuses(case.batch()).values()) == {"failed"}  # encoded in another way
    case.check()


def test_a_row_is_painted_as_an_engine_paints_it(case: Case) -> None:
    assert set(statuses(case.batch()).values()) == {"painted"}
    engine = Engine.load(case.plain, device="cpu", threads=1)
    result = engine.stylize(case.top / "in" / "a.png", case.top / "style.png", **SETTINGS)
    result.save(case.top / "alone.png")
    assert (case.top / "alone.png").read_bytes() == (case.out / "a-style.png").read_bytes()


def test_pictures_that_cannot_be_painted_cost_no_others(case: Case) -> None:
    (case.top / "in" / "0.png").write_text("no picture")
    (case.top / "in" / "d.png").write_bytes((case.top / "in" / "a.png").read_bytes()[:300])
    batch = case.batch()
    found = {outcome.row.output: outcome for outcome in batch}
    assert found["0-style.png"].error.startswith(str(case.top / "in" / "0.png"))
    assert found["d-style.png"].status == "failed"
    assert batch.counts == {"painted": 3, "failed": 2}
    assert sorted(case.files()) == ["a-style.png", "b-style.png", "c-style.png"]
    rows = make_rows(
        [batch.failures], [], str(case.out), manifest=read_manifest(case.plain)
    )  # the table of what failed is one to paint
    assert sorted(row.output for row in rows) == ["0-style.png", "d-style.png"]
    assert rows[0].settings == SETTINGS
    stopped = case.batch(on_error="stop", overwrite=True)
    assert stopped.counts.total() == 0
    assert "failed" in statuses(stopped).values()
    assert stopped.counts["failed"] == 1


def test_a_worker_that_is_killed_costs_nothing(case: Case) -> None:
    """Not its row, which another paints; one that kills three is given up, and no other."""
    poisoned = case.top / "in" / "b.png"
    rows = [
        Row(row.content, row.styles, row.output, row.settings | {"iterations": 100_000})
        if row.content == str(poisoned)
        else row
        for row in case.rows()
    ]
    batch = case.batch(rows, workers=2)
    killed: list[int] = []

    def kill(batch: Batch) -> None:
        for worker in batch.workers._workers:  # type: ignore[union-attr]
            if worker.task and worker.task.row.content == str(poisoned):
                os.kill(worker.process.pid, signal.SIGKILL)
                killed.append(worker.process.pid)
                worker.process.join()

    found = {outcome.row.output: outcome for outcome in batch.run(on_progress=kill)}
    assert len({*killed}) == 3
    assert found["b-style.png"].error == (
        "the worker that painted it was ended by signal 9, 3 times"
    )
    assert batch.counts == {"painted": 2, "failed": 1}
    assert sorted(case.files()) == ["a-style.png", "c-style.png"]
    case.check()


def test_who_leaves_early_leaves_no_process(case: Case) -> None:
    rows = [
        Row(r.content, r.styles, r.output, {**SETTINGS, "iterations": 10_000}) for r in case.rows()
    ]
    outcomes = case.batch([case.rows()[0], *rows[1:]], workers=2).run()
    assert next(outcomes).status == "painted"
    outcomes.close()  # type: ignore[attr-defined]
    assert not [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]
    assert sorted(case.files()) == ["a-style.png"]


def test_two_batches_in_one_folder(case: Case) -> None:
    outcomes = case.batch().run()
    next(outcomes)
    with pytest.raises(ImpastoError, match="another batch writes into it"):
        next(iter(case.batch()))
    with pytest.raises(ImpastoError, match=r"another batch .*lock"):
        next(iter(case.batch(shard=(1, 1)).run()))
    outcomes.close()  # type: ignore[attr-defined]
    with pytest.raises(SettingError, match="give I/N"):
        case.batch(shard=(3, 2))


def test_shards_paint_it_all_between_them(case: Case) -> None:
    for number in (1, 2):
        batch = case.batch(shard=(number, 2))
        assert set(statuses(batch).values()) <= {"painted"}
        assert batch.failures.endswith(f"failures-{number}-of-2.jsonl")
    assert len(case.files()) == len(case.index()) == 3
    assert set(statuses(case.batch()).values()) == {"skipped"}


def test_what_no_worker_can_do_is_told_once(case: Case) -> None:
    setup = Setup(model=str(case.plain), output=str(case.out), machine={"device": "cuda:7"})
    with pytest.raises(ImpastoError, match="cuda"):
        list(Batch(case.rows(), setup, workers=2))
    (case.top / "file").touch()
    setup = Setup(model=str(case.plain), output=str(case.top / "file"))
    with pytest.raises(ImpastoError, match="file"):
        list(Batch(case.rows(), setup))


@pytest.fixture
def small_disk(case: Case) -> Iterator[Case]:
    """The outputs' folder has a disk of 40 kB."""
    case.out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(case.out)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk")
    yield case
    subprocess.run(["umount", str(case.out)], check=True)


def test_a_full_disk_ends_the_batch_and_nothing_is_lost(small_disk: Case) -> None:
    case = small_disk
    (case.out / "filler").write_bytes(bytes(18_000))
    batch = case.batch()
    with pytest.raises(ImpastoError, match=r"does not fit on its disk.*begin again"):
        list(batch)
    assert 0 < batch.counts["painted"] < 3
    assert batch.counts["failed"] == 1  # the others were not tried
    before = case.files()
    assert len(before) == batch.counts["painted"]
    case.check()
    (case.out / "filler").unlink()
    assert set(statuses(case.batch()).values()) <= {"skipped", "painted"}
    assert len(case.files()) == 3
    assert {name: case.files()[name] for name in before} == before


@pytest.mark.parametrize("count", [60, pytest.param(10_000, marks=pytest.mark.soak)])
def test_memory_stays_however_many_there_are(case: Case, count: int) -> None:
    """Of the driver and of its worker; each is painted once."""
    for number in range(count):
        os.link(case.top / "in" / "a.png", case.top / "in" / f"n{number}.png")
    batch = case.batch(workers=2)
    used: list[int] = []

    def watch(batch: Batch) -> None:
        pids = [w.process.pid for w in batch.workers._workers]  # type: ignore[union-attr]
        used.append(sum(psutil.Process(pid).memory_info().rss for pid in (os.getpid(), *pids)))

    assert set(statuses(batch.run(on_progress=watch)).values()) == {"painted"}
    assert len(case.index()) == len(case.files()) == count + 3
    warm = used[len(used) // 3]
    assert used[-1] <= warm + 30_000_000
