"""ONNX Runtime: devices, and graphs opened at one picture size. Nothing else imports it."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.manifest import WEIGHTS, fix, fix_side
from impasto.runtime.errors import BundleError, DeviceError, SettingError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OrtValue = Any
"""An onnxruntime.OrtValue: float32, on the device."""

WINOGRAD_PIXELS = 10_000
"""With fewer, what is saved is not worth opening the larger graph."""

_opening = threading.Lock()  # opening sessions at the same time is reported to race


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
        raise SettingError(f"no device {wanted!r}: say auto, cpu, cuda or cuda:N")
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


class Graph:
    """A graph of a bundle, opened at one size. ``run`` may be called by several threads.

    One that is ``captured`` belongs to one run: what was recorded for a slot holds addresses.
    """

    def __init__(
        self,
        bundle: Bundle,
        name: str,
        height: int,
        width: int,
        device: Device,
        threads: int | None = None,
        captured: bool = False,
    ) -> None:
        self.device = device
        self._captured = captured
        self._bundle, self._name = bundle, name
        self.outputs = list(bundle.manifest.signatures[name].outputs)
        self._session = _open(bundle, name, (height, width), device, threads, captured)
        if device.kind == "cuda" and self._session.get_providers()[0] != "CUDAExecutionProvider":
            raise DeviceError(
                "ONNX Runtime fell back to the CPU: is there an NVIDIA driver, and are the CUDA "
                "libraries of impasto[gpu] installed?"
            )

    def run(
        self,
        inputs: Mapping[str, OrtValue],
        to_host: Iterable[str] = (),
        into: Mapping[str, OrtValue] | None = None,
        release: bool = False,
        slot: int = 0,
    ) -> dict[str, OrtValue]:
        """Outputs by name: on the device, but those in ``to_host`` on the host.

        Args:
            inputs: by name, on the device.
            to_host: names of outputs.
            into: outputs that are written there; the others come in new memory.
            release: give the memory back that the graph took, instead of keeping it for the next
                run.
            slot: which addresses these are, from 1, where the graph is captured: all inputs and
                all outputs must then be the same as at the first run with this number.
        """
        into = into or {}
        with _typed_errors(self._bundle, self._name, self.device):
            binding = self._session.io_binding()
            for name, value in inputs.items():
                binding.bind_ortvalue_input(name, value)
            for name in self.outputs:
                if name in into:
                    binding.bind_ortvalue_output(name, into[name])
                elif name in to_host:
                    binding.bind_output(name, "cpu")
                else:
                    binding.bind_output(name, self.device.kind, self.device.index)
            self._session.run_with_iobinding(binding, self._options(release, slot))
        if release:
            _trim()
        return dict(zip(self.outputs, binding.get_outputs(), strict=True))

    def _options(self, release: bool, slot: int) -> Any:
        options = onnxruntime().RunOptions()
        if release:
            kind = "cpu" if self.device.kind == "cpu" else "gpu"
            arena = f"{kind}:{self.device.index}"
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", arena)
        if self._captured:
            options.add_run_config_entry("gpu_graph_id", str(slot))
        return options


def _open(
    bundle: Bundle,
    name: str,
    size: tuple[int, int],
    device: Device,
    threads: int | None,
    captured: bool,
) -> InferenceSession:
    module = onnxruntime()
    options = session_options(bundle, name, size, threads)
    content = bundle.files[file_of(bundle, name, size, device)]
    with _opening, _typed_errors(bundle, name, device):
        providers = device.providers(captured)
        session = module.InferenceSession(content, options, providers=providers)
    _trim()
    return session


def file_of(bundle: Bundle, name: str, size: tuple[int, int], device: Device) -> str:
    """The graph's own file, or the one with Winograd's convolutions; CUDA has its own of those."""
    if device.kind == "cpu" and size[0] * size[1] >= WINOGRAD_PIXELS:
        return bundle.manifest.winograd.get(name, name)
    return name


def session_options(bundle: Bundle, name: str, size: tuple[int, int], threads: int | None) -> Any:
    """An onnxruntime.SessionOptions for a graph at a (height, width)."""
    options = onnxruntime().SessionOptions()
    options.log_severity_level = 4  # what goes wrong comes as an exception
    options.enable_mem_pattern = False  # one block for everything: half as much memory again
    options.enable_mem_reuse = False  # what is kept for the next value of its size is not free
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others run here too
    weights = bundle.files[WEIGHTS]
    options.add_external_initializers_from_files_in_memory([WEIGHTS], [weights], [len(weights)])
    signature = bundle.manifest.signatures[name]
    for shape in (*signature.inputs.values(), *signature.outputs.values()):
        for side in shape:
            if isinstance(side, str):
                options.add_free_dimension_override_by_name(side, fix_side(side, *size))
    return options


def _trim() -> None:
    """Let glibc return what was freed, such as the kernels that were unpacked to open a graph."""
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def _typed_errors(bundle: Bundle, name: str, device: Device) -> Iterator[None]:
    """ONNX Runtime's errors have no common type, and say in words that memory ran out."""
    try:
        yield
    except Exception as error:
        reason = str(error).partition("\n")[0]
        if isinstance(error, MemoryError) or "alloc" in reason:
            raise MemoryError(reason) from error
        if device.kind == "cpu":
            raise BundleError(
                f"{bundle.path / name}: ONNX Runtime refuses it ({reason}): export the bundle again"
            ) from error
        raise DeviceError(f"{device} failed at {name} ({reason}): try --device cpu") from error


class Graphs:
    """The graphs of a bundle on a device. Safe between threads."""

    def __init__(self, bundle: Bundle, device: Device, threads: int | None) -> None:
        self.bundle, self.device, self.threads = bundle, device, threads
        self._shared: WeakValueDictionary[tuple[str, int, int], Graph] = WeakValueDictionary()
        self._lock = threading.Lock()

    def open(self, name: str, height: int, width: int, captured: bool = False) -> Graph:
        """The graph at a size, for the caller alone."""
        return Graph(self.bundle, name, height, width, self.device, self.threads, captured)

    def get(self, name: str, height: int, width: int) -> Graph:
        """The graph at a size, shared by all who hold it at the time; it closes with the last."""
        key = (name, height, width)
        with self._lock:
            graph = self._shared.get(key)
            if graph is None:
                graph = self._shared[key] = self.open(*key)
            return graph
