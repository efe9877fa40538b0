"""Sounds: reading and writing them, their spectrograms, and painting these."""

from .painting import SoundPainting, resume_sound, start_sound, start_texture
from .sound import Sound, read_sound
from .writing import check_sound_output, write_sound

__all__ = [
    "Sound",
    "SoundPainting",
    "check_sound_output",
    "read_sound",
    "resume_sound",
    "start_sound",
    "start_texture",
    "write_sound",
]
