"""The graphs of a bundle on a device: their kernels are unpacked once, and shared."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from weakref import WeakSet, WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.bounds import check_bounds
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.manifest import WEIGHTS
from impasto.runtime.bundle.shapes import fix
from impasto.runtime.machine.memory import Reservation, budget, reserve, trim
from impasto.runtime.machine.processors import default_threads

from .cache import Cache
from .convolutions import USUAL, Convolutions, choose_convolutions
from .device import Device, onnxruntime
from .kernels import Prepared, Store, prepare
from .session import Graph, Termination, opening, session_options

KEPT = 400_000_000
"""Bytes of kernels, idle graphs and targets that may be kept for the next run."""
SMALL = 12_000_000
"""Bytes of an idle graph that is kept: a larger one is opened again, which takes little."""
ARENA = 1.3
"""What ONNX Runtime keeps for a graph, in units of what lives at once in it."""
FLOAT = 4
"""Bytes."""
SESSION = 3_000_000
"""Bytes of a session without kernels and arena."""
SIDES = (7, 9)
"""Of the image for which kernels are prepared, in units of the alignment: no two are equal."""
SIDE_REGIONS = 5
"""Regions of that image."""

Targets = Mapping[str, NDArray[np.float32]]


class Graphs:
    """Opens graphs, and keeps what the next run is likely to need. Safe between threads.

    A graph that is used by nobody is kept for a while if it is small; kernels and targets are, too.
    ``held`` counts them, and ``release`` drops them: a run that needs memory comes first.
    """

    termination: Termination | None = None
    """Of no run in particular."""

    def __init__(
        self,
        bundle: Bundle,
        device: Device,
        threads: int | None,
        convolutions: str = "auto",
        kept: int = KEPT,
    ) -> None:
        self.bundle: Bundle = bundle
        self.device: Device = device
        self.threads: int = threads or default_threads()
        self.convolutions: Convolutions = choose_convolutions(convolutions, device)
        """What was taken, and why."""
        self._cache = Cache(kept)
        self._store = Store()
        self._graphs: WeakValueDictionary[tuple[str, int, int, int], Graph] = WeakValueDictionary()
        self._prepared: WeakValueDictionary[str, Prepared] = WeakValueDictionary()
        self._plain: set[str] = set()  # files that cannot be prepared
        self._lock = threading.RLock()
        _pools.add(self)

    @property
    def held(self) -> int:
        """Bytes that ``release`` could give back, if no run uses them."""
        return self._cache.size

    def release(self, size: int) -> None:
        """Drop kernels, idle graphs and targets of so many bytes, the oldest first."""
        self._cache.release(size)
        trim()

    def room(self, memory: int | str | None) -> int:
        """Bytes that a run may add, as ``budget`` says: what is only kept for later is free."""
        return budget(memory) + self.held

    def reserve(self, size: int, memory: int | None) -> Reservation:
        """So many of them for a run: what is only kept for later goes first."""
        missing = size - budget(memory)
        if missing > 0:
            self.release(missing)
        return reserve(size)

    def open(
        self, name: str, height: int, width: int, regions: int = 1, captured: bool = False
    ) -> Graph:
        """The graph at a size, for the caller alone."""
        return self._open(name, name, height, width, regions, captured)

    def get(
        self, name: str, height: int, width: int, regions: int = 1, pixels: int | None = None
    ) -> Graph:
        """The graph at a size, shared by all who ask for it.

        Args:
            name: of its file.
            height: of the image.
            width: of the image.
            regions: how many it has.
            pixels: what the run evaluates all in all, at every size: kernels of Winograd's
                convolutions must be worth preparing. None: as if this size were all.
        """
        if pixels is None:
            pixels = USUAL * height * width
        file = self.file(name, pixels)
        key = (file, height, width, regions)
        with self._lock:
            graph = self._graphs.get(key)
            if graph is None:
                graph = self._graphs[key] = self._open(name, file, height, width, regions)
        size = self._size(name, height, width, regions)
        if size <= SMALL:
            self._cache.put(key, graph, size)
        return graph

    def file(self, name: str, pixels: int) -> str:
        """The graph's own file, or the one with Winograd's convolutions; see ``get``."""
        if self.convolutions.worth(pixels):
            return self.bundle.manifest.winograd.get(name, name)
        return name

    def targets(self, key: Hashable, compute: Callable[[], Targets]) -> Targets:
        """What ``compute`` gives, or gave for the key of late. It must not be written to."""
        known: Targets | None = self._cache.get(("targets", key))
        if known is None:
            known = compute()
            size = sum(array.nbytes for array in known.values())
            self._cache.put(("targets", key), known, size)
        return known

    def _open(
        self, name: str, file: str, height: int, width: int, regions: int, captured: bool = False
    ) -> Graph:
        place = (self.bundle, name, height, width, self.device, self.threads, captured)
        return Graph(*place, file=file, prepared=self._prepare(name, file), regions=regions)

    def _prepare(self, name: str, file: str) -> Prepared | None:
        """The graph with its kernels unpacked; None: it is opened as it is in the bundle."""
        if not self.device.is_cpu:
            return None
        with self._lock:
            if file in self._plain:
                return None
            prepared = self._prepared.get(file)
            if prepared is None:
                prepared = self._prepare_now(name, file)
            if prepared is None:
                self._plain.add(file)
                return None
            self._prepared[file] = prepared
        self._cache.put(file, prepared, prepared.size)
        return prepared

    def _prepare_now(self, name: str, file: str) -> Prepared | None:
        rows, columns = self.bundle.manifest.encoder.alignment
        size = (SIDES[0] * rows if rows > 1 else 1, SIDES[1] * columns, SIDE_REGIONS)
        weights = {WEIGHTS: self.bundle.files[WEIGHTS]}
        content = self.bundle.files[file]
        if not self.bundle.packaged:
            check_bounds(self.bundle, file, *size)
        # Without room for temporary files, or where ONNX Runtime cannot read again what it wrote,
        # the graph is opened as it is: that says what is wrong with it, if anything is.
        with suppress(Exception), opening():
            return prepare(
                content,
                weights,
                lambda: session_options(self.bundle, name, size, self.threads),
                onnxruntime(),
                self._store,
            )
        return None

    def _size(self, name: str, height: int, width: int, regions: int) -> int:
        """Bytes of an idle graph, without its kernels.

        An arena holds outputs too, and what a graph takes between, of which the optimizers' say
        nothing: no less than its inputs and outputs is taken for it.
        """
        signature = self.bundle.manifest.signatures[name]
        shapes = (*signature.inputs.values(), *signature.outputs.values())
        floats = sum(math.prod(fix(shape, height, width, regions)) for shape in shapes)
        live = max(signature.live(regions) * height * width, floats)
        return SESSION + round(ARENA * FLOAT * live)

    def of_run(self, pixels: int, termination: Termination) -> RunGraphs:
        """The graphs as one run uses them, which evaluates so many pixels, all in all."""
        return RunGraphs(self, pixels, termination)

    def renew_locks(self) -> None:
        """After a fork."""
        self._lock = threading.RLock()
        self._cache.renew_lock()


class RunGraphs:
    """The graphs as one run uses them: what can end its calls, and how much it evaluates."""

    def __init__(self, graphs: Graphs, pixels: int, termination: Termination) -> None:
        self.bundle: Bundle = graphs.bundle
        self.device: Device = graphs.device
        self.termination: Termination = termination
        self._graphs, self._pixels = graphs, pixels

    def open(
        self, name: str, height: int, width: int, regions: int = 1, captured: bool = False
    ) -> Graph:
        """See Graphs."""
        return self._graphs.open(name, height, width, regions, captured)

    def get(self, name: str, height: int, width: int, regions: int = 1) -> Graph:
        """See Graphs."""
        return self._graphs.get(name, height, width, regions, self._pixels)

    def targets(self, key: Hashable, compute: Callable[[], Targets]) -> Targets:
        """See Graphs."""
        return self._graphs.targets(key, compute)


AnyGraphs = Graphs | RunGraphs

_pools: WeakSet[Graphs] = WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool.renew_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
