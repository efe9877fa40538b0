"""The average of Adam's images: what it is, and that it survives a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from impasto.runtime import Engine, SettingError

SETTINGS: dict[str, Any] = {
    "size": 48,
    "min_size": 48,
    "iterations": 6,
    "optimizer": "adam",
    "preset": "pastiche",
}
DECAY = 0.6


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(device="cpu", threads=1)


def test_the_picture_is_the_average_of_the_scales_images(
    engine: Engine, photo: Callable[..., Any], tmp_path: Path
) -> None:
    """Bias-corrected, with the first image; and the loss that is told is its own."""
    content, style = photo("chelsea", 32, 48), photo("coffee", 32, 48)
    plain = engine.start(content, style, **SETTINGS)
    images = [np.clip(content, 0, 1).astype(np.float64)]
    for _ in plain:
        state = plain._state
        assert state is not None
        images.append(state.point.image.numpy()[0, :, :32, :48].transpose(1, 2, 0).copy())
    shares = np.array([DECAY**k for k in reversed(range(len(images)))])
    expected = np.tensordot(shares / shares.sum(), images, 1)

    run = engine.start(content, style, averaging=DECAY, **SETTINGS)
    for _ in range(3):
        next(run)
    run.save(tmp_path / "run.checkpoint")
    result = run.finish()
    np.testing.assert_allclose(result.image, expected, atol=1e-6)
    assert abs(result.image - plain.result().image).max() > 1e-2

    again = engine.resume(tmp_path / "run.checkpoint").finish()
    np.testing.assert_array_equal(again.image, result.image)
    assert again.loss == result.loss
    state = run._state
    assert state is not None
    np.testing.assert_array_equal(state.best.image.numpy(), state.average)


def test_lbfgs_images_are_not_averaged(engine: Engine, photo: Callable[..., Any]) -> None:
    content, style = photo("chelsea", 32, 48), photo("coffee", 32, 48)
    lbfgs = {**SETTINGS, "optimizer": "lbfgs", "iterations": 2}
    images = [
        engine.stylize(content, style, averaging=share, **lbfgs).image for share in (0.0, DECAY)
    ]
    np.testing.assert_array_equal(*images)


def test_betas_are_two(engine: Engine) -> None:
    with pytest.raises(SettingError, match="give two numbers"):
        engine.settings(betas=(0.9,))
