"""The optimizers' graphs of a bundle."""

from __future__ import annotations

from functools import cache
from typing import Any

import onnx_ir as ir

from impasto.runtime.bundle.manifest import LBFGSParts, Optimizers
from impasto.runtime.bundle.shapes import Pair, Shape
from impasto.runtime.bundle.signatures import POINTS

from .graphs import Draft
from .optimizers import LBFGS, Adam, LBFGSPart, LBFGSProducts, Preconditioner
from .tracing import trace


def add_optimizers(draft: Draft, history_size: int) -> Optimizers:
    """Adam and L-BFGS."""
    one, image, canvas = (1,), draft.image, draft.encoder.canvas
    alignment, span = draft.encoder.alignment, (canvas.low, canvas.high)
    adam_in: dict[str, Shape] = {
        "image": image,
        "gradient": image,
        "rate": one,
        "betas": (2,),
        "count": one,
        "mean": image,
        "square": image,
    }
    adam_out = {"next_image": image, "next_count": one, "next_mean": image, "next_square": image}
    older = range(1, history_size)
    lbfgs_in: dict[str, Shape] = {
        **dict.fromkeys(POINTS, image),
        "step": one,
        **_weights(Preconditioner(alignment)),
        "gamma": one,
        **{f"s_{i}": image for i in older},
        **{f"y_{i}": image for i in older},
        **{f"rho_{i}": one for i in older},
    }
    lbfgs_out = {
        "next_image": image, "s": image, "y": image, "rho": one, "next_gamma": one, "slope": one
    }  # fmt: skip

    return Optimizers(
        adam=_put(draft, "adam.onnx", Adam, span, adam_in, adam_out),
        lbfgs=_put(
            draft, "lbfgs.onnx", LBFGS, (history_size, alignment, *span), lbfgs_in, lbfgs_out
        ),
        history_size=history_size,
    )


def add_lbfgs_parts(draft: Draft) -> LBFGSParts:
    """L-BFGS of an image in parts."""
    one, image, canvas = (1,), draft.image, draft.encoder.canvas
    alignment = draft.encoder.alignment
    arguments = alignment, canvas.low, canvas.high
    preconditioner = Preconditioner(alignment)
    points, weights = dict.fromkeys(POINTS, image), _weights(preconditioner)
    inputs: dict[str, Shape] = {**points, "mask": draft.mask, **weights}
    found: dict[str, Shape] = {"products": (5,), "largest": one}
    step_in: dict[str, Shape] = {**points, "step": one, **weights, "gamma": one, **found}
    step_out: dict[str, Shape] = {"next_image": image, "next_gamma": one}
    rows, columns = (
        -(-reach // unit) * unit
        for reach, unit in zip(preconditioner.reach, alignment, strict=True)
    )
    return LBFGSParts(
        products=_put(draft, "lbfgs-products.onnx", LBFGSProducts, arguments, inputs, found),
        step=_put(draft, "lbfgs-part.onnx", LBFGSPart, arguments, step_in, step_out),
        margin=(0 if draft.encoder.height else rows, columns),
    )


def _weights(preconditioner: Preconditioner) -> dict[str, Shape]:
    return {"preconditioner": (preconditioner.levels,), "channels": (1,)}


def _put(
    draft: Draft, name: str, kind: type, arguments: Any, inputs: trace.Shapes, outputs: trace.Shapes
) -> str:
    """Trace an optimizer's graph."""
    shapes = tuple(inputs.items()), tuple(outputs.items())
    model = _optimizer(kind, arguments, draft.encoder.alignment, *shapes)
    return draft.put(name, model.clone(), inputs, outputs)


@cache
def _optimizer(kind: type, arguments: Any, alignment: Pair, inputs: Any, outputs: Any) -> ir.Model:
    """An optimizer's graph has nothing of an encoder: who exports more bundles traces it once."""
    return trace.trace_forward(kind(*arguments), dict(inputs), dict(outputs), alignment)
