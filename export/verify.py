"""Is a written bundle what PyTorch computes? Every graph, run by ONNX Runtime, against its module.

The modules run eagerly, with autograd: nothing of tracing or lowering is shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.runtime.errors import ImpastoError
from impasto.runtime.manifest import FILE_NAME, Manifest, Signature, fix
from impasto.runtime.session import onnxruntime

from . import trace
from .convolutions import Weights
from .objective import Describe, Objective, Term
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
        manifest.optimisers.adam: Adam(),
        manifest.optimisers.lbfgs: LBFGS(manifest.optimisers.history_size),
    }
    for pooling in poolings:
        objective = Objective(weights, terms, pooling)
        modules[manifest.poolings[pooling].step] = objective
        modules[manifest.poolings[pooling].describe] = Describe(objective)
    report = [
        figure
        for name, module in modules.items()
        for size in SIZES
        for figure in _compare(folder / name, module, manifest.signatures[name], size)
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
    path: Path, module: torch.nn.Module, signature: Signature, size: tuple[int, int]
) -> Report:
    """Every output's figure, and every term's.

    Where the input of a ReLU is zero but for rounding, no two evaluations need to agree: so where
    one picture is over the limit, another is tried. What is wrong is wrong with all of them.
    """
    report: Report = []
    for seed in range(PICTURES):
        feeds = _feeds(signature.inputs, size, seed)
        if isinstance(module, Objective):
            feeds["weights"] = _balance(module, _feeds(signature.inputs, SIZES[0], seed))
        theirs = _named(module, dict(zip(signature.outputs, _eager(module, feeds), strict=True)))
        ours = _named(module, _run(path, feeds))
        report = [Figure(path.name, size, k, relative_error(ours[k], theirs[k])) for k in theirs]
        if all(figure.error <= TOLERANCE for figure in report):
            break
    return report


def _named(module: torch.nn.Module, outputs: dict[str, Array]) -> dict[str, Array]:
    """The outputs, every term on its own: a large one would hide the error of a small one."""
    if not isinstance(module, Objective):
        return outputs
    names = [term.name for term in module.terms]
    return outputs | dict(zip(names, outputs.pop("terms"), strict=True))


def _balance(objective: Objective, feeds: Mapping[str, Array]) -> Array:
    """Weights that give every term the same share of the gradient: none hides behind another."""
    alone = np.eye(len(objective.terms), dtype=np.float32)
    norms = [np.linalg.norm(_eager(objective, {**feeds, "weights": one})[-1]) for one in alone]
    return np.array([1 / norm if norm else 1.0 for norm in norms], np.float32)


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
    if not isinstance(module, Objective):
        with torch.no_grad():
            return [output.numpy() for output in module(*tensors)]
    tensors[0].requires_grad_()
    outputs = module(*tensors)
    outputs[0].backward()
    assert tensors[0].grad is not None
    return [*(output.detach().numpy() for output in outputs), tensors[0].grad.numpy()]


def _run(path: Path, feeds: Mapping[str, Any]) -> dict[str, Array]:
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))
