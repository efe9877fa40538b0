"""Whether a device computes what the conformance file of a bundle says."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.manifest import CONFORMANCE
from impasto.runtime.errors import BundleError, DeviceError, ImpastoError
from impasto.runtime.graphs.installation import choose_device
from impasto.runtime.graphs.pool import Graphs, RunGraphs
from impasto.runtime.graphs.session import Termination

from .compute import computed_adam, computed_case, computed_lbfgs, computed_run
from .expected import Case, CaseTolerance, Conformance, Tolerance
from .probes import sketch

MANY = 1 << 40
"""Pixels of a run that is long enough for any graph."""


@dataclass(frozen=True)
class Figure:
    """The relative error of an output."""

    kind: str
    """``loss`` (terms and targets too), ``gradient``, ``optimizer`` or ``run``."""
    what: str
    """Of what, computed how: ``gatys, avg, 64 x 48, winograd: gradient``."""
    error: float
    tolerance: float

    @property
    def passes(self) -> bool:
        """Whether it is within the tolerance; NaN is not."""
        return self.error <= self.tolerance


@dataclass(frozen=True)
class Verification:
    """What came out of it on a device."""

    device: str
    figures: tuple[Figure, ...]

    @property
    def passes(self) -> bool:
        """Whether all figures are within their tolerances."""
        return all(figure.passes for figure in self.figures)

    @property
    def worst(self) -> dict[str, Figure]:
        """Of every kind, the figure with the largest error; NaN is larger than any."""
        ordered = sorted(self.figures, key=lambda figure: figure.kind)
        return {
            kind: max(found, key=lambda f: (f.error != f.error, f.error))
            for kind, found in groupby(ordered, lambda figure: figure.kind)
        }


def verify_bundle(
    bundle: Bundle | str | os.PathLike[str] | None = None,
    *,
    device: str = "auto",
    threads: int | None = None,
) -> Verification:
    """Run a bundle's conformance file on a device: seconds to a minute.

    On the CPU it runs plain and Winograd's graphs, whole and in tiles.

    Args:
        bundle: as for ``Engine.load``, or one that is open.
        device: as in ``Machine``.
        threads: as in ``Machine``.

    Raises:
        BundleError: the bundle cannot be opened, or has no conformance file.
        DeviceError: the device cannot be had.
        SettingError: no such device exists.
    """
    found = bundle if isinstance(bundle, Bundle) else Bundle(bundle)
    expected = read_conformance(found)
    place = choose_device(device, found)
    ways = ("plain", "winograd") if place.is_cpu and found.manifest.winograd else ("plain",)
    figures: list[Figure] = []
    for way in ways:
        graphs = Graphs(found, place, threads, way)
        figures += _case_figures(expected, graphs, way, expected.cases)
        if way == "plain":
            figures += _optimizer_figures(expected, graphs.of_run(MANY, Termination()))
        figures += _run_figures(expected, graphs, way)
    return Verification(str(place), tuple(figures))


class DeviceCheck:
    """Whether an experimental device can be relied on, by the smallest case of every graph.

    The optimizers are run when it is made, an objective when it is first asked for: a device that
    compiles graphs takes up to a minute for one. Safe between threads.

    Raises:
        BundleError: the bundle has no conformance file.
        DeviceError: with the figure that is wrong.
    """

    def __init__(self, bundle: Bundle, graphs: Graphs) -> None:
        self._expected = read_conformance(bundle)
        self._graphs = graphs
        self._passed: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        run_graphs = graphs.of_run(MANY, Termination())
        self._require("the optimizers", _optimizer_figures(self._expected, run_graphs))

    def objective(self, name: str, pooling: str) -> None:
        """Run an objective, if it was not run before.

        Raises:
            DeviceError: with the figure that is wrong, or the file says nothing of it.
        """
        with self._lock:
            if (name, pooling) in self._passed:
                return
            cases = [
                case
                for case in self._expected.cases
                if (case.objective, case.pooling, case.window) == (name, pooling, None)
            ]
            if not cases:
                raise DeviceError(
                    f"{self._graphs.device} is experimental, and the bundle's conformance file "
                    f"has nothing of {name} with {pooling} pooling to check it by: take another "
                    "device"
                )
            figures = [_case_figures(self._expected, self._graphs, "plain", cases)]
            run = self._expected.run
            if run is not None and (run.objective, run.pooling) == (name, pooling):
                figures.append(_run_figures(self._expected, self._graphs, "plain"))
            self._require(name, chain.from_iterable(figures))
            self._passed.add((name, pooling))

    def _require(self, name: str, figures: Iterator[Figure]) -> None:
        device = self._graphs.device
        try:
            wrong = next((figure for figure in figures if not figure.passes), None)
        except ImpastoError as error:  # an output of another shape reads as bad input
            raise DeviceError(
                f"{device} cannot run {name} of the bundle ({error}): take another device"
            ) from error
        if wrong is not None:
            raise DeviceError(
                f"{device} computes something else than the bundle's graphs: "
                f"{wrong.what} is off by {wrong.error:.1e}, and {wrong.tolerance:.0e} is "
                "allowed: take another device"
            )


def read_conformance(bundle: Bundle) -> Conformance:
    """What the bundle's file says.

    Raises:
        BundleError: there is none, or it does not fit the bundle.
    """
    where = f"{bundle.path / CONFORMANCE}"
    if bundle.conformance is None:
        raise BundleError(f"{where}: the bundle has none: export it again")
    found = Conformance.from_json(bundle.conformance, where)
    _check(found, bundle, where)
    return found


def _check(expected: Conformance, bundle: Bundle, where: str) -> None:
    """That it speaks of objectives and terms that are there."""
    objectives = bundle.manifest.objectives
    runs = () if expected.run is None else (expected.run,)
    for case in (*expected.cases, *runs):
        entry = objectives.get(case.objective)
        if entry is None or case.pooling not in entry.poolings:
            raise BundleError(f"{where}: the bundle has no {case.objective}, {case.pooling}")
        units = zip(case.size, bundle.manifest.encoder.alignment, strict=True)
        if len(case.weights) != len(entry.terms) or any(n < 1 or n % unit for n, unit in units):
            raise BundleError(f"{where}: {case.objective}: its weights or its size do not fit")


def _case_figures(
    expected: Conformance, graphs: Graphs, way: str, cases: Sequence[Case]
) -> Iterator[Figure]:
    run_graphs = graphs.of_run(MANY, Termination())
    for case in cases:
        for tiled in (False, True) if case.window else (False,):
            name = f"{case.objective}, {case.pooling}, {_size(case.size)}, {way}"
            name += ", tiles" if tiled else ""
            found = computed_case(run_graphs, case, tiled)
            allowed = case.tolerance or expected.tolerance
            yield from _compared(allowed, name, _flat(case), found)


def _optimizer_figures(expected: Conformance, graphs: RunGraphs) -> Iterator[Figure]:
    allowed = expected.tolerance
    calls = zip(expected.lbfgs.calls, computed_lbfgs(graphs, expected.lbfgs), strict=True)
    for call, found in calls:
        wanted = {key: value for key, value in vars(call).items() if key != "pairs"}
        yield from _compared(allowed, f"lbfgs, {call.pairs} pairs", wanted, found, "optimizer")
    found = computed_adam(graphs, expected.adam)
    wanted = {f"image {k}": v for k, v in enumerate(expected.adam.images, start=1)}
    wanted |= {"mean": expected.adam.mean, "square": expected.adam.square}
    yield from _compared(allowed, "adam", wanted, found, "optimizer")


def _run_figures(expected: Conformance, graphs: Graphs, way: str) -> Iterator[Figure]:
    if expected.run is None:
        return
    losses = computed_run(graphs, expected.run)
    name = f"run, {expected.run.objective}, {expected.run.pooling}, {way}"
    wanted = {f"loss {k}": loss for k, loss in enumerate(expected.run.losses)}
    found = {f"loss {k}": loss for k, loss in enumerate(losses)}
    yield from _compared(expected.tolerance, name, wanted, found, "run")


def _flat(case: Case) -> dict[str, Any]:
    return {
        **case.targets,
        "loss": case.loss,
        **{f"term {k}": term for k, term in enumerate(case.terms)},
        "gradient": case.gradient,
    }


def _compared(
    allowed: Tolerance | CaseTolerance,
    name: str,
    wanted: dict[str, Any],
    found: dict[str, Any],
    kind: str = "loss",
) -> Iterator[Figure]:
    for key, theirs in wanted.items():
        own = "gradient" if key == "gradient" else kind
        error = _error(found[key], theirs)
        yield Figure(own, f"{name}: {key}", error, getattr(allowed, own))


def _error(ours: NDArray[Any] | float, theirs: Sequence[float] | float) -> float:
    """Of a sketch or a number, relative to what is expected."""
    a, b = np.asarray(sketch(np.asarray(ours))), np.atleast_1d(np.asarray(theirs, np.float64))
    if a.shape != b.shape:
        return float("inf")
    norm = float(np.linalg.norm(b))
    return float(np.linalg.norm(a - b)) / (norm or 1.0)


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"
