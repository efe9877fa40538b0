"""Files in and out: formats, rates, channels, and everything that is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from impasto.runtime import (
    ImageError,
    ImpastoError,
    Sound,
    SoundError,
    check_sound_output,
    read_sound,
    write_sound,
)
from impasto.runtime.audio import sound as module
from impasto.runtime.audio.sound import resampled

Tones = Callable[..., Sound]


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ImpastoError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


def samples(count: int, channels: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.9, 0.9, (count, channels)).astype(np.float32)


@pytest.mark.parametrize(("suffix", "most"), [(".wav", 2**-23), (".flac", 2**-23)])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_what_is_written_is_read_again(
    tmp_path: Path, suffix: str, most: float, channels: int
) -> None:
    sound = Sound(samples(3000, channels), 44100)
    write_sound(tmp_path / f"a{suffix}", sound)
    found = read_sound(tmp_path / f"a{suffix}")
    assert (found.rate, found.samples.shape) == (44100, (3000, channels))
    assert np.abs(found.samples - sound.samples).max() <= most
    assert found.name == str(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_lossy_formats_sound_the_same(tmp_path: Path, tones: Tones, suffix: str) -> None:
    sound = tones(1.5, 300, 500, rate=44100, channels=2)
    path = tmp_path / f"a{suffix}"
    write_sound(path, sound)
    found = read_sound(path).samples
    assert found.shape == sound.samples.shape
    assert np.corrcoef(found[2000:-2000, 0], sound.samples[2000:-2000, 0])[0, 1] > 0.97


def test_a_wav_by_the_standard_library(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.array([[16384, -16384], [0, 32767]], "<i2").tobytes())
    found = read_sound(tmp_path / "a.wav")
    assert found.rate == 8000
    np.testing.assert_array_equal(found.samples, [[0.5, -0.5], [0, np.float32(32767 / 32768)]])


@pytest.mark.parametrize(
    ("content", "about"),
    [
        (b"", "no sound that can be read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no sound that can be read"),
        (bytes(24) + b"ftypisom" + bytes(500), "no sound that can be read"),  # a film's
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "no sound that can be read"),
    ],
)
def test_other_files_are_a_sentence(tmp_path: Path, content: bytes, about: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert about in refusal(lambda: read_sound(path))


def test_what_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(lambda: read_sound(tmp_path / "a.wav"))
    assert "there is no such file" in refusal(lambda: read_sound(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    assert "there is no such file" in refusal(lambda: read_sound(tmp_path / "pipe"))
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1)), 8000)
    assert "no samples" in refusal(lambda: read_sound(tmp_path / "none.wav"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_a_sentence(tmp_path: Path, value: float) -> None:
    found = samples(1000, 2)
    found[500, 1] = value
    soundfile.write(tmp_path / "a.wav", found, 8000, subtype="FLOAT")
    assert "not finite" in refusal(lambda: read_sound(tmp_path / "a.wav"))


@pytest.mark.parametrize(
    "array", [np.zeros(5, np.float32), np.zeros((5, 2), np.int16), np.zeros((5, 65), np.float32)]
)
def test_arrays_that_are_no_sounds(array: np.ndarray) -> None:
    with pytest.raises(SoundError):
        Sound(array, 8000)


@pytest.mark.parametrize(
    ("name", "rate", "channels", "about"),
    [
        ("a.txt", 8000, 1, "no format of sounds is called '.txt'"),
        ("a", 8000, 1, "no format of sounds is called ''"),
        ("a.mp3", 8000, 6, "MP3 does not take 6 channels"),
        ("a.mp3", 96000, 1, "of 96000 samples a second"),
        ("no/a.wav", 8000, 1, "there is no folder"),
    ],
)
def test_an_output_that_cannot_be_is_told_before(
    tmp_path: Path, name: str, rate: int, channels: int, about: str
) -> None:
    message = refusal(lambda: check_sound_output(tmp_path / name, rate, channels))
    assert about in message
    assert not list(tmp_path.iterdir())


def test_an_output_is_replaced_only_if_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"mine")
    sound = Sound(samples(100, 1), 8000)
    for call in (lambda: check_sound_output(path, 8000, 1), lambda: write_sound(path, sound)):
        with pytest.raises(ImageError, match="exists already"):
            call()
    assert path.read_bytes() == b"mine"
    write_sound(path, sound, overwrite=True)
    assert read_sound(path).rate == 8000
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_another_rate_keeps_a_tone_and_the_length() -> None:
    time = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * 440 * time)[:, None]
    found = resampled(tone, 8000, 22050, 22050)
    expected = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    assert found.shape == (22050, 1)
    assert np.abs(found[500:-500, 0] - expected[500:-500]).max() < 1e-3
    assert resampled(tone, 8000, 8000, 9000)[8000:].max() == 0


def test_without_soundfile_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    assert "pip install soundfile soxr" in refusal(lambda: read_sound(tmp_path / "a.wav"))
    monkeypatch.setitem(sys.modules, "soxr", None)
    assert "pip install" in refusal(lambda: module.soxr())


def test_neither_is_loaded_before_it_is_needed() -> None:
    code = "import sys, impasto.runtime as r; r.read_sound, r.start_sound; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "impasto.runtime.audio.painting" in done.stdout.split()
    assert not {"soundfile", "soxr", "torch"} & {*done.stdout.split()}
