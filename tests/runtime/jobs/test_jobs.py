"""Jobs: as if each were alone, in their order, within the memory, and ended whenever one likes."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from impasto.runtime import (
    CheckpointError,
    DeadlineError,
    Engine,
    ImageError,
    ImpastoError,
    Job,
    Jobs,
    QueueFull,
    SettingError,
    Step,
)
from impasto.runtime.machine import memory
from impasto.runtime.run import Run

Picture = NDArray[np.float32]
Pair = tuple[Picture, Picture]
PLAIN = Path(__file__).parents[2] / "data" / "plain"
LONG = 100_000
"""Iterations of a job that somebody must end."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(PLAIN, device="cpu", threads=1)


@pytest.fixture
def pair(photo: Callable[..., Picture]) -> Pair:
    return photo("chelsea", 32, 40), photo("coffee", 32, 40)


def submit(pool: Jobs, pair: Pair, **given: Any) -> Job:
    return pool.submit(*pair, **{"size": 40, **given})


class Gate:
    """``on_step`` that tells when a job's first iteration is done, and holds it there."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, step: Step) -> None:
        self.reached.set()
        assert self.open.wait(60)


@pytest.fixture
def jobs(engine: Engine) -> Iterator[Jobs]:
    with Jobs(engine, workers=1, queue=3) as found:
        yield found


@pytest.fixture
def busy(jobs: Jobs, pair: Pair) -> Iterator[tuple[Job, Gate]]:
    """A job that is being painted, and what holds it."""
    gate = Gate()
    job = submit(jobs, pair, iterations=3, on_step=gate)
    assert gate.reached.wait(60)
    yield job, gate
    gate.open.set()


def test_many_at_once_give_the_bytes_that_each_gives_alone(
    engine: Engine, photo: Callable[..., Picture]
) -> None:
    kinds: list[dict[str, Any]] = [
        {"size": 48, "optimizer": "lbfgs", "init": "noise"},
        {"size": 40, "optimizer": "adam"},
        {"size": 96, "min_size": 48, "iterations": 2},
        {"size": 32, "color": "content"},
    ]
    pictures = photo("chelsea", 64, 80), photo("coffee", 64, 80)
    given = [{"iterations": 3, "seed": n, **kinds[n % 4]} for n in range(12)]
    expected = [engine.stylize(*pictures, **settings).image for settings in given]
    with Jobs(engine, workers=4, queue=12) as pool:
        made = [pool.submit(*pictures, **settings) for settings in given]
    for job, image in zip(made, expected, strict=True):
        np.testing.assert_array_equal(job.result().image, image)
        assert job.status == "done"


def test_a_job_from_beginning_to_end(jobs: Jobs, busy: tuple[Job, Gate]) -> None:
    job, gate = busy
    assert (job.status, job.ahead, job.done()) == ("running", 0, False)
    step = job.progress()
    assert step
    assert step.iteration == 1
    assert job.plan.size == (32, 40)
    seen = job.snapshot()
    assert seen
    assert seen.size == (40, 32)
    ended: list[Job] = []
    job.add_done_callback(ended.append)
    gate.open.set()
    result = job.result(60)
    assert (result.iterations, result.stopped) == (3, "finished")
    assert ended == [job]
    assert job.exception() is None
    final = job.snapshot()
    assert final
    assert np.array_equal(np.asarray(final), np.asarray(result.to_pil()))
    assert jobs.wait(60)
    assert (jobs.running, jobs.waiting) == (0, 0)


def test_the_queue_is_bounded_and_priorities_come_first(
    jobs: Jobs, busy: tuple[Job, Gate], pair: Pair
) -> None:
    order: list[str] = []
    for name, priority in (("first", 0), ("second", 0), ("urgent", 1)):
        job = submit(jobs, pair, iterations=1, priority=priority)
        job.add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]
        made = job
    assert (jobs.waiting, made.ahead, made.status, made.snapshot()) == (3, 0, "queued", None)
    with pytest.raises(QueueFull, match="3 jobs wait, and no more may"):
        submit(jobs, pair, priority=9)
    assert jobs.waiting == 3
    busy[1].open.set()
    assert jobs.wait(60)
    assert order == ["urgent", "first", "second"]


def test_a_pool_without_a_queue(engine: Engine, pair: Pair) -> None:
    with Jobs(engine, queue=0) as pool:
        job = submit(pool, pair, iterations=LONG)
        with pytest.raises(QueueFull):
            submit(pool, pair)
        job.cancel()


def test_jobs_that_do_not_fit_beside_each_other_come_one_after_another(
    engine: Engine, pair: Pair
) -> None:
    now, most = 0, 0
    lock = threading.Lock()

    def enter(step: Step) -> None:
        nonlocal now, most
        with lock:
            now += step.iteration == 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= step.iteration == 3

    for share, expected in ((1.5, 1), (2.5, 2)):
        now = most = 0
        with Jobs(engine, workers=3) as pool:
            gate = Gate()
            first = submit(pool, pair, iterations=1, on_step=gate)
            assert gate.reached.wait(60)
            pool._queue._room = round(share * first.memory)
            made = [submit(pool, pair, iterations=3, on_step=enter) for _ in range(4)]
            assert {job.memory for job in made} == {first.memory}
            gate.open.set()
        assert most == expected


def test_a_plan_is_for_the_memory_of_the_pool(engine: Engine, pair: Pair) -> None:
    with Jobs(engine, memory=memory.used() + 1_500_000_000) as pool:
        assert 1_000_000_000 < pool.memory < 2_000_000_000
        with pytest.raises(SettingError, match="memory"):
            pool.submit(*pair, size=16000, optimizer="lbfgs")
        large = pool.submit(*pair, size=2000, iterations=1, memory="800MB")
        assert large.plan.scales[-1].tile_pixels
        large.cancel()


@pytest.mark.parametrize("at", [1, 4])
def test_cancelled_while_it_is_painted(jobs: Jobs, pair: Pair, at: int) -> None:
    ahead = threading.Event()
    job = submit(
        jobs, pair, iterations=LONG, on_step=lambda step: step.iteration == at and ahead.set()
    )
    assert ahead.wait(60)
    assert job.cancel()
    result = job.result(60)
    assert result.stopped == "cancelled"
    assert at <= result.iterations < LONG
    assert not job.cancel()
    assert submit(jobs, pair, iterations=1).result(60).stopped == "finished"


def test_cancelled_while_it_waits(jobs: Jobs, busy: Any, pair: Pair) -> None:
    job = submit(jobs, pair)
    ended: list[Job] = []
    job.add_done_callback(ended.append)
    assert job.cancel()
    assert job.cancel()
    assert (job.status, jobs.waiting, ended) == ("cancelled", 0, [job])
    with pytest.raises(CancelledError):
        job.result(0)


def test_times(jobs: Jobs, busy: tuple[Job, Gate], pair: Pair) -> None:
    """From the start, from when it was made, and what the pool allows."""
    late = submit(jobs, pair, within=0.05)
    with pytest.raises(DeadlineError, match=r"within 0\.05 s, and had not begun"):
        late.result(60)
    assert (late.status, jobs.waiting) == ("failed", 0)
    made = [submit(jobs, pair, iterations=LONG, **t) for t in ({"deadline": 0.2}, {"within": 2})]
    busy[1].open.set()
    assert [job.result(60).stopped for job in made] == ["deadline", "deadline"]
    with Jobs(jobs._engine, seconds=0.2) as pool:
        assert submit(pool, pair, iterations=LONG, deadline=60).result(60).stopped == "deadline"


def test_a_suspended_job_goes_on_to_the_same_bytes(
    engine: Engine, pair: Pair, tmp_path: Path
) -> None:
    expected = engine.stylize(*pair, size=40, iterations=8).image
    file, gate = tmp_path / "job.checkpoint", Gate()
    pool = Jobs(engine)
    job = submit(pool, pair, iterations=8, on_step=gate, checkpoint=file, notes={"name": "cat"})
    waits = submit(pool, pair)
    assert gate.reached.wait(60)
    threading.Timer(0.2, gate.open.set).start()
    pool.close(suspend=True)
    assert (job.status, waits.status) == ("cancelled", "cancelled")
    with pytest.raises(ImpastoError, match="closed"):
        submit(pool, pair)
    with Jobs(engine) as pool:
        again = pool.resume(file)
        np.testing.assert_array_equal(again.result(60).image, expected)
        with pytest.raises(SettingError, match="name a file when the job is made"):
            submit(pool, pair).suspend()
        with pytest.raises(CheckpointError):
            pool.resume(tmp_path / "none.checkpoint")


def test_checkpoints_on_the_way(jobs: Jobs, engine: Engine, pair: Pair, tmp_path: Path) -> None:
    """And a folder that takes none costs no picture."""
    file = tmp_path / "job.checkpoint"
    job = submit(jobs, pair, iterations=5, checkpoint=file, checkpoint_every=0)
    result = job.result(60)
    again = engine.resume(file).finish()
    np.testing.assert_array_equal(again.image, result.image)
    nowhere = tmp_path / "no" / "job.checkpoint"
    job = submit(jobs, pair, iterations=2, checkpoint=nowhere, checkpoint_every=0)
    assert job.result(60).stopped == "finished"


def test_pictures_wait_as_they_came_or_compressed(
    engine: Engine, jobs: Jobs, busy: tuple[Job, Gate], tmp_path: Path, photo: Any
) -> None:
    """A loaded Pillow image with an orientation, one that is not loaded, deep ones, files."""
    deep = np.round(photo("chelsea", 40, 56)[:, :, 0] * 65535).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    plain = Image.fromarray(np.uint8(photo("chelsea", 40, 56) * 255))
    exif = Image.Exif()
    exif[0x112] = 6
    plain.save(tmp_path / "turned.jpg", exif=exif)
    loaded = Image.open(tmp_path / "turned.jpg")
    loaded.load()
    data = (tmp_path / "turned.jpg").read_bytes()
    kinds: list[Any] = [
        loaded,
        Image.open(tmp_path / "turned.jpg"),
        Image.open(tmp_path / "deep.png"),
        plain.convert("P"),
        plain.convert("CMYK"),
        np.asarray(plain),
        photo("coffee", 40, 56),
        data,
        memoryview(data),
        io.BytesIO(data),
        tmp_path / "deep.png",
    ]
    busy[1].open.set()
    style = photo("coffee", 32, 40)
    expected = [engine.stylize(kind, style, size=56, iterations=1).image for kind in kinds]
    for kind, image in zip(kinds, expected, strict=True):
        np.testing.assert_array_equal(
            jobs.submit(kind, style, size=56, iterations=1).result(60).image, image
        )


def test_what_cannot_be_painted_is_told_at_once(jobs: Jobs, pair: Pair) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        jobs.submit("nowhere.jpg", pair[1])
    with pytest.raises(SettingError, match=r"did you mean size\?"):
        submit(jobs, pair, siz=3)  # type: ignore[call-arg]
    with pytest.raises(SettingError, match="maps='x'"):
        submit(jobs, pair, maps={"x": pair[0][:, :, 0]})
    assert (jobs.running, jobs.waiting) == (0, 0)


def test_what_ends_in_an_error(jobs: Jobs, tmp_path: Path, pair: Pair) -> None:
    job = submit(jobs, pair, on_step=lambda step: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        job.result(60)
    assert (job.status, type(job.exception())) == ("failed", ZeroDivisionError)
    Image.fromarray(np.uint8(pair[0] * 255)).save(tmp_path / "cut.png")
    whole = (tmp_path / "cut.png").read_bytes()
    job = jobs.submit(whole[: len(whole) // 2], pair[1])
    with pytest.raises(ImageError):
        job.result(60)


@pytest.mark.parametrize(
    "given", [{"workers": 0}, {"queue": -1}, {"workers": 1.5}, {"memory": "x"}, {"seconds": -1}]
)
def test_what_a_pool_refuses(engine: Engine, given: Any) -> None:
    with pytest.raises(SettingError):
        Jobs(engine, **given)


def test_in_an_event_loop(engine: Engine, pair: Pair) -> None:
    async def paint(pool: Jobs) -> None:
        results = await asyncio.gather(*(submit(pool, pair, iterations=n) for n in (1, 2, 3)))
        assert [result.iterations for result in results] == [1, 2, 3]
        job = submit(pool, pair, iterations=LONG)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job, 0.2)
        assert job.result(60).stopped == "cancelled"
        waits = [submit(pool, pair, iterations=LONG) for _ in range(3)]
        waits[2].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits[2]
        for job in waits:
            job.cancel()

    with Jobs(engine) as pool:
        asyncio.run(paint(pool))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_in_a_child_that_was_forked(
    engine: Engine, jobs: Jobs, busy: tuple[Job, Gate], pair: Pair
) -> None:
    """The pool says that it is not its own; the engine paints."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = []
        for call in (lambda: submit(jobs, pair), lambda: busy[0].result(5)):
            try:
                call()
            except ImpastoError as error:
                said.append(str(error))
        with Jobs(engine) as pool:
            said.append(str(submit(pool, pair, iterations=2).result(60).iterations))
        os.write(writer, "\n".join(said).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        submitted, asked, painted = file.read().decode().splitlines()
    os.waitpid(child, 0)
    assert "forked" in submitted
    assert "forked" in asked
    assert painted == "2"


def fails(step: Step) -> None:
    raise ValueError("a caller's own")


def runs() -> set[int]:
    gc.collect()
    return {id(found) for found in gc.get_objects() if isinstance(found, Run)}


def test_an_error_holds_nothing_of_the_run(jobs: Jobs, pair: Pair) -> None:
    """Its traceback has frames, and those have functions: whoever keeps failed jobs keeps these."""
    before = runs()
    job = submit(jobs, pair, iterations=1, on_step=fails)
    error = job.exception(60)
    assert isinstance(error, ValueError)
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)][-1] == "fails"
    assert runs() <= before
