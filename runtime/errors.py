"""The errors that this package raises on purpose. Every message names what is wrong and the mend.

ImpastoError
├── BundleError       a model folder that is incomplete, altered or of another schema
├── DeviceError       no ONNX Runtime, or not the device that was asked for
├── DivergenceError   the loss stopped being a number or kept growing; holds the last good picture
├── ImageError        a picture that cannot be read or written
├── OutOfMemoryError  memory ran out while a graph was opened or run
└── SettingError      a value that makes no sense: an unknown preset, a negative size
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ImpastoError(Exception):
    """Anything this package refuses or fails at."""


class BundleError(ImpastoError):
    """A bundle that must not be opened."""


class DeviceError(ImpastoError):
    """A device, or a build of ONNX Runtime, that cannot be had."""


class DivergenceError(ImpastoError):
    """The optimisation broke down.

    ``picture`` is the last good picture: (height, width, 3) float32 RGB in [0, 1].
    """

    def __init__(self, message: str, picture: NDArray[np.float32]) -> None:
        super().__init__(message)
        self.picture = picture


class ImageError(ImpastoError):
    """A picture that cannot be read or written."""


class OutOfMemoryError(ImpastoError, MemoryError):
    """Memory ran out while a graph was opened or run."""


class SettingError(ImpastoError, ValueError):
    """A setting that is out of range or unknown."""
