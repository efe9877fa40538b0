"""The figures of the conformance file: what PyTorch computes of its probes, in float64.

As in ``verify``, the modules run eagerly, with autograd: nothing of tracing, lowering or ONNX
Runtime is in them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from impasto.export.objective.encoder import Encoder
from impasto.export.objective.terms import Term
from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.conformance import expected

from .cases import case_of, cases_of, sizes_of
from .optimizers import adam_steps, first_losses, lbfgs_calls
from .probed import Probed, precision

__all__ = ["make_conformance"]

ROOM = 10
"""Times what float32 in PyTorch is off by."""

Objectives = Mapping[str, Sequence[Term]]


def make_conformance(
    manifest: Manifest, encoder: Encoder, objectives: Objectives
) -> expected.Conformance:
    """The conformance file of a bundle."""
    small = sizes_of(manifest, encoder, next(iter(objectives)))[0]
    with precision(torch.float64):
        cases = [
            case
            for name, terms in objectives.items()
            for pooling in manifest.objectives[name].poolings
            for case in cases_of(manifest, encoder, name, pooling, terms)
            if _is_finite(case)
        ]
    with precision(torch.float32):
        cases = [_tolerant(case, _probed(manifest, encoder, objectives, case)) for case in cases]
    with precision(torch.float64):
        lbfgs, adam = lbfgs_calls(manifest, small), adam_steps(manifest, small)
        first = next((c for c in cases if c.tolerance is None), next(iter(cases), None))
        run = (
            None
            if first is None
            else first_losses(_probed(manifest, encoder, objectives, first), first)
        )
    tolerance = expected.Tolerance(
        loss=expected.LOSS,
        gradient=expected.GRADIENT,
        optimizer=expected.OPTIMIZER,
        run=expected.LOSS,
    )
    if first and run:
        with precision(torch.float32):
            again = _probed(manifest, encoder, objectives, first)
            rough = case_of(again, first.seed, None, first.weights).terms
            losses = first_losses(again, first).losses
        tolerance = replace(
            tolerance,
            loss=_tolerance(tolerance.loss, _worst(rough, first.terms)),
            run=_tolerance(tolerance.run, _worst(losses, run.losses)),
        )
    return expected.Conformance(
        schema=expected.SCHEMA,
        tolerance=tolerance,
        cases=tuple(cases),
        lbfgs=lbfgs,
        adam=adam,
        run=run,
    )


def _is_finite(case: expected.Case) -> bool:
    """A head need not be defined for noise: then there is nothing to compare."""
    return bool(np.isfinite([case.loss, *case.terms, *case.gradient]).all())


def _tolerant(case: expected.Case, again: Probed) -> expected.Case:
    """With a tolerance of its own if float32 has few digits of it: maps of few positions.

    ``again``: the same in float32.
    """
    rough = case_of(again, case.seed, None, case.weights)
    loss = _tolerance(expected.LOSS, _worst(rough.terms, case.terms))
    if loss <= ROOM * expected.LOSS:
        return case
    change = np.linalg.norm(np.subtract(rough.gradient, case.gradient))
    gradient = _tolerance(expected.GRADIENT, float(change / np.linalg.norm(case.gradient)))
    return replace(case, tolerance=expected.CaseTolerance(loss=loss, gradient=gradient))


def _probed(
    manifest: Manifest, encoder: Encoder, objectives: Objectives, case: expected.Case
) -> Probed:
    terms = objectives[case.objective]
    return Probed(manifest, encoder, case.objective, case.pooling, terms, case.size)


def _worst(rough: Sequence[float], exact: Sequence[float]) -> float:
    """The largest relative error."""
    return max(abs(a - b) / abs(b) if b else 0.0 for a, b in zip(rough, exact, strict=False))


def _tolerance(least: float, error: float) -> float:
    """A power of ten that has room for what float32 alone is off by."""
    return max(least, float(f"1e{math.ceil(math.log10(ROOM * error))}") if error else least)
