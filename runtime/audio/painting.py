"""Painting sounds: their spectrograms are what an engine paints, like any image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.manifest import Spectrogram
from impasto.runtime.engine import Engine
from impasto.runtime.errors import BundleError, CheckpointError, Field, SettingError, SoundError
from impasto.runtime.inputs.pictures import picture_hash
from impasto.runtime.results.result import Result
from impasto.runtime.run import Run
from impasto.runtime.settings import RunKeywords

from .canvas import FRAMES, Stage, at_rate, prepare, prepare_texture
from .sound import Sound
from .spectrogram import count_frames

BUNDLE = "audio"
"""The packaged bundle of sounds."""
NOISE = 1e-3
"""Of the canvas' range: the noise that a sound can begin with, as in Ulyanov & Lebedev's code."""


@dataclass(frozen=True, eq=False)
class SoundPainting:
    """A run whose image is a spectrogram: iterate over ``run``, and hear ``sound`` of a result."""

    run: Run
    stage: Stage
    about: Spectrogram

    def sound(self, result: Result) -> Sound:
        """With rate, length, channels and level of the content, or of the first style."""
        return self.stage.sound(result.image, self.about)

    @property
    def seconds(self) -> float:
        """How long the sound will be."""
        return self.stage.samples / self.stage.rate


def start_sound(
    engine: Engine,
    content: Sound,
    style: Sound | Sequence[Sound],
    **given: Unpack[RunKeywords],
) -> SoundPainting:
    """Prepare to paint a sound in the style of others: ``Engine.start`` of spectrograms.

    Args:
        engine: of a bundle of sounds: ``Engine.load("audio")``.
        content: the sound whose order in time is to stay.
        style: one or several whose sounds are to be heard.
        given: as ``Engine.start`` takes them. ``init`` is content, or noise.

    Raises:
        BundleError: the bundle is of pictures.
        SoundError: a sound is silent or too short.
        SettingError: a value is out of range, unknown, or at odds with another.
    """
    about = _about(engine)
    image, stage = prepare(content, about)
    styles = [prepare(one, about)[0] for one in _several(style)]
    first = _first(image.shape, given)
    return SoundPainting(engine.start(image, styles, init_image=first, **given), stage, about)


def start_texture(
    engine: Engine,
    style: Sound | Sequence[Sound],
    seconds: float,
    **given: Unpack[RunKeywords],
) -> SoundPainting:
    """Prepare a texture of so many seconds, from quiet noise; the rest as ``start_sound``.

    Raises:
        BundleError, SoundError, SettingError: as there, or it would be too short.
    """
    about, sounds = _about(engine), _several(style)
    image, stage = prepare_texture(sounds[0], about, seconds)
    frames = count_frames(at_rate(stage.samples, stage.rate, about.rate), about)
    if frames < FRAMES:
        least = -(-10 * (FRAMES - 2) * about.hop // about.rate) / 10
        raise SettingError("seconds", seconds, f"give {least:g} or more")
    styles = [image, *(prepare(one, about)[0] for one in sounds[1:])]
    silence = np.zeros((1, frames, about.bins), np.float32)
    own: RunKeywords = {**given, "content_weight": 0.0, "init": "noise"}
    first = _first(silence.shape, own)
    return SoundPainting(engine.start(silence, styles, init_image=first, **own), stage, about)


def resume_sound(
    engine: Engine,
    file: str | os.PathLike[str],
    source: Sound,
    seconds: float | None = None,
    *,
    deadline: float | None = None,
) -> SoundPainting:
    """The painting of a checkpoint that ``run.save`` wrote: see ``Engine.resume``.

    Args:
        engine: of the bundle that it began with.
        file: the checkpoint.
        source: the content; of a texture its first style.
        seconds: of a texture; None: it is none.
        deadline: as in ``Engine.resume``.

    Raises:
        CheckpointError: as there, or it was begun with another sound.
    """
    about = _about(engine)
    run = engine.resume(file, deadline=deadline)
    if seconds is None:
        name, (image, stage) = "content", prepare(source, about)
    else:
        name, (image, stage) = "style_1", prepare_texture(source, about, seconds)
    if run.hashes.get(name) != picture_hash(image):
        raise CheckpointError(f"{file}: it was not begun with {source.name}: give that sound again")
    return SoundPainting(run, stage, about)


def _first(shape: tuple[int, ...], given: Any) -> NDArray[np.float32] | None:
    """A first image that is neither the content nor loud; what ``given`` says of it goes."""
    init = given.get("init")
    if init not in (None, "content", "noise"):
        raise SettingError("init", init, "a sound begins with content, or with noise")
    if init != "noise":
        return None
    del given["init"]
    noise = np.random.default_rng(given.get("seed") or 0).random(shape, np.float32)
    return np.float32(NOISE) * noise


def _about(engine: Engine) -> Spectrogram:
    about = engine.manifest.spectrogram
    if about is None:
        raise BundleError(
            f"{engine.model}: it paints pictures: name a bundle of sounds, such as {BUNDLE}, as ",
            Field("model"),
        )
    return about


def _several(style: Sound | Sequence[Sound]) -> list[Sound]:
    found = [style] if isinstance(style, Sound) else list(style)
    if not found:
        raise SoundError("there is no style: give a sound to paint like")
    return found
