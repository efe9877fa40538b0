"""Phases for magnitudes that have none: integrated from their slopes, then made consistent.

For a Gaussian window the phase's gradient is that of the logarithm of the magnitude, turned by a
right angle; a Hann window is nearly one. Integrating it from the loudest places outwards is phase
gradient heap integration: Prusa, Balazs & Sondergaard 2017, "A noniterative method for
reconstruction of phase from STFT magnitude", sections II and III.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.manifest import Spectrogram

from .spectrogram import Floats, Spectrum, istft, stft

HANN = 0.25645
"""Of a Hann window of L samples: gamma = HANN L^2 of the Gaussian most like it (table I there)."""
AUDIBLE = 1e-5
"""Of the largest magnitude: below it phases are random."""
MOMENTUM, ROUNDS = 0.99, 32
LEAST = 1e-300


def find_phases(magnitudes: Floats, about: Spectrogram, samples: int, seed: int) -> Spectrum:
    """Phases, exp(i phi), of the (frames, bins) magnitudes of a sound of so many samples."""
    start = integrate(magnitudes, about, seed)
    return refine(magnitudes, np.exp(1j * start), about, samples)


def integrate(magnitudes: Floats, about: Spectrogram, seed: int) -> Floats:
    """(frames, bins) phases by heap integration."""
    along_time, along_frequency = slopes(magnitudes, about)
    phases = np.random.default_rng(seed).uniform(-np.pi, np.pi, magnitudes.shape)
    _spread(magnitudes, along_time, along_frequency, phases)
    # The gradients are of frames that begin at their middle, the spectra of such that end there.
    return np.asarray(phases + np.pi * np.arange(magnitudes.shape[1]))


def slopes(magnitudes: Floats, about: Spectrogram) -> tuple[Floats, Floats]:
    """By how much the phase grows from a frame to the next, and from a bin to the next.

    Equations 17 and 18 there: the log-magnitude's central differences, and the bin's frequency.
    """
    logarithms = np.log(np.maximum(magnitudes, LEAST))
    ratio = about.hop * about.window / (HANN * about.window**2)
    bins = np.arange(magnitudes.shape[1])
    along_time = _differences(logarithms, 1) * ratio + 2 * np.pi * about.hop / about.window * bins
    return along_time, -_differences(logarithms, 0) / ratio


def _differences(values: Floats, axis: int) -> Floats:
    """Central ones along an axis; at the ends half of one-sided ones."""
    edge = np.pad(values, [(int(axis == 0),) * 2, (int(axis == 1),) * 2], "edge")
    after, before = (edge[2:], edge[:-2]) if axis == 0 else (edge[:, 2:], edge[:, :-2])
    return np.asarray((after - before) / 2)


def _spread(
    magnitudes: Floats, along_time: Floats, along_frequency: Floats, phases: Floats
) -> None:
    """Integrate from the loudest places outwards, by trapezoids, in place."""
    frames, bins = magnitudes.shape
    least = AUDIBLE * magnitudes.max()
    loud, found = magnitudes.ravel().tolist(), phases.ravel().tolist()
    time, frequency = along_time.ravel().tolist(), along_frequency.ravel().tolist()
    waiting = (magnitudes > least).ravel().tolist()
    heap: list[tuple[float, int]] = []
    for start in np.argsort(-magnitudes, axis=None, kind="stable").tolist():
        if not waiting[start]:
            continue
        waiting[start], found[start] = False, 0.0
        heap.append((-loud[start], start))
        while heap:
            _, k = heapq.heappop(heap)
            column, phase = k % bins, found[k]
            for there, next_to, slope in (
                (k >= bins, k - bins, -0.5 * time[k]),
                (k < (frames - 1) * bins, k + bins, 0.5 * time[k]),
                (column > 0, k - 1, -0.5 * frequency[k]),
                (column < bins - 1, k + 1, 0.5 * frequency[k]),
            ):
                if there and waiting[next_to]:
                    waiting[next_to] = False
                    other = time if abs(next_to - k) == bins else frequency
                    sign = 0.5 if next_to > k else -0.5
                    found[next_to] = phase + slope + sign * other[next_to]
                    heapq.heappush(heap, (-loud[next_to], next_to))
    phases[:] = np.reshape(found, phases.shape)


def refine(
    magnitudes: Floats, phases: Spectrum, about: Spectrogram, samples: int, rounds: int = ROUNDS
) -> Spectrum:
    """Phases of a spectrum that is more nearly one of a sound: fast Griffin-Lim.

    Perraudin, Balazs & Sondergaard 2013, "A fast Griffin-Lim algorithm", algorithm 2.
    """
    before = moved = magnitudes * phases
    for _ in range(rounds):
        own = stft(istft(moved, about, samples), about)
        now = magnitudes * unit(own)
        moved, before = now + MOMENTUM * (now - before), now
    return unit(before)


def unit(spectrum: Spectrum) -> Spectrum:
    """Its phases, exp(i phi); 1 where it is 0."""
    size = np.abs(spectrum)
    return np.asarray(np.where(size > 0, spectrum, 1) / np.where(size > 0, size, 1))


def spectral_convergence(
    samples: NDArray[np.floating], magnitudes: Floats, about: Spectrogram
) -> float:
    """||abs X| - M| / |M| of a sound and the magnitudes that it was to have."""
    off = np.linalg.norm(np.abs(stft(samples, about)) - magnitudes)
    return float(off / np.linalg.norm(magnitudes))
