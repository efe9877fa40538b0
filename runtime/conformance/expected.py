"""What the conformance file says: what is to be computed of which probes, and what comes out.

``conformance.json`` beside the manifest; its fields are the dataclasses below. An array stands in
it as its sketch. It is written at export, from PyTorch in float64.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from impasto.runtime import records
from impasto.runtime.bundle.shapes import Pair
from impasto.runtime.errors import BundleError

SCHEMA = 2
LOSS, GRADIENT, OPTIMIZER = 1e-5, 1e-4, 1e-5
"""Relative errors that are tolerated."""
DIGITS = 8
"""Of every number: more than float32 has, and fewer than processors differ in in float64."""

Sketch = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class CaseTolerance:
    """Relative errors that are tolerated in a case; ``loss`` is for terms and targets, too."""

    loss: float
    gradient: float


@dataclass(frozen=True, kw_only=True)
class Case:
    """An objective of the probes of a seed, with one pooling, at a size."""

    objective: str
    pooling: str
    size: Pair
    """(height, width)"""
    window: Pair | None
    """Of tiles, which give the same; None: it is not for tiles."""
    seed: int
    weights: tuple[float, ...]
    """Of the terms: with these all are as large in the loss."""
    targets: dict[str, Sketch]
    """By the names of the terms' inputs: what content and style are described by."""
    loss: float
    terms: tuple[float, ...]
    gradient: Sketch
    tolerance: CaseTolerance | None = None
    """Where float32 has fewer digits of its terms than usual; None: the file's."""


@dataclass(frozen=True, kw_only=True)
class LBFGSCall:
    """One call of L-BFGS' graph with so many older pairs."""

    pairs: int
    step: Sketch
    """Next image less image."""
    rho: float
    gamma: float
    slope: float


@dataclass(frozen=True, kw_only=True)
class LBFGS:
    """Calls with the probes of a seed."""

    size: Pair
    seed: int
    preconditioner: tuple[float, ...]
    channels: float
    calls: tuple[LBFGSCall, ...]


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Steps with the probes of a seed."""

    size: Pair
    seed: int
    rate: float
    images: tuple[Sketch, ...]
    """After every step."""
    mean: Sketch
    """After the last step, as ``square``."""
    square: Sketch


@dataclass(frozen=True, kw_only=True)
class Run:
    """The beginning of a run with L-BFGS from the content, without tiles or maps."""

    objective: str
    pooling: str
    size: Pair
    seed: int
    weights: tuple[float, ...]
    preconditioner: tuple[float, ...]
    channels: float
    losses: tuple[float, ...]
    """Of the first image, and after every iteration."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """Relative errors that are tolerated; ``loss`` is for terms and targets, too.

    An encoder whose losses are small differences of large numbers may need more than usual.
    """

    loss: float
    run: float
    gradient: float
    optimizer: float


@dataclass(frozen=True, kw_only=True)
class Conformance:
    """The file."""

    schema: int
    tolerance: Tolerance
    cases: tuple[Case, ...]
    lbfgs: LBFGS
    adam: Adam
    run: Run | None
    """None: the objective gives no number for any of the probes."""

    def to_json(self) -> str:
        """The text of the file, one line for every array."""
        return _lines(_rounded(asdict(self)), "") + "\n"

    @staticmethod
    def from_json(text: str | bytes, source: str) -> Conformance:
        """The file in a text; ``source`` names it in a BundleError."""
        try:
            raw = records.parse(text, source)
            schema = raw.get("schema") if isinstance(raw, dict) else None
            if schema != SCHEMA:
                raise BundleError(
                    f"{source}: schema {records.show(schema)}, but this version of impasto reads "
                    f"schema {SCHEMA}: export the bundle again, or install the version that made it"
                )
            found: Conformance = records.read(Conformance, raw, source)
        except records.RecordError as error:
            raise BundleError(str(error)) from None
        return found


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value


def _lines(value: Any, indent: str) -> str:
    inner = indent + " "
    if isinstance(value, dict):
        items = [f"{json.dumps(k)}: {_lines(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(inner + item for item in items) + f"\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return "[\n" + ",\n".join(inner + _lines(v, inner) for v in value) + f"\n{indent}]"
    return json.dumps(value)
