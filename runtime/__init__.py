"""Impasto's runtime: paint one picture in the style of another with ONNX Runtime alone.

from impasto.runtime import Engine

engine = Engine.load()
engine.stylize("photo.jpg", "painting.jpg").save("out.png")
"""

from .engine import Engine
from .errors import (
    BundleError,
    DeviceError,
    DivergenceError,
    ImageError,
    ImpastoError,
    OutOfMemoryError,
    SettingError,
)
from .run import Result, Run, Step

__all__ = [
    "BundleError",
    "DeviceError",
    "DivergenceError",
    "Engine",
    "ImageError",
    "ImpastoError",
    "OutOfMemoryError",
    "Result",
    "Run",
    "SettingError",
    "Step",
]
