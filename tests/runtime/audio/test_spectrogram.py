"""Against SciPy's transform and a sum by definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import stft as scipy_stft

from impasto.runtime.audio.spectrogram import (
    count_frames,
    from_canvas,
    hann,
    istft,
    stft,
    to_canvas,
)
from impasto.runtime.bundle.manifest import Spectrogram

LAYOUTS = [
    Spectrogram(rate=4000, window=128, hop=32),
    Spectrogram(rate=4000, window=128, hop=64),
    Spectrogram(rate=22050, window=2048, hop=512),
    Spectrogram(rate=8000, window=100, hop=33),
]
ABOUT = LAYOUTS[0]


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(3).uniform(-1, 1, 3001)


@pytest.mark.parametrize("about", LAYOUTS)
def test_the_transform_is_scipys(about: Spectrogram, noise: np.ndarray) -> None:
    window, hop = about.window, about.hop
    _, _, theirs = scipy_stft(noise, window="hann", nperseg=window, noverlap=window - hop)
    ours = stft(noise, about)
    assert len(ours) == count_frames(len(noise), about)
    theirs = theirs.T * hann(window).sum()  # SciPy divides by it
    np.testing.assert_allclose(ours, theirs[: len(ours)], atol=1e-9)


def test_one_place_is_the_sum_of_the_definition(noise: np.ndarray) -> None:
    t, k, total = 7, 5, 0j
    for n in range(128):
        place = n + 32 * t - 64
        weight = np.sin(np.pi * n / 128) ** 2
        total += weight * noise[place] * np.exp(-2j * np.pi * k * n / 128)
    assert stft(noise, ABOUT)[t, k] == pytest.approx(total)


@pytest.mark.parametrize("about", LAYOUTS)
def test_with_the_true_phase_the_sound_comes_back(about: Spectrogram, noise: np.ndarray) -> None:
    found = istft(stft(noise, about), about, len(noise))
    np.testing.assert_allclose(found, noise, atol=1e-11)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 127, 128, 129])
def test_every_length_has_its_frames_and_comes_back(count: int, noise: np.ndarray) -> None:
    sound = noise[:count]
    found = istft(stft(sound, ABOUT), ABOUT, count)
    np.testing.assert_allclose(found, sound, atol=1e-12)


def test_the_canvas_holds_the_loudest_sound_and_silence(noise: np.ndarray) -> None:
    loud = to_canvas(np.abs(stft(np.ones(4000), ABOUT)), ABOUT)
    assert loud.shape == (1, 126, ABOUT.bins)
    assert loud.dtype == np.float32
    assert loud.max() == pytest.approx(1, abs=1e-6)
    assert to_canvas(np.abs(stft(np.zeros(4000), ABOUT)), ABOUT).max() == 0
    magnitudes = np.abs(stft(noise, ABOUT))
    back = from_canvas(to_canvas(magnitudes, ABOUT), ABOUT)
    np.testing.assert_allclose(back[:, :-1], magnitudes[:, :-1], rtol=1e-4, atol=1e-5)
    assert (back[:, -1] == 0).all()
