"""ONNX Runtime's module and the devices that it can use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.errors import DeviceError

OrtValue = Any
"""An onnxruntime.OrtValue: float32, on the device."""


def onnxruntime() -> ModuleType:
    """The module; a DeviceError that says what to install where it is missing or unusable."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # on by default since 1.29; read at import
    try:
        import onnxruntime as module
    except ImportError as error:
        if installed_builds():
            raise DeviceError(
                f"onnxruntime is installed but does not start ({error}): install it again"
            ) from None
        raise DeviceError(
            "onnxruntime is not installed: pip install 'impasto[cpu]', "
            "or 'impasto[gpu]' for an NVIDIA GPU"
        ) from None
    return module  # type: ignore[no-any-return]


def installed_builds() -> dict[str, str]:
    """The distributions that bring the module onnxruntime, with their versions."""
    from importlib import metadata  # takes 50 ms

    names = ("onnxruntime", "onnxruntime-gpu")
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Device:
    """``cpu`` or ``cuda`` and the GPU's number; the last two fields say how CUDA is used."""

    kind: str
    index: int = 0
    tf32: bool = False
    """Products of matrices and convolutions with 10 bits of mantissa instead of 23."""
    cuda_graphs: bool = False
    """Evaluations are recorded once for every slot, and played back."""

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"

    @property
    def captures(self) -> bool:
        """Whether CUDA graphs are recorded."""
        return self.kind == "cuda" and self.cuda_graphs

    def providers(self, captured: bool = False) -> list[Any]:
        """What ONNX Runtime is asked for, the fallback last."""
        if self.kind == "cpu":
            return ["CPUExecutionProvider"]
        options = {
            "device_id": str(self.index),
            "cudnn_conv_algo_search": "EXHAUSTIVE",
            "use_tf32": str(int(self.tf32)),
            "enable_cuda_graph": str(int(captured)),
        }
        return [("CUDAExecutionProvider", options), "CPUExecutionProvider"]

    def empty(self, *shape: int) -> OrtValue:
        """Memory of its own on the device, not written yet."""
        new = onnxruntime().OrtValue.ortvalue_from_shape_and_type
        return new(list(shape), np.float32, self.kind, self.index)

    def upload(self, array: NDArray[np.float32]) -> OrtValue:
        """The array on the device; on the CPU the value is a view of it."""
        contiguous = np.ascontiguousarray(array, np.float32)
        return onnxruntime().OrtValue.ortvalue_from_numpy(contiguous, self.kind, self.index)
