"""``impasto video``, in processes of its own that are killed at any moment; estimate; errors."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")
pytest.importorskip("cv2")

from impasto.cli.app import run

Program = Callable[..., Any]
MOVING = Path(__file__).parents[1] / "data" / "moving"
OPTIONS = ("--model", MOVING, "--device", "cpu", "--threads", 1, "--size", 48, "--iterations", 2)
COMMAND = ("video", "clip.mp4", "style.png", *OPTIONS, "--frame-iterations", 2)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Eight frames of a smooth pattern that moves, 32 x 48."""
    import av

    y, x = np.mgrid[:32, :48]
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for number in range(8):
            wave = np.sin(0.4 * (x - number) + 0.2 * y)[:, :, None] + np.array([0, 0.5, 1])
            rgb = np.rint(100 + 50 * wave).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    noise = np.random.default_rng(0).integers(0, 256, (24, 30, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "style.png")
    return tmp_path / "clip.mp4"


def test_it_goes_on_where_it_was_killed(
    start: Program, impasto: Program, clip: Path, tmp_path: Path
) -> None:
    done = impasto(*COMMAND, "-o", "whole.mkv", "--json")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in told] == ["survey", *["paint"] * 9, "write", "done"]
    assert told[-1]["size"] == [48, 32]
    process = start(*COMMAND, "-o", "parts.mkv", "--json")
    while json.loads(process.stdout.readline())["done"] < 4:
        pass
    process.kill()
    process.wait()
    kept = {p.name: p.stat().st_ino for p in (tmp_path / "parts.mkv.impasto").rglob("0*.png")}
    assert len(kept) >= 4
    assert not (tmp_path / "parts.mkv").exists()
    again = impasto(*COMMAND, "-o", "parts.mkv", "--json")
    assert again.returncode == 0, again.stderr
    first = next(e for e in map(json.loads, again.stdout.splitlines()) if e["event"] == "paint")
    assert first["done"] == len(kept)  # none is painted twice
    assert (tmp_path / "parts.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()
    assert not (tmp_path / "parts.mkv.impasto").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_keeps_what_is_painted(start: Program, clip: Path, tmp_path: Path) -> None:
    process = start(*COMMAND, "-o", "out.mp4", "--frame-iterations", 200, "--json")
    while json.loads(process.stdout.readline())["done"] < 1:
        pass
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 20
    assert process.returncode == 130
    assert "what is painted is kept: call it again to go on" in err
    assert (tmp_path / "out.mp4.impasto" / "pass-1" / "000001.png").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("clip.mp4", "style.png"), 2, "--output: give the video to write"),
        (("clip.mp4", "-o", "out.mp4"), 2, "--style: there is no painting"),
        (("gone.mp4", "style.png", "-o", "out.mp4"), 1, "gone.mp4 does not exist"),
        (("style.png", "style.png", "-o", "out.avi"), 1, "out.avi has the suffix of no video"),
        (("clip.mp4", "style.png", "-o", "out.mp4", "--passes", "0"), 2, "--passes 0: give"),
        (("clip.mp4", "style.png", "-o", "out.mp4", "--color", "match"), 2, "--color match: each"),
        (("clip.mp4", "style.png", "-o", "clip.mp4"), 1, "clip.mp4 exists already; pass --over"),
        (
            ("clip.mp4", "style.png", "-o", "clip.mp4", "--overwrite"),
            1,
            "clip.mp4 is the video to read",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    part: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["video", *arguments, *map(str, OPTIONS)]) == code
    assert part in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.glob("out*"))


def test_without_the_extra_it_says_what_to_install(
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for module in ("av", "cv2"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            assert run(["video", "clip.mp4", "style.png", "-o", "out.mp4"]) == 1
        assert "pip install av opencv-python-headless" in capsys.readouterr().err


def test_estimate_knows_videos(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--model", str(MOVING), "--device", "cpu", "--size", "48")
    assert run(["estimate", "clip.mp4", *options, "--frame-iterations", "7", "--passes", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("8 frames of 48 x 32 pixels in 1 scene: about ")
    assert "7 iterations a frame, 2 x" in said
    assert run(["estimate", "clip.mp4", *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["frames"], found["scenes"], found["size"]) == (8, 1, [48, 32])
