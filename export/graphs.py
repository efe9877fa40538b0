"""The graphs of a bundle's objectives, and the folder that all graphs are written to.

Each is a traced module, with the signature that the manifest tells; the optimizers' are in
optimizer_graphs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx_ir as ir
import torch

from impasto.runtime.bundle.manifest import Graphs, Layer, Signature
from impasto.runtime.bundle.shapes import REGIONS, Pair, Shape, fix
from impasto.runtime.bundle.sources import MAPS, TARGETS, Source

from . import winograd
from .heads.neighbours import Match
from .objective.encoder import Encoder
from .objective.objective import (
    ALL,
    DESCRIBED,
    Describe,
    Loss,
    Objective,
    Pullback,
    Statistics,
)
from .objective.terms import Term
from .tensors import Layout
from .tracing import trace

FORWARD = 3.5
"""Memory of a forward pass, in units of its largest tensor: three feature maps and some phases are
in memory at the same time. Both factors come from the order in which ONNX Runtime runs nodes."""
BACKWARD = 0.8
"""The same for a gradient, in units of what autograd keeps."""


@dataclass
class Draft:
    """A bundle's folder as it fills."""

    folder: Path
    encoder: Encoder
    signatures: dict[str, Signature] = field(default_factory=dict)
    winograd: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layout = Layout(self.encoder.stored())
        height: int | str = self.encoder.height or "height"
        self.image: Shape = (1, self.encoder.canvas.channels, height, "width")
        self.mask: Shape = (1, 1, height, "width")

    def add(
        self,
        name: str,
        module: torch.nn.Module,
        inputs: trace.Shapes,
        outputs: trace.Shapes,
        live: tuple[float, float] = (0.0, 0.0),
        gradient: bool = False,
        often: bool = False,
        alignment: Pair | None = None,
    ) -> str:
        """Trace and write a graph, and one for CPUs if it runs often; the first's file name.

        ``live``: floats for a pixel, and for each further region.
        """
        trace_it = trace.trace_gradient if gradient else trace.trace_forward
        model = trace_it(module, inputs, outputs, alignment or self.encoder.alignment)
        return self.put(name, model, inputs, outputs, live, often)

    def put(
        self,
        name: str,
        model: ir.Model,
        inputs: trace.Shapes,
        outputs: trace.Shapes,
        live: tuple[float, float] = (0.0, 0.0),
        often: bool = False,
    ) -> str:
        """Write a graph that is traced, as ``add`` does."""
        self.signatures[name] = Signature(
            inputs=dict(inputs),
            outputs=dict(outputs),
            floats_per_pixel=live[0],
            floats_per_region=live[1],
        )
        if often and winograd.rewrite(twin := model.clone()):
            self.winograd[name] = f"{Path(name).stem}-winograd.onnx"
            self._write(self.winograd[name], twin, inputs, outputs)
        self._write(name, model, inputs, outputs)
        return name

    def _write(
        self, file: str, model: ir.Model, inputs: trace.Shapes, outputs: trace.Shapes
    ) -> None:
        (self.folder / file).write_bytes(trace.finish(model, inputs, outputs, self.layout))


def add_objective(draft: Draft, name: str, terms: Sequence[Term], pooling: str) -> Graphs:
    """What reads images, of one objective with one pooling."""
    objective = Objective(draft.encoder, terms, pooling).eval()
    statistics = Statistics(objective)
    image, tile = {"image": draft.image}, {"image": draft.image, "mask": draft.mask}
    maps, sums = _shapes(terms, MAPS), _all_sums(terms)
    with_style = {v.name: v.shape for term in terms for v in term.described_with().values()}
    forward, backward = _live_by_region(draft, objective, terms)
    ending = f"{name}-{pooling}.onnx"
    return Graphs(
        describe=draft.add(
            f"describe-{ending}",
            Describe(objective),
            {**image, **with_style},
            _shapes(terms, DESCRIBED),
            forward,
        ),
        step=draft.add(
            f"step-{ending}",
            objective,
            {**image, "weights": (len(terms),), **_shapes(terms, ALL)},
            {"loss": (), "terms": (len(terms),), "gradient": draft.image},
            backward,
            gradient=True,
            often=True,
        ),
        statistics=draft.add(
            f"statistics-{ending}",
            statistics,
            {**tile, **maps},
            {"sums": sums},
            forward,
            often=True,
        ),
        pullback=draft.add(
            f"pullback-{ending}",
            Pullback(statistics),
            {**tile, "cotangents": sums, **maps},
            {"gradient": draft.image},
            backward,
            gradient=True,
            often=True,
        ),
    )


def add_loss(draft: Draft, name: str, terms: Sequence[Term]) -> str:
    """The loss of an objective's statistics, and their cotangents."""
    sums, count = _all_sums(terms), len(terms)
    inputs: dict[str, Shape] = {"sums": sums, "pixels": (1,), "weights": (count,)}
    outputs: dict[str, Shape] = {"loss": (), "terms": (count,), "cotangents": sums}
    inputs |= _shapes(terms, TARGETS)
    return draft.add(f"loss-{name}.onnx", Loss(terms).eval(), inputs, outputs, gradient=True)


def add_matching(draft: Draft, layers: Mapping[str, Layer]) -> dict[str, str]:
    """The graphs that find neighbours in layers: of ``height`` queries, ``width`` candidates."""
    found = {}
    for number, (name, layer) in enumerate(layers.items(), start=1):
        queries, known, mean = ((layer.channels, side) for side in ("height", "width", 1))
        inputs: dict[str, Shape] = {"queries": queries, "candidates": known}
        inputs |= {"query_mean": mean, "candidate_mean": mean}
        found[name] = draft.add(
            f"match-{number}.onnx",
            Match().eval(),
            inputs,
            {"index": ("height",)},
            live=(2.0, 0.0),
            alignment=(1, 1),
        )
    return found


def _shapes(terms: Sequence[Term], sources: Sequence[Source]) -> dict[str, Shape]:
    """Of all terms' inputs from these sources, by the graphs' names of them."""
    return {value.name: value.shape for term in terms for value in term.inputs(sources).values()}


def _all_sums(terms: Sequence[Term]) -> Shape:
    """Of all terms' statistics, one after another."""
    vector = (sum(term.part for term in terms),)
    return (REGIONS, *vector) if any(term.is_guided for term in terms) else vector


def _live_by_region(
    draft: Draft, objective: Objective, terms: Sequence[Term]
) -> list[tuple[float, float]]:
    """Of a forward pass and of a gradient: floats for a pixel, and for each further region."""
    one = _live(draft, objective, terms, 1)
    if not any(term.is_guided for term in terms):
        return [(live, 0.0) for live in one]
    two = _live(draft, objective, terms, 2)
    return [(a, b - a) for a, b in zip(one, two, strict=True)]


def _live(
    draft: Draft, objective: Objective, terms: Sequence[Term], regions: int
) -> tuple[float, float]:
    """Floats for a pixel that live at once in a forward pass, and in a gradient."""
    unit = draft.encoder.alignment
    size = [-(-side // u) * u for side, u in zip(trace.EXAMPLE_SIDES, unit, strict=True)]
    image = torch.rand(fix(draft.image, *size)).requires_grad_()
    shapes = _shapes(terms, ALL).values()
    inputs = [torch.rand(fix(shape, size[0], size[1], regions)) for shape in shapes]
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_floating_point() and tensor.requires_grad:
            kept[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # The result keeps the tensors in memory: so no address is counted for two of them.
        alive = objective(image, torch.ones(len(terms)), *inputs)
    pixels = math.prod(image.shape[2:])
    del alive
    return FORWARD * max(kept.values()) / pixels, BACKWARD * sum(kept.values()) / pixels
