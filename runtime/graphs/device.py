"""ONNX Runtime's module and the devices that it can use."""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.errors import DeviceError

OrtValue = Any
"""An onnxruntime.OrtValue: float32, on the device."""


BUILDS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-webgpu",
)
MINIMUM = (1, 24)
"""Of ONNX Runtime: what pyproject.toml asks for, since nobody need have installed by it."""
INSTALL = "pip install onnxruntime"
INSTALL_GPU = "pip install 'onnxruntime-gpu[cuda,cudnn]'"


@cache
def onnxruntime() -> ModuleType:
    """The module; a DeviceError that says the mend where it is missing, too old or broken."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # on by default since 1.29; read at import
    builds = installed_builds()
    for name, version in builds.items():
        _check_version(name, version)  # first, since an old one prints a page before it fails
    try:
        import onnxruntime as module
    except Exception as error:  # an ImportError or, if half of it is there, anything
        raise DeviceError(_why_not(error, builds)) from None
    if not hasattr(module, "InferenceSession"):  # what uninstalling one of two builds leaves
        raise DeviceError(f"ONNX Runtime is incomplete: {_again(builds)}")
    _check_version("onnxruntime", module.__version__)
    return module  # type: ignore[no-any-return]


def installed_builds() -> dict[str, str]:
    """The distributions that bring the module onnxruntime, with their versions."""
    from importlib import metadata  # takes 50 ms

    found = {}
    for name in BUILDS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _check_version(name: str, version: str) -> None:
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and tuple(map(int, numbers.groups())) < MINIMUM:
        mend = f"pip install --upgrade {name}"
        needed = ".".join(map(str, MINIMUM))
        raise DeviceError(f"{name} {version} is too old, {needed} is needed: {mend}")


def _why_not(error: Exception, builds: dict[str, str]) -> str:
    """Why it was not imported, and the mend."""
    if not builds and isinstance(error, ModuleNotFoundError):
        return not_installed(
            sys.platform, platform.machine(), sysconfig.get_config_var("SOABI") or ""
        )
    reason = str(error).partition("\n")[0] or type(error).__name__
    mend = _again(builds)
    if "DLL load failed" in reason:
        mend = "install the latest Microsoft Visual C++ Redistributable (vc_redist), or " + mend
    return f"ONNX Runtime is installed but does not start ({reason}): {mend}"


def _again(builds: dict[str, str]) -> str:
    """The command that installs anew what is installed."""
    return f"pip install --force-reinstall {' '.join(builds) or 'onnxruntime'}"


def not_installed(system: str, machine: str, abi: str) -> str:
    """What to do where ONNX Runtime is not installed: there is none for some machines.

    ``abi`` is that of Python's extension modules, which names the C library.
    """
    if system == "darwin" and machine == "x86_64":
        return "ONNX Runtime has no build for Macs with Intel processors: use another machine"
    if "musl" in abi:
        return "ONNX Runtime has no build for musl: use a system with glibc, such as Debian"
    gpu = "" if system == "darwin" else f", or for an NVIDIA GPU {INSTALL_GPU}"
    return f"ONNX Runtime is not installed: {INSTALL}{gpu}"


ALIASES = {"dml": "directml"}
"""Names of providers that nobody uses: ``DmlExecutionProvider`` is DirectML."""
OPTIONS = {"OpenVINOExecutionProvider": {"device_type": "CPU", "precision": "FP32"}}
"""By provider. OpenVINO's own precision is that of the processor: a gradient is 5 % off with it."""


def experimental_devices() -> dict[str, str]:
    """Of this ONNX Runtime, by the device's name: providers that nobody has promised."""
    found = {}
    for provider in onnxruntime().get_available_providers():
        name = provider.removesuffix("ExecutionProvider").lower()
        if name not in ("cpu", "cuda"):
            found[ALIASES.get(name, name)] = provider
    return found


@dataclass(frozen=True)
class Device:
    """``cpu``, ``cuda`` and the GPU's number, or the name of an experimental one.

    The last two fields say how CUDA is used.
    """

    kind: str
    index: int = 0
    tf32: bool = False
    """Products of matrices and convolutions with 10 bits of mantissa instead of 23."""
    cuda_graphs: bool = False
    """Evaluations are recorded once for every slot, and played back."""
    provider: str = ""
    """ONNX Runtime's execution provider, of an experimental device."""

    def __str__(self) -> str:
        return f"cuda:{self.index}" if self.kind == "cuda" else self.kind

    @property
    def is_cpu(self) -> bool:
        """Whether ONNX Runtime's own CPU provider computes all of it."""
        return self.kind == "cpu"

    @property
    def memory(self) -> str:
        """Where images are, in ONNX Runtime's words; an experimental device copies them itself."""
        return "cuda" if self.kind == "cuda" else "cpu"

    @property
    def captures(self) -> bool:
        """Whether CUDA graphs are recorded."""
        return self.kind == "cuda" and self.cuda_graphs

    def providers(self, captured: bool = False) -> list[Any]:
        """What ONNX Runtime is asked for, the fallback last."""
        if self.kind == "cpu":
            return ["CPUExecutionProvider"]
        if self.provider:
            options = OPTIONS.get(self.provider, {})
            return [(self.provider, options), "CPUExecutionProvider"]
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
        return new(list(shape), np.float32, self.memory, self.index)

    def upload(self, array: NDArray[np.float32]) -> OrtValue:
        """The array on the device; on the CPU the value is a view of it."""
        contiguous = np.ascontiguousarray(array, np.float32)
        return onnxruntime().OrtValue.ortvalue_from_numpy(contiguous, self.memory, self.index)
