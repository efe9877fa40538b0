"""Sounds out: WAV, FLAC, OGG and MP3, whole or not at all."""

from __future__ import annotations

import os
from io import BytesIO

import numpy as np

from impasto.runtime.errors import SoundError
from impasto.runtime.machine.outputs import check_file, write_file

from .sound import Sound, soundfile

FORMATS = {
    ".wav": ("WAV", "PCM_24"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
"""By suffix: what libsndfile calls the container, and how samples are in it."""


def check_sound_output(
    path: str | os.PathLike[str], rate: int, channels: int, *, overwrite: bool = False
) -> None:
    """See whether a sound can be written there, before it is computed.

    Raises:
        ImageError: it exists and must not be replaced, its folder is missing or closed to us.
        SoundError: no such format, or it has no such rate or so many channels.
    """
    _encoded(Sound(np.zeros((rate // 10 + 1, channels), np.float32), rate), path)
    check_file(path, overwrite=overwrite)


def write_sound(path: str | os.PathLike[str], sound: Sound, *, overwrite: bool = False) -> None:
    """Write a sound, whose samples are in [-1, 1], in the format of its suffix.

    Raises:
        ImageError: it exists, or cannot be written.
        SoundError: as ``check_sound_output``.
    """
    write_file(path, _encoded(sound, path), overwrite=overwrite)


def _encoded(sound: Sound, path: str | os.PathLike[str]) -> bytes:
    name = os.fspath(path)
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise SoundError(f"{name}: no format of sounds is called {suffix!r}; take {known}")
    container, subtype = FORMATS[suffix]
    module, data = soundfile(), BytesIO()
    try:
        module.write(data, sound.samples, sound.rate, format=container, subtype=subtype)
    except (RuntimeError, TypeError, ValueError) as error:
        raise SoundError(
            f"{name}: {container} does not take {sound.samples.shape[1]} channels of {sound.rate} "
            f"samples a second ({str(error).strip().rstrip('.')}); write a .wav"
        ) from None
    return data.getvalue()
