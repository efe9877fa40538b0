"""The packages of the extra ``video``, imported when they are first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from impasto.runtime.errors import ImpastoError


def pyav() -> Any:
    """The module av. ImpastoError: it is not installed."""
    return _package("av")


def opencv() -> Any:
    """The module cv2. ImpastoError: it is not installed."""
    return _package("cv2")


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ImpastoError(
            "video needs PyAV and OpenCV: pip install av opencv-python-headless"
        ) from None
