"""Frames, animations and diagrams are of the iterations that there were."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def paint(impasto: Program, photo: Path, painting: Path) -> Program:
    def run(*options: object) -> subprocess.CompletedProcess[str]:
        size = ("--size", 64, "--min-size", 32, "--iterations", 4)
        done = impasto(photo, painting, "-o", "out.png", *size, *options)
        assert done.returncode == 0, done.stderr
        return done

    return run


def pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float64)


def test_frames(paint: Program, tmp_path: Path) -> None:
    paint("--frames", "frames", "--save-every", 2)
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == [f"{number:06d}.png" for number in range(2, 2 * len(names) + 1, 2)]
    assert len(names) >= 3
    frames = [pixels(tmp_path / "frames" / name) for name in names]
    assert {frame.shape for frame in frames} == {pixels(tmp_path / "out.png").shape}
    far = [np.abs(frame - pixels(tmp_path / "out.png")).mean() for frame in frames]
    assert far[-1] == 0
    assert far[0] > far[-2] > 0


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_an_animation(paint: Program, tmp_path: Path, suffix: str) -> None:
    paint("--timelapse", f"how.{suffix}")
    with Image.open(tmp_path / f"how.{suffix}") as animation:
        count = animation.n_frames  # type: ignore[attr-defined]
        assert count >= 4
        animation.seek(count - 1)
        last = np.asarray(animation.convert("RGB"), np.float64)
        shown = animation.info["duration"]
    assert shown >= 2000
    assert np.abs(last - pixels(tmp_path / "out.png")).mean() < 12


def test_a_movie_of_it(paint: Program, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    paint("--timelapse", "how.mp4")
    with av.open(str(tmp_path / "how.mp4")) as container:
        frames = list(container.decode(video=0))
        assert len(frames) >= 4
        assert frames[1].time == pytest.approx(0.08)
        assert float(container.duration / av.time_base) == pytest.approx(frames[-1].time + 2)
        last = frames[-1].to_ndarray(format="rgb24").astype(np.float64)
    height, width = last.shape[:2]
    assert np.abs(last - pixels(tmp_path / "out.png")[:height, :width]).mean() < 16


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_diagram(paint: Program, tmp_path: Path, suffix: str) -> None:
    paint("--plot", f"losses.{suffix}")
    data = (tmp_path / f"losses.{suffix}").read_bytes()
    assert data.startswith(b"\x89PNG" if suffix == "png" else b"<?xml")
    if suffix == "svg":
        assert data.count(b'id="line2d_') > 2


def test_the_output_as_it_comes(paint: Program, tmp_path: Path) -> None:
    paint("--save-every", 1)
    assert len(list(tmp_path.glob("out*"))) == 1


def test_what_is_there_already_is_kept(
    impasto: Program, photo: Path, painting: Path, tmp_path: Path
) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "mine").touch()
    (tmp_path / "how.gif").touch()
    for option, name in (("--frames", "frames"), ("--timelapse", "how.gif")):
        done = impasto(photo, painting, "-o", "out.png", "--size", 48, option, name)
        assert done.returncode == 1
        assert "--overwrite" in done.stderr
    assert not (tmp_path / "out.png").exists()


def test_frames_that_become_impossible_cost_no_picture(
    start: Callable[..., subprocess.Popen[str]], photo: Path, tmp_path: Path
) -> None:
    frames = tmp_path / "frames"
    command = ("texture", photo, "-o", "out.png", "--size", 48, "--iterations", 100_000)
    process = start(*command, "--frames", "frames")
    while not (frames / "000002.png").exists():
        assert process.poll() is None
    while frames.exists():  # a frame may come while it goes
        shutil.rmtree(frames, ignore_errors=True)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "there is no folder frames" in said.splitlines()[-1]
    assert "out.png holds the picture of iteration" in said.splitlines()[-1]
    assert (tmp_path / "out.png").exists()
