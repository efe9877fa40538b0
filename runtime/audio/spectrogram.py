"""From samples to a spectrogram and back: the short-time Fourier transform, and the canvas' scale.

A frame is centred at a multiple of the hop; before and after the sound is silence. Complex
spectra are (frames, bins), in float64.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from impasto.runtime.bundle.manifest import Spectrogram

Floats = NDArray[np.float64]
Spectrum = NDArray[np.complex128]


def hann(length: int) -> Floats:
    """The periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def count_frames(samples: int, about: Spectrogram) -> int:
    """Of a sound of so many samples: the last is centred at its end, or beyond."""
    return -(-samples // about.hop) + 1


def stft(samples: NDArray[np.floating], about: Spectrogram) -> Spectrum:
    """X(t, k) = sum_n w(n) x(n + t hop - window / 2) exp(-2 pi i k n / window) of (n,) samples."""
    frames, half = count_frames(len(samples), about), about.window // 2
    whole = np.zeros((frames - 1) * about.hop + about.window)
    whole[half : half + len(samples)] = samples
    parts = sliding_window_view(whole, about.window)[:: about.hop]
    return np.asarray(np.fft.rfft(parts * hann(about.window)), np.complex128)


def istft(spectrum: Spectrum, about: Spectrogram, samples: int) -> Floats:
    """The (samples,) sound whose spectrum is nearest: Griffin & Lim 1984, eq. 6.

    Of a sound's own spectrum it is that sound.
    """
    window, half = hann(about.window), about.window // 2
    parts = np.fft.irfft(spectrum, about.window) * window
    whole = _overlapped(parts, about.hop)
    weights = _overlapped(np.broadcast_to(window**2, parts.shape), about.hop)
    found = whole[half : half + samples] / weights[half : half + samples]
    return np.asarray(found, np.float64)


def _overlapped(parts: Floats, hop: int) -> Floats:
    """The sum of (frames, window) parts, each at its place: in blocks of a hop."""
    frames, window = parts.shape
    blocks = -(-window // hop)
    padded = np.zeros((frames, blocks * hop))
    padded[:, :window] = parts
    found = np.zeros((frames + blocks - 1, hop))
    for k in range(blocks):
        found[k : k + frames] += padded[:, k * hop : (k + 1) * hop]
    return found.reshape(-1)


def to_canvas(magnitudes: Floats, about: Spectrogram) -> NDArray[np.float32]:
    """(1, frames, bins) in [0, 1] of (frames, bins + 1) magnitudes: log(1 + |X|) / log(1 + sum w).

    No sound in [-1, 1] has larger magnitudes than the window's sum. The last bin, at half the rate,
    is left out: with 1024 channels a convolution takes a quarter less time than with 1025.
    """
    logarithms = np.log1p(magnitudes[:, : about.bins]) / np.log1p(hann(about.window).sum())
    return np.ascontiguousarray(logarithms[None].clip(0, 1), np.float32)


def from_canvas(image: NDArray[np.float32], about: Spectrogram) -> Floats:
    """(frames, bins + 1) magnitudes of a (1, frames, bins) image."""
    most = np.log1p(hann(about.window).sum())
    return np.asarray(np.pad(np.expm1(image[0].astype(np.float64) * most), ((0, 0), (0, 1))))
