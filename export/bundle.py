"""Writing a bundle: trace every graph, describe them in a manifest, check, and only then appear."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from impasto.runtime.bundle.manifest import (
    FILE_NAME,
    SCHEMA,
    WEIGHTS,
    File,
    Manifest,
    Provenance,
)
from impasto.runtime.bundle.manifest import Term as TermEntry
from impasto.runtime.errors import ImpastoError, SettingError

from . import presets, verify
from .convolutions import Weights
from .graphs import (
    Draft,
    add_loss,
    add_objective,
    add_optimisers,
    layer_of,
    sums_shape,
    target_shape,
)
from .heads import Content, Head, Style, TotalVariation
from .objective import IMAGE, Term, make_terms
from .vgg import ALIGNMENT, LAYERS, Pooling, stride

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
        taken = (
            "image",
            "mask",
            "sums",
            "pixels",
            "cotangents",
            "weights",
            "loss",
            "terms",
            "gradient",
        )
        names = (*taken, *(term.name for term in terms))
        if len(set(names)) < len(names):
            raise SettingError(
                "a head has a name that is taken, by another or by the graphs: give yours another"
            )
        if not any(term.layer != IMAGE for term in terms):
            raise SettingError("no layer at all: name a content or a style layer")
        return terms


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
    draft = Draft(folder, weights)
    (folder / WEIGHTS).write_bytes(weights.pack())
    with _tracing():
        poolings = {pooling: add_objective(draft, terms, pooling) for pooling in recipe.poolings}
        loss = add_loss(draft, terms)
    optimisers = add_optimisers(draft, recipe.history_size)
    manifest = Manifest(
        schema=SCHEMA,
        network="vgg19",
        value_range=(0.0, 1.0),
        alignment=ALIGNMENT,
        margin=_margin(terms),
        layers={t.layer: layer_of(t.layer) for t in terms if t.layer != IMAGE},
        terms=tuple(_entry(term) for term in terms),
        presets=presets.PRESETS,
        poolings={str(pooling): graphs for pooling, graphs in poolings.items()},
        loss=loss,
        optimisers=optimisers,
        signatures=draft.signatures,
        winograd=draft.winograd,
        files={path.name: _file(path) for path in sorted(folder.iterdir())},
        provenance=Provenance(
            weights=weights.source, licence=weights.licence, versions=_versions()
        ),
    )
    (folder / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")


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


def _entry(term: Term) -> TermEntry:
    return TermEntry(
        name=term.name,
        head=term.head.name,
        layer=term.layer,
        target=term.head.target,
        shape=target_shape(term) if term.head.target else None,
        sums=sums_shape(term),
        weight=float(term.head.weight),
    )


def _margin(terms: Sequence[Term]) -> int:
    """How far a tile reaches beyond the positions that are its own: the convolutions' reach."""
    deepest = max(LAYERS.index(term.layer) for term in terms if term.layer != IMAGE)
    reach = sum(stride(name) for name in LAYERS[: deepest + 1])
    return -(-reach // ALIGNMENT) * ALIGNMENT


def _file(path: Path) -> File:
    content = path.read_bytes()
    return File(size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _versions() -> dict[str, str]:
    """Of what decides the graphs' bytes."""
    names = ("impasto", "torch", "onnxscript", "onnx-ir")
    return {name: importlib.metadata.version(name).partition("+")[0] for name in names}
