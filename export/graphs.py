"""The graphs of a bundle: each a traced module, with the signature that the manifest tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx_ir as ir
import torch

from impasto.runtime.bundle.manifest import Graphs, Layer, Optimisers, Shape, Signature

from . import trace, winograd
from .convolutions import CONVOLUTIONS, Weights
from .objective import IMAGE, Describe, Loss, Objective, Pullback, Statistics, Term
from .optimizers import LBFGS, Adam
from .vgg import ALIGNMENT, LAYERS, Pooling, stride

IMAGE_SHAPE: Shape = (1, 3, "height", "width")
MASK_SHAPE: Shape = (1, 1, "height", "width")
FORWARD_LIVE = 225.0
"""Floats for a pixel that live at once: three of the largest feature maps, and some phases."""
BACKWARD_LIVE: dict[Pooling, float] = {"avg": 1.01, "max": 1.07}
"""The same for a gradient, in units of all feature maps. All three were read off the lifetimes of
values in ONNX Runtime's order of execution."""


@dataclass
class Draft:
    """A bundle's folder as it fills."""

    folder: Path
    weights: Weights
    signatures: dict[str, Signature] = field(default_factory=dict)
    winograd: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        name: str,
        model: ir.Model,
        inputs: trace.Shapes,
        outputs: trace.Shapes,
        live: float = 0.0,
        often: bool = False,
    ) -> str:
        """Write a graph, and one for CPUs if it runs often; the first one's file name."""
        self.signatures[name] = Signature(inputs=dict(inputs), outputs=dict(outputs), live=live)
        if often and winograd.rewrite(twin := model.clone()):
            self.winograd[name] = f"{Path(name).stem}-winograd.onnx"
            self._write(self.winograd[name], twin, inputs, outputs)
        self._write(name, model, inputs, outputs)
        return name

    def _write(
        self, file: str, model: ir.Model, inputs: trace.Shapes, outputs: trace.Shapes
    ) -> None:
        (self.folder / file).write_bytes(trace.finish(model, inputs, outputs, self.weights))


def add_objective(draft: Draft, terms: Sequence[Term], pooling: Pooling) -> Graphs:
    """What reads pictures, with one pooling."""
    objective = Objective(draft.weights, terms, pooling).eval()
    statistics = Statistics(objective)
    targets = {t.name: target_shape(t) for t in terms if t.head.target}
    contents = {t.name: target_shape(t) for t in terms if t.head.target == "content"}
    image: dict[str, Shape] = {"image": IMAGE_SHAPE}
    tile = {**image, "mask": MASK_SHAPE}
    sums = _all_sums([sums_shape(term) for term in terms])

    def forward(
        name: str, module: torch.nn.Module, inputs: trace.Shapes, outputs: trace.Shapes
    ) -> str:
        model = trace.trace_forward(module, inputs, outputs)
        often = name != "describe"
        return draft.add(f"{name}-{pooling}.onnx", model, inputs, outputs, FORWARD_LIVE, often)

    def gradient(
        name: str, module: torch.nn.Module, inputs: trace.Shapes, outputs: trace.Shapes
    ) -> str:
        model = trace.trace_gradient(module, inputs, outputs)
        live = BACKWARD_LIVE[pooling] * _features(terms)
        return draft.add(f"{name}-{pooling}.onnx", model, inputs, outputs, live, often=True)

    return Graphs(
        describe=forward("describe", Describe(objective), image, targets),
        step=gradient(
            "step",
            objective,
            {**image, "weights": (len(terms),), **targets},
            {"loss": (), "terms": (len(terms),), "gradient": IMAGE_SHAPE},
        ),
        statistics=forward("statistics", statistics, {**tile, **contents}, {"sums": sums}),
        pullback=gradient(
            "pullback",
            Pullback(statistics),
            {**tile, "cotangents": sums, **contents},
            {"gradient": IMAGE_SHAPE},
        ),
    )


def add_loss(draft: Draft, terms: Sequence[Term]) -> str:
    """The loss of statistics, and their cotangents."""
    shapes = [sums_shape(term) for term in terms]
    sums = _all_sums(shapes)
    styles = {t.name: target_shape(t) for t in terms if t.head.target == "style"}
    inputs: dict[str, Shape] = {"sums": sums, "pixels": (1,), "weights": (len(terms),), **styles}
    outputs: dict[str, Shape] = {"loss": (), "terms": (len(terms),), "cotangents": sums}
    model = trace.trace_gradient(Loss(terms, shapes).eval(), inputs, outputs)
    return draft.add("loss.onnx", model, inputs, outputs)


def add_optimisers(draft: Draft, history_size: int) -> Optimisers:
    """Adam and L-BFGS."""
    one, image = (1,), IMAGE_SHAPE
    adam_in = {
        "image": image, "gradient": image, "rate": one, "count": one, "mean": image, "square": image
    }  # fmt: skip
    adam_out = {"next_image": image, "next_count": one, "next_mean": image, "next_square": image}
    older = range(1, history_size)
    optimizer = LBFGS(history_size, (ALIGNMENT, ALIGNMENT), 0.0, 1.0)
    lbfgs_in: dict[str, Shape] = {
        "image": image,
        "gradient": image,
        "previous_image": image,
        "previous_gradient": image,
        "step": one,
        "preconditioner": (optimizer.precondition.levels,),
        "channels": one,
        "gamma": one,
        **{f"s_{i}": image for i in older},
        **{f"y_{i}": image for i in older},
        **{f"rho_{i}": one for i in older},
    }
    lbfgs_out = {
        "next_image": image, "s": image, "y": image, "rho": one, "next_gamma": one, "slope": one
    }  # fmt: skip
    adam = trace.trace_forward(Adam(0.0, 1.0), adam_in, adam_out)
    lbfgs = trace.trace_forward(optimizer, lbfgs_in, lbfgs_out)
    return Optimisers(
        adam=draft.add("adam.onnx", adam, adam_in, adam_out),
        lbfgs=draft.add("lbfgs.onnx", lbfgs, lbfgs_in, lbfgs_out),
        history_size=history_size,
    )


def _features(terms: Sequence[Term]) -> float:
    """Floats of all feature maps that a gradient goes back through, for a pixel."""
    deepest = max(LAYERS.index(term.layer) for term in terms if term.layer != IMAGE)
    return sum(CONVOLUTIONS[name][1] / stride(name) ** 2 for name in LAYERS[: deepest + 1])


def target_shape(term: Term) -> Shape:
    """Of what the term is compared with."""
    layer = layer_of(term.layer)
    if term.head.target == "content":
        side = (
            f"{axis}/{layer.stride}" if layer.stride > 1 else axis for axis in ("height", "width")
        )
        return (1, layer.channels, *side)
    return sums_shape(term)


def _all_sums(shapes: Sequence[tuple[int, ...]]) -> Shape:
    """Of the vector of all terms' statistics."""
    return (sum(math.prod(shape) for shape in shapes),)


def sums_shape(term: Term) -> tuple[int, ...]:
    """Of the term's statistics."""
    features = torch.zeros(1, layer_of(term.layer).channels, 16, 16)
    return tuple(term.head.sums(features, features).shape)


def layer_of(name: str) -> Layer:
    """Channels and stride of a layer, or of the image."""
    if name == IMAGE:
        return Layer(channels=3, stride=1)
    return Layer(channels=CONVOLUTIONS[name][1], stride=stride(name))
