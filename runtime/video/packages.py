"""The packages of the extra ``video``, imported when they are first needed."""

from __future__ import annotations

from typing import Any

from impasto.runtime.machine.packages import needed

MEND = "video needs PyAV and OpenCV: pip install av opencv-python-headless"


def pyav() -> Any:
    """The module av. ImpastoError: it is not installed."""
    return needed("av", MEND)


def opencv() -> Any:
    """The module cv2. ImpastoError: it is not installed."""
    return needed("cv2", MEND)
