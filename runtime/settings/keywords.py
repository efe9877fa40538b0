"""What a caller may give of Settings and Machine, for type checkers; a test keeps them alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from .machine import Convolutions
from .settings import Alpha, Color, Init, Optimizer, Original, Quality


class SettingsKeywords(TypedDict, total=False):
    """What a user may give of Settings; None leaves the preset's value."""

    preset: str | None
    objective: str | None
    pooling: str | None
    size: int | Original | None
    width: int | None
    height: int | None
    megapixels: float | None
    min_size: int | None
    init: Init | None
    init_noise: float | None
    seed: int | None
    detail: float | None
    style_scale: float | None
    color: Color | None
    color_strength: float | None
    alpha: Alpha | None
    blend: Sequence[float] | None
    content_weight: float | None
    style_weight: float | None
    tv_weight: float | None
    weights: Mapping[str, float] | None
    content_layer: str | None
    quality: Quality | None
    iterations: int | None
    schedule: Sequence[int] | None
    optimizer: Optimizer | None
    learning_rate: float | None
    betas: Sequence[float] | None
    averaging: float | None
    history_size: int | None
    preconditioner_pyramid: Sequence[float] | None
    preconditioner_channels: float | None


class MachineKeywords(TypedDict, total=False):
    """What Engine.load takes of Machine; None leaves the default."""

    device: str | None
    threads: int | None
    convolutions: Convolutions | None
    tf32: bool | None
    cuda_graphs: bool | None
    memory: int | str | None


class OwnKeywords(TypedDict, total=False):
    """What of Machine is each run's own."""

    memory: int | str | None
    deadline: float | None
    max_pixels: int | None


class RunKeywords(SettingsKeywords, OwnKeywords, total=False):
    """What a run takes: Settings, and what of Machine is its own."""
