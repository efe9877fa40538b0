"""A sound as the canvas has it, and what it needs beside to become one again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.manifest import Spectrogram
from impasto.runtime.errors import SoundError

from .phase import find_phases
from .sound import SILENT, Sound, resampled
from .spectrogram import Floats, count_frames, from_canvas, hann, istft, stft, to_canvas

FRAMES = 11
"""Of the shortest sound: as many as a filter is wide."""
QUIET = 1e-4
"""Of the window's sum: magnitudes below it tell nothing of where they are heard."""
FULL = 0.999
"""The largest sample that is written: rounding must not reach full scale."""


@dataclass(frozen=True, eq=False)
class Stage:
    """What a spectrogram does not tell: rate, length, level, and where each bin is heard.

    Channels have one spectrogram, the root of their mean energy, and phases in common; each has
    its share of every frame and bin, (channels, frames or 1, bins + 1), as the sound had it. So
    what was on the left stays there; nothing cancels when channels are added; and it is painted
    once. Middle and sides would lose what is out of phase, a run for each channel would paint
    textures that have nothing to do with one another.
    """

    rate: int
    samples: int
    """At that rate."""
    level: float
    shares: Floats

    def sound(self, image: NDArray[np.float32], about: Spectrogram, seed: int = 0) -> Sound:
        """The sound of a (1, frames, bins) image, as loud as the sound was, or as it can be."""
        count = at_rate(self.samples, self.rate, about.rate)
        magnitudes = from_canvas(image, about)
        spectrum = magnitudes * find_phases(magnitudes, about, count, seed)
        found = np.stack([istft(spectrum * share, about, count) for share in self.shares], 1)
        found = resampled(found, about.rate, self.rate, self.samples)
        level, peak = np.sqrt(np.square(found).mean()), np.abs(found).max()
        gain = min(self.level / max(level, SILENT), FULL / max(peak, SILENT))
        return Sound((gain * found).astype(np.float32), self.rate)


def at_rate(samples: int, old: int, new: int) -> int:
    """How many there are at another rate."""
    return -(-samples * new // old)


def prepare(sound: Sound, about: Spectrogram) -> tuple[NDArray[np.float32], Stage]:
    """The (1, frames, bins) image of a sound, whose largest sample is made 1, and the rest of it.

    Raises:
        SoundError: it is silent, or too short.
    """
    count = at_rate(len(sound.samples), sound.rate, about.rate)
    if count_frames(count, about) < FRAMES:
        least = (FRAMES - 2) * about.hop + 1
        raise SoundError(
            f"{sound.name} is {sound.seconds:.3f} s long; give at least "
            f"{-(-1000 * least // about.rate) / 1000} s"
        )
    if sound.peak < SILENT:
        raise SoundError(
            f"{sound.name} is silent: no sample is above {SILENT:g} of full scale; "
            "give a louder one"
        )
    samples = resampled(sound.samples / np.float32(sound.peak), sound.rate, about.rate, count)
    samples = samples.clip(-1, 1)  # a filter's ripples
    energies = np.stack([np.abs(stft(channel, about)) ** 2 for channel in samples.T])
    mean = energies.mean(0)
    floor = (QUIET * hann(about.window).sum()) ** 2
    shares = np.sqrt((energies + floor) / (mean + floor))
    stage = Stage(sound.rate, len(sound.samples), sound.level, shares)
    return to_canvas(np.sqrt(mean), about), stage


def prepare_texture(
    sound: Sound, about: Spectrogram, seconds: float
) -> tuple[NDArray[np.float32], Stage]:
    """The same, with a stage so long: each frequency is heard where it is on the whole."""
    image, stage = prepare(sound, about)
    shares = np.sqrt(np.square(stage.shares).mean(1, keepdims=True))
    return image, Stage(sound.rate, round(seconds * sound.rate), sound.level, shares)
