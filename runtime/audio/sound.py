"""Sounds, and reading them from WAV, FLAC, OGG, MP3 and what else libsndfile reads."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.errors import SoundError
from impasto.runtime.machine.packages import needed

BLOCK = 1 << 18
"""Samples that are read at a time: what a header promises need not be there."""
MOST_CHANNELS = 64
SILENT = 1e-5
"""The largest sample of what is no sound: 100 dB below full scale."""


@dataclass(frozen=True)
class Sound:
    """``samples`` are (n, channels) float32, in [-1, 1] but for what a file of floats may hold."""

    samples: NDArray[np.float32] = field(repr=False)
    rate: int
    """Samples a second."""
    name: str = "the sound"
    """What errors call it."""

    def __post_init__(self) -> None:
        samples = self.samples
        if not isinstance(samples, np.ndarray) or samples.ndim != 2 or samples.dtype.kind != "f":
            raise SoundError(f"{self.name} is no array of floats; give (samples, channels)")
        if not 1 <= samples.shape[1] <= MOST_CHANNELS or self.rate < 1:
            raise SoundError(
                f"{self.name} has {samples.shape[1]} channels and {self.rate} samples a second; "
                f"give 1 to {MOST_CHANNELS} channels, and a rate above 0"
            )
        if not np.isfinite(samples).all():
            raise SoundError(
                f"{self.name} holds samples that are not finite (NaN or infinity); export it again"
            )

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate

    @property
    def peak(self) -> float:
        """The largest absolute sample."""
        return float(np.abs(self.samples).max(initial=0))

    @property
    def level(self) -> float:
        """The root of the mean square of all samples."""
        return math.sqrt(float(np.square(self.samples, dtype=np.float64).mean()))


def read_sound(path: str | os.PathLike[str]) -> Sound:
    """All of a sound's file, with all its channels.

    Raises:
        SoundError: it is not there, no sound that can be read, empty, or not finite.
        ImpastoError: soundfile is not installed.
    """
    module, name = soundfile(), os.fspath(path)
    if not os.path.isfile(name):  # to open a pipe could wait for ever
        raise SoundError(f"{name}: there is no such file; name a sound's")
    try:
        with module.SoundFile(name) as file:
            rate, channels, parts = file.samplerate, file.channels, []
            while len(part := file.read(BLOCK, dtype="float32", always_2d=True)):
                parts.append(part)
    except (RuntimeError, OSError, TypeError) as error:  # libsndfile's errors are RuntimeErrors
        raise SoundError(
            f"{name}: no sound that can be read here ({_reason(error)}); give a WAV, FLAC, OGG or "
            "MP3 file"
        ) from None
    if not parts:
        raise SoundError(f"{name}: there are no samples in it; give a sound of some length")
    samples = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return Sound(samples.reshape(-1, channels), rate, name)


def _reason(error: Exception) -> str:
    words = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(words).strip().rstrip(".")


def resampled(samples: NDArray[np.floating], old: int, new: int, count: int) -> NDArray[Any]:
    """(count, channels) samples at another rate, with silence where it is shorter."""
    if old != new:
        samples = soxr().resample(samples, old, new, quality="VHQ")
    found = np.zeros((count, samples.shape[1]), samples.dtype)
    found[: len(samples)] = samples[:count]
    return found


MEND = "sounds need soundfile and soxr: pip install soundfile soxr"


def soundfile() -> Any:
    """The module that reads and writes files."""
    return needed("soundfile", MEND)


def soxr() -> Any:
    """The module that resamples."""
    return needed("soxr", MEND)
