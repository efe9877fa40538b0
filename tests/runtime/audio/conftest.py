"""Sounds that are made, and a small bundle: see tests/data/README.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from impasto.runtime import Engine, Sound

HUM = Path(__file__).parents[2] / "data" / "hum"
Tones = Callable[..., Sound]


@pytest.fixture(scope="session")
def hum() -> Engine:
    return Engine.load(HUM, device="cpu", threads=1)


@pytest.fixture(scope="session")
def tones() -> Tones:
    """``tones(1.5, 300, 700)``: pulses of these frequencies in turn, with some noise."""

    def make(
        seconds: float, *hertz: float, rate: int = 4000, channels: int = 1, seed: int = 0
    ) -> Sound:
        time = np.arange(round(seconds * rate)) / rate
        pulse = (6 * time).astype(int)
        pitch = np.array(hertz)[pulse % len(hertz)]
        wave = np.sin(2 * np.pi * pitch * time) * np.exp(-8 * (6 * time - pulse))
        noise = 0.02 * np.random.default_rng(seed).standard_normal((len(time), channels))
        gains = np.linspace(1, 0.2, channels)
        return Sound((0.4 * wave[:, None] * gains + noise).astype(np.float32), rate)

    return make
