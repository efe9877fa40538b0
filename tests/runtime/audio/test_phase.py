"""Phases: slopes of a chirp that is known, and convergence beside plain Griffin-Lim."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from impasto.runtime import Sound
from impasto.runtime.audio import phase
from impasto.runtime.audio.phase import (
    find_phases,
    integrate,
    refine,
    slopes,
    spectral_convergence,
    unit,
)
from impasto.runtime.audio.spectrogram import istft, stft
from impasto.runtime.bundle.manifest import Spectrogram

ABOUT = Spectrogram(rate=4000, window=256, hop=32)
Tones = Callable[..., Sound]


def wrapped(angle: np.ndarray) -> np.ndarray:
    return np.angle(np.exp(1j * angle))


def griffin_lim(magnitudes: np.ndarray, samples: int, rounds: int) -> np.ndarray:
    """Griffin & Lim 1984 from random phases, by SciPy-free loops of our own transform."""
    turn = np.random.default_rng(0).uniform(-np.pi, np.pi, magnitudes.shape)
    spectrum = magnitudes * np.exp(1j * turn)
    for _ in range(rounds):
        own = stft(istft(spectrum, ABOUT, samples), ABOUT)
        spectrum = magnitudes * np.exp(1j * np.angle(own))
    return istft(spectrum, ABOUT, samples)


@pytest.fixture
def chirp() -> np.ndarray:
    time = np.arange(8000) / 4000
    return np.sin(2 * np.pi * (300 * time + 250 * time**2))


def test_slopes_are_those_of_the_true_phase_where_it_is_loud(chirp: np.ndarray) -> None:
    spectrum = stft(chirp, ABOUT) * (-1.0) ** np.arange(129)  # of frames that begin in the middle
    magnitudes, angle = np.abs(spectrum), np.angle(spectrum)
    along_time, along_frequency = slopes(magnitudes, ABOUT)
    loud = magnitudes > 0.2 * magnitudes.max()
    loud[:12] = loud[-12:] = False
    for slope, axis in ((along_time, 0), (along_frequency, 1)):
        before, after = (slice(None, -1), slice(1, None))
        low, high = (
            ((before, slice(None)), (after, slice(None)))
            if axis == 0
            else (
                (slice(None), before),
                (slice(None), after),
            )
        )
        both = loud[low] & loud[high]
        off = wrapped(angle[high] - angle[low] - (slope[low] + slope[high]) / 2)
        assert both.sum() > 400
        assert np.abs(off[both]).mean() < 0.1  # of a Gaussian 0; at random 1.6


def test_integrated_phases_are_the_true_ones_but_for_one_turn(chirp: np.ndarray) -> None:
    spectrum = stft(chirp, ABOUT)
    magnitudes = np.abs(spectrum)
    off = np.exp(1j * (integrate(magnitudes, ABOUT, 0) - np.angle(spectrum)))
    weights = magnitudes**2
    aligned = abs((weights * off).sum()) / weights.sum()
    assert aligned > 0.8  # random phases: below 0.05
    random = np.random.default_rng(0).uniform(-np.pi, np.pi, magnitudes.shape)
    assert abs((weights * np.exp(1j * random)).sum()) / weights.sum() < 0.05


@pytest.mark.parametrize("seed", [0, 1])
def test_convergence_is_far_below_plain_griffin_lims(tones: Tones, seed: int) -> None:
    sound = tones(2, 310, 520, 830, seed=seed).samples[:, 0]
    magnitudes = np.abs(stft(sound, ABOUT))
    found = find_phases(magnitudes, ABOUT, len(sound), 0)
    ours = spectral_convergence(istft(magnitudes * found, ABOUT, len(sound)), magnitudes, ABOUT)
    plain = spectral_convergence(griffin_lim(magnitudes, len(sound), 64), magnitudes, ABOUT)
    assert ours < 0.03
    assert ours < 0.5 * plain


def test_both_parts_are_needed(tones: Tones, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = tones(2, 310, 520).samples[:, 0]
    magnitudes = np.abs(stft(sound, ABOUT))
    start = np.exp(1j * integrate(magnitudes, ABOUT, 0))

    def error(phases: np.ndarray) -> float:
        sounds = istft(magnitudes * phases, ABOUT, len(sound))
        return spectral_convergence(sounds, magnitudes, ABOUT)

    fast = error(refine(magnitudes, start, ABOUT, len(sound)))
    monkeypatch.setattr(phase, "MOMENTUM", 0.0)
    plain = error(refine(magnitudes, start, ABOUT, len(sound)))
    assert fast < 0.8 * plain < 0.8 * error(start)


def test_consistent_phases_stay(tones: Tones) -> None:
    sound = tones(1, 440).samples[:, 0]
    spectrum = stft(sound, ABOUT)
    found = refine(np.abs(spectrum), unit(spectrum), ABOUT, len(sound), rounds=5)
    np.testing.assert_allclose(np.abs(spectrum) * found, spectrum, atol=1e-9)


def test_silence_and_the_same_seed(tones: Tones) -> None:
    assert np.isfinite(find_phases(np.zeros((20, 129)), ABOUT, 600, 0)).all()
    magnitudes = np.abs(stft(tones(0.5, 440).samples[:, 0], ABOUT))
    first = integrate(magnitudes, ABOUT, 5)
    assert (first == integrate(magnitudes, ABOUT, 5)).all()
