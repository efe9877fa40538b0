"""A run that stops and goes on ends in the very bytes of one that never stopped."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from impasto.runtime import CheckpointError, Engine, Run, SettingError, loop, read_checkpoint
from impasto.runtime.optimizers import LBFGS, LBFGSInParts

Picture = NDArray[np.float32]
PLAIN = Path(__file__).parents[1] / "data" / "plain"
IN_PARTS: dict[str, Any] = {"history_size": 1}
"""With tiles."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(PLAIN, device="cpu", threads=2)


@pytest.fixture
def begin(engine: Engine, photo: Callable[..., Picture], in_tiles: Callable[..., Run]) -> Any:
    """``begin("adam", tiled=True)``: a run of two scales, the finer one in tiles."""

    def run(optimizer: Any, tiled: bool = False, iterations: int = 4, **settings: Any) -> Run:
        height, width = 64, 80
        pictures = photo("chelsea", height, width), photo("coffee", height, width)
        new = engine.start(
            *pictures,
            size=width,
            min_size=width // 2,
            schedule=(3, iterations),
            optimizer=optimizer,
            **settings,
        )
        return in_tiles(engine, new) if tiled else new

    return run


def test_in_parts_the_losses_are_those_of_one_pair(begin: Any) -> None:
    """Of L-BFGS, to rounding: the whole image has a graph of its own."""
    parts, whole = begin("lbfgs", True, **IN_PARTS), begin("lbfgs", **IN_PARTS)
    found = [step.loss for step in parts]
    assert isinstance(parts._loop.level.optimizer, LBFGSInParts)
    np.testing.assert_allclose(found, [step.loss for step in whole], rtol=1e-3)
    assert isinstance(whole._loop.level.optimizer, LBFGS)


def finished(run: Run, at: int) -> Iterator[Any]:
    """So many steps."""
    steps = iter(run)
    for _ in range(at):
        yield next(steps)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_with_vgg19_the_bytes_are_those_of_a_run_that_never_stopped(
    photo: Callable[..., Picture], tmp_path: Path, optimizer: Any
) -> None:
    """Winograd's graphs, too: 3 x 160 x 128 pixels and 8 iterations are enough for them."""
    engine = Engine.load("vgg19", device="cpu", convolutions="winograd")
    pictures = photo("chelsea", 128, 160), photo("coffee", 128, 160)
    settings: dict[str, Any] = {"size": 160, "optimizer": optimizer, "iterations": 8}
    run = engine.start(*pictures, min_size=160, **settings)
    for step in run:
        if step.iteration == 5:
            run.save(tmp_path / "run.checkpoint")
    again = Engine.load("vgg19", device="cpu").resume(tmp_path / "run.checkpoint").finish()
    np.testing.assert_array_equal(again.image, run.result().image)
    assert again.loss == run.result().loss


@pytest.mark.parametrize(
    ("optimizer", "tiled", "settings"),
    [
        ("lbfgs", False, {}),
        ("lbfgs", True, {}),
        ("lbfgs", True, IN_PARTS),
        ("adam", False, {}),
        ("adam", True, {}),
    ],
)
def test_the_bytes_are_those_of_a_run_that_never_stopped(
    begin: Any,
    engine: Engine,
    tmp_path: Path,
    optimizer: str,
    tiled: bool,
    settings: dict[str, Any],
) -> None:
    """Stopped before the first step, within a scale, at its border, within the next, at the end."""
    whole = begin(optimizer, tiled, **settings)
    losses = [step.loss for step in whole]
    whole.result().save(tmp_path / "whole.png")
    expected = (tmp_path / "whole.png").read_bytes()
    assert len(losses) == 7
    for at in (0, 2, 3, 5, 7):
        run = begin(optimizer, tiled, **settings)
        before = [step.loss for step in finished(run, at)]
        run.save(tmp_path / "run.checkpoint")
        again = engine.resume(tmp_path / "run.checkpoint")
        assert before + [step.loss for step in again] == losses
        result = again.result()
        assert (result.stopped, result.iterations) == ("finished", 7)
        result.save(tmp_path / "again.png", overwrite=True)
        assert (tmp_path / "again.png").read_bytes() == expected


@pytest.mark.parametrize(("tiled", "settings"), [(False, {}), (True, IN_PARTS)])
def test_after_a_restart_of_the_optimizer(
    begin: Any,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiled: bool,
    settings: dict[str, Any],
) -> None:
    """With every iteration taken for idle, the optimizer forgets its pairs again and again."""
    monkeypatch.setattr(loop, "STALLED", 1e9)
    monkeypatch.setattr(loop, "PATIENCE", 2)
    whole = begin("lbfgs", tiled, iterations=12, **settings)
    losses = [step.loss for step in whole]
    assert whole.stopped == "converged"
    for at in range(len(losses)):
        run = begin("lbfgs", tiled, iterations=12, **settings)
        before = [step.loss for step in finished(run, at)]
        run.save(tmp_path / "run.checkpoint")
        assert before + [s.loss for s in engine.resume(tmp_path / "run.checkpoint")] == losses


def test_the_same_run_gives_the_same_file(begin: Any, tmp_path: Path) -> None:
    for name in ("one.png", "other.png"):
        run = begin("lbfgs")
        run.finish().save(tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_noise_several_styles_and_a_first_image_are_in_it(
    engine: Engine, photo: Callable[..., Picture], tmp_path: Path
) -> None:
    cat, cup, face = (photo(name, 48, 64) for name in ("chelsea", "coffee", "astronaut"))
    for inputs in (
        {"style": [cup, face], "blend": [1, 2], "seed": 3},
        {"content": cat, "style": cup, "init_image": face},
    ):
        settings: dict[str, Any] = {"size": 64, "min_size": 32, "schedule": (2, 2), **inputs}
        expected = engine.stylize(**settings)
        run = engine.start(**settings)
        next(run)
        run.save(tmp_path / "run.checkpoint")
        found = engine.resume(tmp_path / "run.checkpoint").finish()
        np.testing.assert_array_equal(found.image, expected.image)
        assert found.texts == expected.texts


def test_a_checkpoint_tells_of_itself(begin: Any, tmp_path: Path) -> None:
    run = begin("lbfgs")
    next(run)
    run.save(tmp_path / "run.checkpoint", notes={"output": "out.png"})
    header = read_checkpoint(tmp_path / "run.checkpoint")
    assert header.plan == run.plan
    assert header.notes == {"output": "out.png"}
    assert header.machine.threads == 2
    assert pickle.loads(pickle.dumps(header)) == header


# What is no checkpoint


@pytest.fixture
def checkpoint(begin: Any, tmp_path: Path) -> Path:
    run = begin("lbfgs")
    next(run)
    run.save(tmp_path / "run.checkpoint")
    return tmp_path / "run.checkpoint"


def test_cut_short_anywhere(engine: Engine, checkpoint: Path) -> None:
    data = checkpoint.read_bytes()
    for length in [0, 5, 19, 25, 27, 500, len(data) // 2, len(data) - 1]:
        checkpoint.write_bytes(data[:length])
        with pytest.raises(CheckpointError) as caught:
            engine.resume(checkpoint)
        assert str(checkpoint) in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    checkpoint.write_bytes(data + b"x")
    with pytest.raises(CheckpointError, match="cut short or altered"):
        engine.resume(checkpoint)


def test_altered_anywhere(engine: Engine, checkpoint: Path) -> None:
    data = checkpoint.read_bytes()
    random = np.random.default_rng(0)
    places = [0, 20, 30, *random.integers(0, len(data), 25).tolist(), len(data) - 1]
    for place in places:
        spoiled = bytearray(data)
        spoiled[place] ^= 1 << int(random.integers(8))
        checkpoint.write_bytes(spoiled)
        with pytest.raises(CheckpointError):
            engine.resume(checkpoint)
    checkpoint.write_bytes(data)
    assert engine.resume(checkpoint).finish().stopped == "finished"


def test_of_another_bundle_or_version(
    engine: Engine, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.runs.bundle, "digest", "0" * 64, raising=False)
    with pytest.raises(CheckpointError, match="of another bundle"):
        engine.resume(checkpoint)
    monkeypatch.undo()
    monkeypatch.setattr("importlib.metadata.version", lambda _: "99.0")
    with pytest.raises(CheckpointError, match=r"written by impasto .*, and this is 99\.0"):
        engine.resume(checkpoint)


def test_what_is_no_file_at_all(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        engine.resume(tmp_path / "gone")
    (tmp_path / "text").write_text("no checkpoint")
    with pytest.raises(CheckpointError, match="no checkpoint of impasto"):
        engine.resume(tmp_path / "text")
    with pytest.raises(CheckpointError):
        engine.resume(tmp_path)


def test_where_it_cannot_be_written(begin: Any, tmp_path: Path) -> None:
    run = begin("lbfgs")
    with pytest.raises(CheckpointError, match="cannot be written"):
        run.save(tmp_path / "gone" / "run.checkpoint")
    assert os.listdir(tmp_path) == []


# Why there are no more steps


def test_stopped_says_what_happened(begin: Any) -> None:
    run = begin("lbfgs")
    assert run.stopped == run.result().stopped == "not started"
    for _ in run:
        break
    assert run.stopped == run.result().stopped == "unfinished"
    assert run.finish().stopped == "finished"
    assert list(run) == []

    run = begin("lbfgs")
    with pytest.raises(ZeroDivisionError):
        run.finish(on_step=lambda _: 1 / 0)
    assert run.result().stopped == "failed"

    run = begin("lbfgs")
    with pytest.raises(KeyboardInterrupt):
        run.finish(on_step=lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run.stopped == "failed"

    run = begin("lbfgs")
    assert run.finish(cancel=lambda: True).stopped == "cancelled"


def test_a_run_that_was_queued_has_its_whole_deadline(begin: Any) -> None:
    run = begin("lbfgs", iterations=10_000, deadline=1.5)
    import time

    time.sleep(2)
    result = run.finish()
    assert result.stopped == "deadline"
    assert result.iterations > 3
    assert 1.0 < result.seconds < 4


@pytest.mark.parametrize("deadline", [float("nan"), "x", -1, float("inf")])
def test_a_deadline_that_is_none(begin: Any, deadline: Any) -> None:
    with pytest.raises(SettingError, match=r"^deadline="):
        begin("lbfgs", deadline=deadline)
    with pytest.raises(SettingError, match=r"^deadline="):
        begin("lbfgs").finish(deadline=deadline)
