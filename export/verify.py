"""Is a written bundle what PyTorch computes? Every graph, run by ONNX Runtime, against its module.

The modules run eagerly, with autograd: nothing of tracing or lowering is shared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.runtime.bundle.manifest import FILE_NAME, Manifest, Signature, fix
from impasto.runtime.errors import ImpastoError
from impasto.runtime.graphs.device import onnxruntime

from . import trace
from .convolutions import Weights
from .graphs import layer_of, sums_shape
from .objective import Describe, Loss, Objective, Pullback, Statistics, Term
from .optimisers import LBFGS, Adam
from .vgg import Pooling

Array = NDArray[np.float32]
SIZES = ((64, 96), (160, 112))
TOLERANCE = 1e-4
PICTURES = 4


@dataclass(frozen=True)
class Figure:
    """The relative error (norm) of an output, or of a term, of a graph at a size."""

    graph: str
    size: tuple[int, int]
    output: str
    error: float


Report = list[Figure]


def verify(
    folder: Path, weights: Weights, poolings: Sequence[Pooling], terms: Sequence[Term]
) -> Report:
    """Figures of every graph at two sizes.

    Raises:
        ImpastoError: a figure is above 1e-4.
    """
    manifest = Manifest.from_json((folder / FILE_NAME).read_bytes(), str(folder))
    modules: dict[str, torch.nn.Module] = {
        manifest.loss: Loss(terms, [sums_shape(term) for term in terms]),
        manifest.optimisers.adam: Adam(),
        manifest.optimisers.lbfgs: LBFGS(manifest.optimisers.history_size),
    }
    for pooling in poolings:
        objective, graphs = Objective(weights, terms, pooling), manifest.poolings[pooling]
        modules[graphs.step] = objective
        modules[graphs.describe] = Describe(objective)
        modules[graphs.statistics] = statistics = Statistics(objective)
        modules[graphs.pullback] = Pullback(statistics)
    files = [(name, name) for name in modules] + [*manifest.winograd.items()]
    report = [
        figure
        for name, file in files
        for size in SIZES
        for figure in _compare(folder / file, modules[name], manifest.signatures[name], size, terms)
    ]
    for figure in report:
        if not figure.error <= TOLERANCE:  # NaN too
            raise ImpastoError(
                f"{figure.graph}: at {figure.size} {figure.output} differs from PyTorch's by "
                f"{figure.error:.1e}, more than {TOLERANCE:.0e}: the bundle was not written"
            )
    return report


def relative_error(ours: Array, theirs: Array) -> float:
    """|ours - theirs| / |theirs|, in float64."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    norm = float(np.linalg.norm(b))
    return float(np.linalg.norm(a - b)) / norm if norm else float(np.linalg.norm(a))


def _compare(
    path: Path,
    module: torch.nn.Module,
    signature: Signature,
    size: tuple[int, int],
    terms: Sequence[Term],
) -> Report:
    """Every output's figure, and every term's.

    Where the input of a ReLU is zero but for rounding, no two evaluations need to agree: so where
    one picture is over the limit, another is tried. What is wrong is wrong with all of them.
    """
    report: Report = []
    for seed in range(PICTURES):
        feeds = _feeds(signature.inputs, size, seed)
        if isinstance(module, Objective | Pullback):
            _balance(module, feeds, _feeds(signature.inputs, SIZES[0], seed), terms)
        if isinstance(module, Loss):
            feeds |= {"sums": _sums(terms, size, seed), "pixels": np.array([math.prod(size)], "f4")}
        outputs = _eager(module, feeds)[-len(signature.outputs) :]
        theirs = _split(dict(zip(signature.outputs, outputs, strict=True)), terms)
        ours = _split(_run(path, feeds), terms)
        report = [Figure(path.name, size, k, relative_error(ours[k], theirs[k])) for k in theirs]
        if all(figure.error <= TOLERANCE for figure in report):
            break
    return report


def _sums(terms: Sequence[Term], size: tuple[int, int], seed: int) -> Array:
    """Statistics of features at random: a loss need not be defined for any numbers."""
    random = torch.Generator().manual_seed(seed)
    parts = []
    for term in terms:
        layer = layer_of(term.layer)
        shape = (1, layer.channels, *(side // layer.stride for side in size))
        features, target = (torch.rand(shape, generator=random) for _ in range(2))
        parts.append(term.head.sums(features, target).flatten())
    return torch.cat(parts).numpy()


def _split(outputs: dict[str, Array], terms: Sequence[Term]) -> dict[str, Array]:
    """The outputs, every term on its own: a large one would hide the error of a small one."""
    found: dict[str, Array] = {}
    for key, array in outputs.items():
        if key in ("terms", "sums", "cotangents"):
            parts = _parts(array, terms, each=1 if key == "terms" else None)
            found |= {f"{key}/{term.name}": p for term, p in zip(terms, parts, strict=True)}
        else:
            found[key] = array
    return found


def _parts(vector: Array, terms: Sequence[Term], each: int | None = None) -> list[Array]:
    """A vector's part for every term: of its statistics' size, or of ``each``."""
    sizes = [each or torch.Size(sums_shape(term)).numel() for term in terms]
    return np.split(vector, np.cumsum(sizes)[:-1])


def _balance(
    module: torch.nn.Module,
    feeds: dict[str, Array],
    smaller: dict[str, Array],
    terms: Sequence[Term],
) -> None:
    """Give every term the same share of the gradient, in place: none hides behind another."""
    key = "weights" if isinstance(module, Objective) else "cotangents"
    start = 0
    for part in _parts(feeds[key], terms, each=1 if key == "weights" else None):
        alone = np.zeros_like(feeds[key])
        alone[start : start + part.size] = part
        norm = float(np.linalg.norm(_eager(module, {**smaller, key: alone})[-1]))
        part /= norm or 1.0
        start += part.size


def _feeds(inputs: trace.Shapes, size: tuple[int, int], seed: int) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    feeds = {}
    for name, shape in inputs.items():
        sides = fix(shape, *size)
        feeds[name] = generator.random(sides, np.float32)
        if name.startswith("y_"):  # a pair that a convex function could have left
            s = feeds[f"s_{name[2:]}"] = feeds[f"s_{name[2:]}"] - np.float32(0.5)
            feeds[name] = s + s**3
        elif name in ("gradient", "mean", "square"):
            feeds[name][..., :16, :] = 0  # a flat part: only an epsilon keeps Adam from 0 / 0
        elif name.startswith("rho_"):
            s, y = feeds[f"s_{name[4:]}"], feeds[f"y_{name[4:]}"]
            feeds[name] = np.array([1 / np.vdot(s, y)], np.float32)
    return feeds


def _eager(module: torch.nn.Module, feeds: Mapping[str, Array]) -> list[Array]:
    tensors = [torch.from_numpy(array) for array in feeds.values()]
    if isinstance(module, Objective | Loss | Pullback):
        tensors[0].requires_grad_()
    outputs = module(*tensors)
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
    if tensors[0].requires_grad:
        outputs[0].backward()
        assert tensors[0].grad is not None
        outputs.append(tensors[0].grad)
    return [output.detach().numpy() for output in outputs]


def _run(path: Path, feeds: Mapping[str, Any]) -> dict[str, Array]:
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))
