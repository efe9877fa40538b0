"""Is a written bundle what PyTorch computes? Every graph, run by ONNX Runtime, against its module.

The modules run eagerly, with autograd: nothing of tracing or lowering is shared. And do tiles of
every statistics graph add up to the whole?
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

from impasto.runtime.bundle.manifest import FILE_NAME, Canvas, Manifest, Signature
from impasto.runtime.bundle.shapes import Pair, fix
from impasto.runtime.bundle.sources import MAPS, Source
from impasto.runtime.errors import ImpastoError
from impasto.runtime.graphs.device import onnxruntime
from impasto.runtime.objective.factors import with_factors
from impasto.runtime.objective.tiles import cut

from .additive import REGIONS, TOLERANCE, features_of, relative_error
from .heads.neighbours import Match
from .objective.encoder import Encoder
from .objective.objective import Describe, Loss, Objective, Pullback, Statistics, in_rows
from .objective.terms import Term
from .optimizers import LBFGS, Adam, LBFGSPart, LBFGSProducts
from .tracing import trace

Array = NDArray[np.float32]
SIZES = ((64, 96), (160, 112))
PICTURES = 4
STYLES: tuple[Source, ...] = ("style",)
FACTORS: tuple[Source, ...] = ("style_factor",)


@dataclass(frozen=True)
class Figure:
    """The relative error (norm) of an output, or of a term, of a graph at a size."""

    graph: str
    size: tuple[int, int]
    output: str
    error: float


Report = list[Figure]
Modules = dict[str, tuple[torch.nn.Module, Sequence[Term]]]
"""By file name, with the terms that its vectors are of."""


def verify(folder: Path, encoder: Encoder, objectives: Mapping[str, Sequence[Term]]) -> Report:
    """Figures of every graph at two sizes, and of the sums over tiles.

    Raises:
        ImpastoError: a figure is above 1e-4.
    """
    manifest = Manifest.from_json((folder / FILE_NAME).read_bytes(), str(folder))
    modules = _optimizers(manifest)
    modules |= {file: (Match(), ()) for file in manifest.matching.values()}
    report = []
    for name, terms in objectives.items():
        entry = manifest.objectives[name]
        modules[entry.loss] = Loss(terms), terms
        for pooling, graphs in entry.poolings.items():
            objective = Objective(encoder, terms, pooling)
            modules[graphs.step] = objective, terms
            modules[graphs.describe] = Describe(objective), terms
            modules[graphs.statistics] = Statistics(objective), terms
            modules[graphs.pullback] = Pullback(Statistics(objective)), terms
            if encoder.tiled:
                report += _tiled(folder, manifest, name, pooling, terms)
    files = [(name, name) for name in modules] + [*manifest.winograd.items()]
    sizes = [_aligned(size, encoder) for size in SIZES]
    for name, file in files:
        check = _Check(folder / file, *modules[name], manifest.signatures[name], manifest.canvas)
        report += [figure for size in sizes for figure in check.compare(size, sizes[0])]
    for figure in report:
        if not figure.error <= TOLERANCE:  # NaN too
            theirs = "the whole's" if figure.output.startswith("tiles/") else "PyTorch's"
            raise ImpastoError(
                f"{figure.graph}: at {figure.size} {figure.output} differs from {theirs} by "
                f"{figure.error:.1e}, more than {TOLERANCE:.0e}: the bundle was not written"
            )
    return report


def _optimizers(manifest: Manifest) -> Modules:
    optimizers, parts = manifest.optimizers, manifest.lbfgs_parts
    span = manifest.canvas.low, manifest.canvas.high
    alignment = manifest.encoder.alignment
    found: Modules = {
        optimizers.adam: (Adam(*span), ()),
        optimizers.lbfgs: (LBFGS(optimizers.history_size, alignment, *span), ()),
    }
    if parts:
        found[parts.products] = LBFGSProducts(alignment, *span), ()
        found[parts.step] = LBFGSPart(alignment, *span), ()
    return found


def _aligned(size: Pair, encoder: Encoder) -> Pair:
    """The least size, a multiple of the alignment, that is at least this large."""
    rows, columns = (-(-n // unit) * unit for n, unit in zip(size, encoder.alignment, strict=True))
    return encoder.height or rows, columns


def _tiled(
    folder: Path, manifest: Manifest, name: str, pooling: str, terms: Sequence[Term]
) -> Report:
    """Of the statistics of two or four windows, added up, against those of the whole."""
    entry, unit = manifest.objectives[name], manifest.encoder.alignment
    file = entry.poolings[pooling].statistics
    inputs = manifest.signatures[file].inputs
    size, window = (
        tuple(
            side if isinstance(side, int) else 2 * m + times * u
            for side, m, u in zip(inputs["image"][2:], entry.margin, unit, strict=True)
        )
        for times in (2, 1)
    )
    feeds = _feeds(inputs, (size[0], size[1]), 0, manifest.canvas)
    feeds["mask"][:] = 1
    strides = {v.name: term.at.stride for term in terms for v in term.inputs(MAPS).values()} | {
        "image": (1, 1)
    }
    session = _Session(folder / file)
    whole, total = session.run(feeds)["sums"], np.zeros(())
    for tile in cut(size[0], size[1], (window[0], window[1]), entry.margin, unit):
        part = {key: tile.crop(feeds[key], stride) for key, stride in strides.items()}
        total = total + session.run({**part, "mask": tile.mask()})["sums"].astype(np.float64)
    pairs = zip(terms, _parts(total, terms), _parts(whole, terms), strict=True)
    return [
        Figure(file, (size[0], size[1]), f"tiles/{term.name}", relative_error(*pair))
        for term, *pair in pairs
    ]


class _Session:
    """A graph in ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        ort = onnxruntime()
        options = ort.SessionOptions()
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Array]:
        """Outputs by name."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, dict(feeds)), strict=True))


@dataclass(frozen=True)
class _Check:
    """A file, and the module that it was made of."""

    path: Path
    module: torch.nn.Module
    terms: Sequence[Term]
    signature: Signature
    canvas: Canvas

    def compare(self, size: Pair, small: Pair) -> Report:
        """Every output's figure, and every term's.

        Where the input of a ReLU is zero up to rounding, either gradient is right. So a picture
        that is over the limit is followed by others: a real fault shows with all of them.
        """
        report: Report = []
        session = _Session(self.path)
        for seed in range(PICTURES):
            feeds = self._feeds(size, seed)
            if isinstance(self.module, Objective | Pullback):
                self._balance(feeds, self._feeds(small, seed))
            outputs = _eager(self.module, feeds)[-len(self.signature.outputs) :]
            theirs = self._split(dict(zip(self.signature.outputs, outputs, strict=True)))
            ours = self._split(session.run(feeds))
            report = [
                Figure(self.path.name, size, k, relative_error(ours[k], theirs[k])) for k in theirs
            ]
            if all(figure.error <= TOLERANCE for figure in report):
                break
        return report

    def _feeds(self, size: Pair, seed: int) -> dict[str, Array]:
        """Noise, and statistics of features at random: a loss need not be defined for any."""
        feeds = _feeds(self.signature.inputs, size, seed, self.canvas)
        if isinstance(self.module, Loss):
            parts = [_sums(term, size, seed) for term in self.terms]
            feeds["sums"] = in_rows(self.terms, parts).detach().numpy()
            feeds["pixels"] = np.array([math.prod(size)], np.float32)
        targets = {
            target.name: _sums(term, size, seed, power=2).detach().numpy()
            / np.float32(math.prod(size) // math.prod(term.at.stride))
            for term in self.terms
            if term.inputs(FACTORS)
            for target in term.inputs(STYLES).values()
            if target.name in feeds
        }
        feeds |= with_factors([term.entry() for term in self.terms], targets)
        return feeds

    def _split(self, outputs: dict[str, Array]) -> dict[str, Array]:
        """The outputs, every term on its own: a large one would hide the error of a small one."""
        found: dict[str, Array] = {}
        for key, array in outputs.items():
            if key in ("terms", "sums", "cotangents"):
                parts = _parts(array, self.terms, each=1 if key == "terms" else None)
                found |= {f"{key}/{t.name}": p for t, p in zip(self.terms, parts, strict=True)}
            else:
                found[key] = array
        return found

    def _balance(self, feeds: dict[str, Array], smaller: dict[str, Array]) -> None:
        """Scale the weights, in place, so that all terms have equal shares of the gradient.

        Else the error of a small term would be hidden by a large one.
        """
        key, start = "weights" if isinstance(self.module, Objective) else "cotangents", 0
        for part in _parts(feeds[key], self.terms, each=1 if key == "weights" else None):
            alone = np.zeros_like(feeds[key])
            alone[..., start : start + part.shape[-1]] = part
            norm = float(np.linalg.norm(_eager(self.module, {**smaller, key: alone})[-1]))
            part /= norm or 1.0
            start += part.shape[-1]


def _sums(term: Term, size: Pair, seed: int, power: int = 1) -> torch.Tensor:
    """A term's statistics of features at random, of a picture of a size.

    With another power they are those of another picture; of two alike all digits would cancel.
    """
    rows, columns = (side // stride for side, stride in zip(size, term.at.stride, strict=True))
    features, maps = features_of(term, (rows, columns), seed)
    return term.sums(features**power, maps)


def _parts(vector: NDArray[Any], terms: Sequence[Term], each: int | None = None) -> list[Any]:
    """A vector's part for every term: of its statistics' size, or of ``each``."""
    sizes = [each or term.part for term in terms]
    return np.split(vector, np.cumsum(sizes)[:-1], axis=-1)


def _feeds(inputs: trace.Shapes, size: Pair, seed: int, canvas: Canvas) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    feeds = {}
    for name, shape in inputs.items():
        feeds[name] = generator.random(fix(shape, *size, REGIONS), np.float32)
        if name in ("image", "previous_image"):
            feeds[name] = np.float32(canvas.low) + feeds[name] * (canvas.high - canvas.low)
        elif name.startswith("y_"):  # a pair that a convex function could have left
            s = feeds[f"s_{name[2:]}"] = feeds[f"s_{name[2:]}"] - np.float32(0.5)
            feeds[name] = s + s**3
        elif name in ("gradient", "mean", "square"):
            feeds[name][..., :16] = 0  # a flat part: only an epsilon keeps Adam from 0 / 0
        elif name.startswith("rho_"):
            s, y = feeds[f"s_{name[4:]}"], feeds[f"y_{name[4:]}"]
            feeds[name] = np.array([1 / np.vdot(s, y)], np.float32)
    return {name: feed.astype(np.float32) for name, feed in feeds.items()}


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
