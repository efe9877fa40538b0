"""A graph of a bundle, opened at one picture size, and how its calls end early."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from impasto.runtime.bundle.bounds import check_bounds
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.manifest import WEIGHTS
from impasto.runtime.bundle.shapes import fix_side
from impasto.runtime.errors import BundleError, DeviceError, Field, ImpastoError, OutOfMemoryError
from impasto.runtime.machine.memory import trim

from .device import INSTALL_GPU, Device, OrtValue, onnxruntime
from .kernels import Prepared

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Size = tuple[int, int, int]
"""(height, width), and the number of regions."""


class Terminated(Exception):  # noqa: N818 - a job that was ended has not failed
    """A call was ended by its Termination."""


class Termination:
    """Ends the calls of one job, from any thread, and stays so: a new job needs a new one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Any] = set()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether ``terminate`` was called."""
        return self._ended

    def terminate(self) -> None:
        """Calls that run end at their next node; those that follow do not start."""
        with self._lock:
            self._ended = True
            for options in self._running:
                options.terminate = True

    @contextmanager
    def watch(self, options: Any) -> Iterator[None]:
        """While a call runs with these onnxruntime.RunOptions.

        Raises:
            Terminated: ``terminate`` was called, before the call or during it.
        """
        with self._lock:
            if self._ended:
                raise Terminated
            self._running.add(options)
        try:
            yield
        except Exception as error:
            if options.terminate and "terminate" in str(error):
                raise Terminated from None
            raise
        finally:
            with self._lock:
                self._running.discard(options)


class Graph:
    """A graph of a bundle at one size. ``run`` may be called by several threads.

    A ``captured`` graph belongs to one run: CUDA has recorded the addresses of that run's slots.
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
        file: str | None = None,
        prepared: Prepared | None = None,
        regions: int = 1,
    ) -> None:
        """Open it: ``file`` stands for ``name`` if given, ``prepared`` for that file."""
        self.device = device
        self._captured = captured
        self._bundle, self._name, self._file = bundle, name, file or name
        self._size = height, width, regions
        self._threads, self._prepared = threads, prepared
        self.outputs: list[str] = list(bundle.manifest.signatures[name].outputs)
        self._session = self._open()
        if device.kind == "cuda" and self._session.get_providers()[0] != "CUDAExecutionProvider":
            raise DeviceError(
                "ONNX Runtime fell back to the CPU: is there an NVIDIA driver for CUDA 13 (580 or "
                f"newer), and are its libraries installed ({INSTALL_GPU})?"
            )
        if device.provider and device.provider not in self._session.get_providers():
            raise DeviceError(f"ONNX Runtime fell back from {device} to the CPU")
        _graphs.add(self)

    def run(
        self,
        inputs: Mapping[str, OrtValue],
        to_host: Iterable[str] = (),
        into: Mapping[str, OrtValue] | None = None,
        release: bool = False,
        slot: int = 0,
        termination: Termination | None = None,
    ) -> dict[str, OrtValue]:
        """Outputs by name: on the device, but those in ``to_host`` on the host.

        Args:
            inputs: by name, on the device.
            to_host: names of outputs.
            into: outputs that are written there; the others come in new memory.
            release: give the memory back that the graph took, instead of keeping it for the next
                run.
            slot: number of the recording, from 1, where the graph is captured. All inputs and
                outputs must be at the addresses of the first run with this number.
            termination: may end the call; what it writes ``into`` is then spoilt.

        Raises:
            Terminated: the termination did.
        """
        into = into or {}
        options = self._options(release, slot)
        watched = nullcontext() if termination is None else termination.watch(options)
        with _typed_errors(self._bundle, self._name, self.device), watched:
            session = self._usable()
            binding = session.io_binding()
            for name, value in inputs.items():
                binding.bind_ortvalue_input(name, value)
            for name in self.outputs:
                if name in into:
                    binding.bind_ortvalue_output(name, into[name])
                elif name in to_host:
                    binding.bind_output(name, "cpu")
                else:
                    binding.bind_output(name, self.device.memory, self.device.index)
            session.run_with_iobinding(binding, options)
        if release:
            trim()
        return dict(zip(self.outputs, binding.get_outputs(), strict=True))

    def _options(self, release: bool, slot: int) -> Any:
        options = onnxruntime().RunOptions()
        if release:
            kind = "cpu" if self.device.memory == "cpu" else "gpu"
            arena = f"{kind}:{self.device.index}"
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", arena)
        if self._captured:
            options.add_run_config_entry("gpu_graph_id", str(slot))
        return options

    def _open(self) -> InferenceSession:
        module = onnxruntime()
        if not self._bundle.packaged:
            check_bounds(self._bundle, self._file, *self._size)
        options = session_options(self._bundle, self._name, self._size, self._threads)
        if self._prepared is None:
            add_weights(options, self._bundle)
            content = self._bundle.files[self._file]
        else:
            content = self._prepared.model
            for name, value in self._prepared.kernels.items():
                options.add_initializer(name, value)
            # The blocks are there: what is left is to fold what the size makes constant. Nodes run
            # in the file's order; in the usual one they need up to half as much memory again.
            options.graph_optimization_level = module.GraphOptimizationLevel.ORT_ENABLE_BASIC
            options.execution_order = module.ExecutionOrder.PRIORITY_BASED
        providers = self.device.providers(self._captured)
        with opening(), _typed_errors(self._bundle, self._name, self.device):
            session = module.InferenceSession(content, options, providers=providers)
        trim()
        return session

    def _usable(self) -> InferenceSession:
        """The session; a new one in a process that was forked since: threads are not copied."""
        session = self._session
        if session is None:
            if not self.device.is_cpu:
                raise DeviceError(
                    f"{self.device} cannot be used in a process that was forked after the engine "
                    "was loaded: load it there, or start processes with spawn"
                )
            session = self._session = self._open()
        return session

    def _abandon(self) -> None:
        """After a fork, in the child: to close the session would wait for its threads for ever."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))
        self._session = None


_graphs: WeakSet[Graph] = WeakSet()
_lock = threading.Lock()  # opening sessions at the same time is reported to race


@contextmanager
def opening() -> Iterator[None]:
    """While a session is opened."""
    with _lock:
        yield


def _after_fork() -> None:
    _lock.release()
    for graph in list(_graphs):
        graph._abandon()


if hasattr(os, "register_at_fork"):  # ONNX Runtime must not be copied while it opens a session
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_after_fork
    )


def session_options(bundle: Bundle, name: str, size: Size, threads: int | None) -> Any:
    """An onnxruntime.SessionOptions for a graph at a size."""
    options = onnxruntime().SessionOptions()
    options.log_severity_level = 4  # what goes wrong comes as an exception
    # Each of these two would take more memory and no less time (docs/decisions.md, 13).
    options.enable_mem_pattern = False
    options.enable_mem_reuse = False
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others run here too
    signature = bundle.manifest.signatures[name]
    for shape in (*signature.inputs.values(), *signature.outputs.values()):
        for side in shape:
            if isinstance(side, str):
                options.add_free_dimension_override_by_name(side, fix_side(side, *size))
    return options


def add_weights(options: Any, bundle: Bundle) -> None:
    """The weights, for a graph as it is in the bundle."""
    weights = bundle.files[WEIGHTS]
    options.add_external_initializers_from_files_in_memory([WEIGHTS], [weights], [len(weights)])


REASON = 200
"""Characters of what ONNX Runtime says: a provider's may be its whole call stack."""
MEMORY = re.compile(r"alloc(?!ator<)|out of memory")
"""Of an error's text; ``allocator<`` is part of a C++ signature."""


@contextmanager
def _typed_errors(bundle: Bundle, name: str, device: Device) -> Iterator[None]:
    """Turn ONNX Runtime's errors into ours.

    They have no common type, and only their text says that memory ran out.
    """
    try:
        yield
    except (Terminated, ImpastoError):
        raise
    except Exception as error:
        text = str(error).partition("\n")[0]
        reason = text[:REASON] + ("..." if len(text) > REASON else "")
        if isinstance(error, MemoryError) or MEMORY.search(text):
            raise OutOfMemoryError(
                f"memory ran out in {name} ({reason}): choose a smaller ",
                Field("size"),
                ", or for tiles allow less ",
                Field("memory"),
            ) from error
        if device.is_cpu:
            raise BundleError(
                f"{bundle.path / name}: ONNX Runtime refuses it ({reason}): export the bundle again"
            ) from error
        raise DeviceError(f"{device} failed at {name} ({reason}): try --device cpu") from error
