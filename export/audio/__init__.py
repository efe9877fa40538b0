"""Sounds: an encoder of spectrograms whose weights are random."""

from .encoder import Sound

__all__ = ["Sound"]
