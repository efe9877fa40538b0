"""``impasto sound`` and ``texture-sound``, in processes of their own."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from impasto.cli.app import run

HUM = Path(__file__).parents[1] / "data" / "hum"
OPTIONS = ("--model", str(HUM), "--device", "cpu", "--threads", "1")
Program = Callable[..., Any]


@pytest.fixture(autouse=True)
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """a.wav of two channels, b.flac of one, and files that are no sounds."""
    monkeypatch.chdir(tmp_path)
    time = np.arange(8000) / 8000
    a = np.sin(2 * np.pi * 400 * time) * (np.sin(2 * np.pi * 4 * time) > 0) * 0.3
    b = np.sin(2 * np.pi * 900 * time) * np.exp(-6 * (4 * time % 1)) * 0.6
    noise = 0.01 * np.random.default_rng(0).standard_normal((2, 8000))
    soundfile.write("a.wav", np.stack([a, 0.5 * a], 1) + noise.T, 8000)
    soundfile.write("b.flac", b + noise[0], 8000)
    soundfile.write("hush.wav", np.zeros(8000), 8000)
    soundfile.write("short.wav", a[:100], 8000)
    soundfile.write("nan.wav", np.full(8000, np.nan), 8000, subtype="FLOAT")
    Path("text.wav").write_text("no sound")


def code(*words: object) -> int:
    return run([str(word) for word in (*words, *OPTIONS)])


def test_a_sound_is_painted(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("sound", "a.wav", "--style", "b.flac", "--iterations", 3) == 0
    found, rate = soundfile.read("a-b.wav")
    assert (rate, found.shape) == (8000, (8000, 2))
    said = capsys.readouterr().err
    assert "painting 1.0 s in 126 frames on cpu" in said
    assert "a-b.wav: 1.0 s in 126 frames, loss" in said


def test_events_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("sound", "a.wav", "--style", "b.flac", "-o", "c.flac", "--iterations", 2, "--json")
    assert code(*words) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["start", "iteration", "iteration", "done"]
    assert events[0]["size"] == [126, 1]
    assert soundfile.info("c.flac").frames == 8000


def test_a_texture_is_as_long_as_wanted() -> None:
    words = ("texture-sound", "b.flac", "--seconds", "1.7", "-o", "more.ogg", "--iterations", 2)
    assert code(*words, "--quiet") == 0
    assert soundfile.info("more.ogg").frames == 13600


@pytest.mark.parametrize(
    ("words", "about", "expected"),
    [
        (("sound", "a.wav"), "--style: there is no sound to paint like", 2),
        (("sound", "hush.wav", "--style", "b.flac"), "hush.wav is silent", 1),
        (("sound", "a.wav", "--style", "hush.wav"), "hush.wav is silent", 1),
        (("sound", "short.wav", "--style", "b.flac"), "short.wav is 0.013 s long", 1),
        (("sound", "nan.wav", "--style", "b.flac"), "nan.wav holds samples that are not", 1),
        (("sound", "text.wav", "--style", "b.flac"), "text.wav: no sound that can be read", 1),
        (("sound", "no.wav", "--style", "b.flac"), "no.wav: there is no such file", 1),
        (("sound", "a.wav", "--style", "b.flac", "-o", "c.xyz"), "no format of sounds", 1),
        (("sound", "a.wav", "--style", "b.flac", "-o", "b.flac"), "is one of the sounds", 1),
        (("sound", "a.wav", "--style", "b.flac", "-o", "text.wav"), "exists already; pass", 1),
        (("sound", "a.wav", "--style", "b.flac", "--iterations", "0"), "--iterations 0", 2),
        (("sound", "a.wav", "--style", "b.flac", "--init", "gray"), "content, noise", 2),
        (("texture-sound", "b.flac", "--seconds", "0.01"), "--seconds 0.01: give", 2),
    ],
)
def test_one_sentence(
    words: tuple[str, ...], about: str, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(Path().iterdir())
    assert code(*words) == expected
    said = capsys.readouterr().err
    assert about in said
    assert said.count("\n") == 1
    assert sorted(Path().iterdir()) == before


def test_a_bundle_of_pictures_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sound", "a.wav", "--style", "b.flac", "--model", "vgg19"]) == 1
    assert "it paints pictures: name a bundle of sounds, such as audio, as --model" in (
        capsys.readouterr().err
    )


def test_a_killed_run_is_resumed_to_the_same_bytes(start: Program) -> None:
    words = ("sound", "a.wav", "--style", "b.flac", "--iterations", 60, *OPTIONS, "--json")
    assert code("sound", "a.wav", "--style", "b.flac", "--iterations", 60, "-o", "whole.wav") == 0
    keep = ("-o", "part.wav", "--checkpoint", "kept", "--checkpoint-every", 0)
    process = start(*words, *keep)
    for line in process.stdout:
        if json.loads(line).get("iteration") == 12:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.01)
    assert not Path("part.wav").exists()
    assert run(["resume", "kept"]) == 0
    assert Path("part.wav").read_bytes() == Path("whole.wav").read_bytes()
    soundfile.write("a.wav", np.random.default_rng(1).random(8000), 8000)
    assert run(["resume", "kept", "-o", "other.wav"]) == 1
