"""ONNX Runtime's module and the devices that it can use."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.manifest import fix
from impasto.runtime.errors import DeviceError, SettingError

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


def choose_device(
    wanted: str, bundle: Bundle, tf32: bool = False, cuda_graphs: bool = False
) -> Device:
    """The device of ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; one that has run a real graph.

    Raises:
        DeviceError: CUDA was asked for by name and does not work.
        SettingError: no such device exists.
    """
    matched = re.fullmatch(r"auto|cpu|cuda(?::(\d{1,3}))?", wanted)
    if not matched:
        raise SettingError("device", wanted, "say auto, cpu, cuda or cuda:N")
    if wanted == "cpu":
        onnxruntime()
        return Device("cpu")
    device = Device("cuda", int(matched[1] or 0), tf32, cuda_graphs)
    problem = cuda_problem(device, bundle)
    if problem is None:
        return device
    if wanted == "auto":
        return Device("cpu")
    raise DeviceError(f"{device} cannot be had: {problem}; --device cpu works everywhere")


def cuda_problem(device: Device, bundle: Bundle) -> str | None:
    """Why CUDA does not work here, found by running a small graph on it; None if it does."""
    module = onnxruntime()
    if "CUDAExecutionProvider" not in module.get_available_providers():
        if "onnxruntime-gpu" in installed_builds():
            return (
                "onnxruntime and onnxruntime-gpu are both installed, so the module is CPU-only: "
                "pip uninstall onnxruntime onnxruntime-gpu, then pip install 'impasto[gpu]'"
            )
        return "this build of ONNX Runtime has no CUDA: pip install 'impasto[gpu]'"
    module.preload_dlls()
    from .session import Graph  # it needs a device

    name = bundle.manifest.optimizers.adam
    try:
        graph = Graph(bundle, name, 16, 16, device)
        shapes = bundle.manifest.signatures[name].inputs
        graph.run(
            {k: device.upload(np.zeros(fix(s, 16, 16), np.float32)) for k, s in shapes.items()}
        )
    except DeviceError as error:
        return str(error)
    except Exception as error:  # the provider's errors have no common type
        return str(error).splitlines()[0][:200]
    return None
