"""What several tests share. Torch and scikit-image come late: the wheel's tests have none."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.float32]


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference() -> Any:
    """The module tests/reference.py."""
    return _module(Path(__file__).with_name("reference.py"))


@pytest.fixture(scope="session")
def own() -> Any:
    """The module tests/export/own.py: encoders and heads of a user's own."""
    return _module(Path(__file__).parent / "export" / "own.py")


@pytest.fixture(scope="session")
def make_data() -> Any:
    """The module tests/data/make.py: the bundles that are there, and how they are exported."""
    return _module(Path(__file__).parent / "data" / "make.py")


@pytest.fixture(scope="session")
def losses() -> Path:
    """A bundle of Plain with every loss that is not Gatys', and its variant for regions."""
    return Path(__file__).parent / "data" / "losses"


@pytest.fixture(scope="session")
def photo() -> Callable[..., Picture]:
    """``photo("chelsea", 32, 48)``: one of scikit-image's, (height, width, 3) in [0, 1]."""
    from skimage import data

    def resized(name: str, height: int, width: int) -> Picture:
        whole = Image.fromarray(getattr(data, name)())
        return np.asarray(whole.convert("RGB").resize((width, height)), np.float32) / np.float32(
            255
        )

    return resized


class Guided(NamedTuple):
    """A bundle whose objective has a variant for regions, and the encoder that it is of."""

    folder: Path
    encoder: Any


@pytest.fixture(scope="session")
def guided(own: Any) -> Guided:
    """Two small convolutions; ``gatys`` and ``gatys-regions``: see tests/data/README.md."""
    import torch

    return Guided(Path(__file__).parent / "data" / "guided", own.Plain().to(torch.float64))
