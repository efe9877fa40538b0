"""Writing a bundle: trace every graph, describe them in a manifest, check, and only then appear."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import onnx_ir as ir
import torch

from impasto.runtime.errors import ImpastoError, SettingError
from impasto.runtime.manifest import (
    FILE_NAME,
    SCHEMA,
    WEIGHTS,
    File,
    Graphs,
    Layer,
    Manifest,
    Optimisers,
    Provenance,
    Shape,
    Signature,
)
from impasto.runtime.manifest import Term as TermEntry

from . import presets, trace, verify
from .convolutions import CONVOLUTIONS, Weights
from .heads import Content, Head, Style, TotalVariation
from .objective import IMAGE, Describe, Objective, Term, make_terms
from .optimisers import LBFGS, PYRAMID_LEVELS, Adam
from .vgg import ALIGNMENT, LAYERS, POOLED, Pooling, stride

IMAGE_SHAPE: Shape = (1, 3, "height", "width")
HEADS = (Content, Style, TotalVariation)


@dataclass(frozen=True)
class Recipe:
    """What a bundle is made of. ``heads`` are added to content, style and total variation."""

    content_layers: Sequence[str] = ("conv4_2",)
    style_layers: Sequence[str] = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    heads: Sequence[Head] = ()
    poolings: Sequence[Pooling] = ("avg",)
    history_size: int = 10

    def terms(self) -> list[Term]:
        """Every head at its layers."""
        heads = [head() for head in HEADS] + list(self.heads)
        for layer in (
            *self.content_layers,
            *self.style_layers,
            *(n for h in heads for n in h.layers or ()),
        ):
            if layer not in (*LAYERS, IMAGE):
                raise SettingError(
                    f"no layer {layer!r} in VGG19: it has {LAYERS[0]} to {LAYERS[-1]}"
                )
        terms = make_terms(heads, self.content_layers, self.style_layers)
        names = ("image", "weights", "loss", "terms", "gradient", *(term.name for term in terms))
        if len(set(names)) < len(names):
            raise SettingError(
                "a head has a name that is taken, by another or by the graphs: give yours another"
            )
        if not any(term.layer != IMAGE for term in terms):
            raise SettingError("no layer at all: name a content or a style layer")
        return terms


@dataclass
class _Draft:
    """The bundle as it grows."""

    folder: Path
    weights: Weights
    signatures: dict[str, Signature] = field(default_factory=dict)

    def add(self, name: str, model: ir.Model, inputs: trace.Shapes, outputs: trace.Shapes) -> str:
        trace.bind_weights(model, self.weights)
        (self.folder / name).write_bytes(ir.to_proto(model).SerializeToString(deterministic=True))
        self.signatures[name] = Signature(inputs=dict(inputs), outputs=dict(outputs))
        return name


def export_bundle(
    folder: str | os.PathLike[str], weights: Weights, recipe: Recipe, overwrite: bool = False
) -> verify.Report:
    """Write the bundle of a recipe, verified against PyTorch.

    Everything happens in a folder beside the wanted one, which takes its name at the end.

    Raises:
        ImpastoError: the folder is taken, is no bundle or cannot be written, or the graphs are not
            PyTorch's.
    """
    target = Path(folder)
    if target.exists() and not overwrite:
        raise ImpastoError(f"{target}: exists already; choose another folder or pass --overwrite")
    if target.exists() and not (target / FILE_NAME).is_file():
        raise ImpastoError(f"{target}: not a bundle, so not overwritten; choose another folder")
    terms = recipe.terms()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise ImpastoError(f"{target}: cannot be written: {error.strerror}") from None
    try:
        _write(draft, weights, recipe, terms)
        report = verify.verify(draft, weights, recipe.poolings, terms)
        _replace(target, draft)
    except OSError as error:
        raise ImpastoError(f"{target}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return report


def _write(folder: Path, weights: Weights, recipe: Recipe, terms: Sequence[Term]) -> None:
    draft = _Draft(folder, weights)
    (folder / WEIGHTS).write_bytes(weights.pack())
    with _tracing():
        poolings = {pooling: _write_objective(draft, terms, pooling) for pooling in recipe.poolings}
    optimisers = _write_optimisers(draft, recipe.history_size)
    manifest = Manifest(
        schema=SCHEMA,
        network="vgg19",
        value_range=(0.0, 1.0),
        alignment=ALIGNMENT,
        margin=_margin(terms),
        layers={t.layer: _layer(t.layer) for t in terms if t.layer != IMAGE},
        terms=tuple(_entry(term) for term in terms),
        presets=presets.PRESETS,
        poolings={str(pooling): graphs for pooling, graphs in poolings.items()},
        optimisers=optimisers,
        signatures=draft.signatures,
        files={path.name: _file(path) for path in sorted(folder.iterdir())},
        provenance=Provenance(
            weights=weights.source, licence=weights.licence, versions=_versions()
        ),
    )
    (folder / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")


def _write_objective(draft: _Draft, terms: Sequence[Term], pooling: Pooling) -> Graphs:
    objective = Objective(draft.weights, terms, pooling).eval()
    targets = {t.name: _target_shape(t) for t in terms if t.head.target}
    inputs = {"image": IMAGE_SHAPE, "weights": (len(terms),), **targets}
    outputs = {"loss": (), "terms": (len(terms),), "gradient": IMAGE_SHAPE}
    image = {"image": IMAGE_SHAPE}
    step = trace.trace_gradient(objective, inputs, outputs)
    describe = trace.trace_forward(Describe(objective), image, targets)
    return Graphs(
        describe=draft.add(f"describe-{pooling}.onnx", describe, image, targets),
        step=draft.add(f"step-{pooling}.onnx", step, inputs, outputs),
    )


@contextmanager
def _tracing() -> Iterator[None]:
    """A head is anybody's code, and PyTorch's exporters raise anything: say the first cause."""
    try:
        yield
    except OSError:  # the disk's
        raise
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ and not isinstance(cause, ImpastoError):
            cause = cause.__cause__
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise ImpastoError(f"a head cannot be exported: {reason}") from error


def _write_optimisers(draft: _Draft, history_size: int) -> Optimisers:
    one, image = (1,), IMAGE_SHAPE
    adam_in = {
        "image": image, "gradient": image, "rate": one, "count": one, "mean": image, "square": image
    }  # fmt: skip
    adam_out = {"next_image": image, "next_count": one, "next_mean": image, "next_square": image}
    older = range(1, history_size)
    lbfgs_in: dict[str, Shape] = {
        "image": image,
        "gradient": image,
        "previous_image": image,
        "previous_gradient": image,
        "step": one,
        "pyramid": (PYRAMID_LEVELS,),
        "gamma": one,
        **{f"s_{i}": image for i in older},
        **{f"y_{i}": image for i in older},
        **{f"rho_{i}": one for i in older},
    }
    lbfgs_out = {
        "next_image": image, "s": image, "y": image, "rho": one, "next_gamma": one, "slope": one
    }  # fmt: skip
    adam = trace.trace_forward(Adam(), adam_in, adam_out)
    lbfgs = trace.trace_forward(LBFGS(history_size), lbfgs_in, lbfgs_out)
    return Optimisers(
        adam=draft.add("adam.onnx", adam, adam_in, adam_out),
        lbfgs=draft.add("lbfgs.onnx", lbfgs, lbfgs_in, lbfgs_out),
        history_size=history_size,
    )


def _replace(target: Path, draft: Path) -> None:
    draft.chmod(0o755)
    if not target.exists():
        draft.rename(target)
        return
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as old:
        kept = target.rename(Path(old) / target.name)
        try:
            draft.rename(target)
        except OSError:
            kept.rename(target)
            raise


def _target_shape(term: Term) -> Shape:
    layer = _layer(term.layer)
    if term.head.target == "content":
        side = (
            f"{axis}/{layer.stride}" if layer.stride > 1 else axis for axis in ("height", "width")
        )
        return (1, layer.channels, *side)
    return tuple(term.head.describe(torch.zeros(1, layer.channels, 16, 16)).shape)


def _entry(term: Term) -> TermEntry:
    return TermEntry(
        name=term.name,
        head=term.head.name,
        layer=term.layer,
        target=term.head.target,
        shape=_target_shape(term) if term.head.target else None,
        weight=float(term.head.weight),
    )


def _layer(name: str) -> Layer:
    if name == IMAGE:
        return Layer(channels=3, stride=1)
    return Layer(channels=CONVOLUTIONS[name][1], stride=stride(name))


def _margin(terms: Sequence[Term]) -> int:
    """Pixels a gradient depends on: twice the convolutions' reach, and the poolings' once."""
    deepest = max(LAYERS.index(term.layer) for term in terms if term.layer != IMAGE)
    names = LAYERS[: deepest + 1]
    reach = sum(2 * stride(name) for name in names)
    reach += sum(stride(name) for name in names[:-1] if name in POOLED)
    return -(-reach // ALIGNMENT) * ALIGNMENT


def _file(path: Path) -> File:
    content = path.read_bytes()
    return File(size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _versions() -> dict[str, str]:
    """Of what decides the graphs' bytes."""
    names = ("impasto", "torch", "onnxscript", "onnx-ir")
    return {name: importlib.metadata.version(name).partition("+")[0] for name in names}
