"""Writing a bundle: trace every graph, describe them in a manifest, check, and only then appear."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from impasto.runtime.bundle.manifest import (
    CONFORMANCE,
    FILE_NAME,
    IMAGE,
    SCHEMA,
    WEIGHTS,
    File,
    Layer,
    Manifest,
    Provenance,
    with_regions,
)
from impasto.runtime.bundle.manifest import Encoder as EncoderEntry
from impasto.runtime.bundle.manifest import Objective as ObjectiveEntry
from impasto.runtime.bundle.random import make_weights
from impasto.runtime.bundle.shapes import Pair
from impasto.runtime.errors import Field, ImpastoError

from . import verify
from .additive import check_additive
from .conformance import make_conformance
from .graphs import Draft, add_loss, add_matching, add_objective
from .objective.encoder import Encoder, Geometry, measure
from .objective.terms import Term, make_terms
from .optimizer_graphs import add_lbfgs_parts, add_optimizers
from .presets import presets_of
from .recipe import Recipe


def export_bundle(
    folder: str | os.PathLike[str], encoder: Encoder, recipe: Recipe, overwrite: bool = False
) -> verify.Report:
    """Write the bundle of a recipe, verified against PyTorch.

    Everything happens in a folder beside the wanted one, which takes its name at the end.

    Raises:
        ImpastoError: the folder is taken, is no bundle or cannot be written, or the graphs are not
            PyTorch's.
    """
    target = Path(folder)
    if target.exists() and not overwrite:
        raise ImpastoError(
            f"{target}: exists already; choose another folder or pass ", Field("overwrite")
        )
    if target.exists() and not (target / FILE_NAME).is_file():
        raise ImpastoError(f"{target}: not a bundle, so not overwritten; choose another folder")
    with _tracing():
        plan = Plan(encoder.eval(), recipe)
        found = {(t.name, t.is_guided): t for ts in plan.objectives.values() for t in ts}
        for term in found.values():
            check_additive(term)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise ImpastoError(f"{target}: cannot be written: {error.strerror}") from None
    try:
        _write(draft, plan, recipe.history_size)
        report = verify.verify(draft, encoder, plan.objectives)
        with _tracing():
            _add_conformance(draft, plan)
        if encoder.random:  # whoever loads the bundle makes them
            (draft / WEIGHTS).unlink()
        _replace(target, draft)
    except OSError as error:
        raise ImpastoError(f"{target}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return report


class Plan:
    """A recipe for an encoder: the terms of every objective, and what was measured for them."""

    def __init__(self, encoder: Encoder, recipe: Recipe) -> None:
        self.encoder = encoder
        chosen, self.poolings = recipe.places(encoder), recipe.chosen_poolings(encoder)
        layers = {layer for found in chosen.values() for _, layer in found} - {IMAGE}
        self.geometry = _measured(
            encoder, layers, {p for found in self.poolings.values() for p in found}
        )
        guided = {*map(with_regions, recipe.regions)}
        self.objectives = {
            name: make_terms(found, self.geometry, encoder.height, name in guided)
            for name, found in chosen.items()
        }

    def margin(self, terms: Sequence[Term]) -> Pair:
        """How far a tile reaches beyond the positions that are its own."""
        rows, columns = (
            max(self._reach(term, axis) for term in terms) if self.encoder.tiled else 0
            for axis in (0, 1)
        )
        return (0 if self.encoder.height else rows), columns

    def _reach(self, term: Term, axis: int) -> int:
        reach = self.geometry.reach[term.layer][axis] + term.reach[axis] * term.at.stride[axis]
        unit = self.encoder.alignment[axis]
        return -(-reach // unit) * unit

    def matched(self) -> dict[str, Layer]:
        """Those in which neighbours are found."""
        terms = [term for found in self.objectives.values() for term in found]
        return {t.layer: t.at for t in terms if "matched" in t.head.inputs.values()}

    def layers(self) -> dict[str, Layer]:
        """Those that terms read, in the encoder's order, but for the image."""
        return {name: layer for name, layer in self.geometry.layers.items() if name != IMAGE}


def _measured(encoder: Encoder, layers: Collection[str], poolings: Collection[str]) -> Geometry:
    """The layers' geometry with all poolings: the longest reach of each."""
    found = [measure(encoder.select(layers, pooling).eval()) for pooling in poolings]
    for name in layers:
        if name not in found[0].layers:
            raise ImpastoError(f"{encoder.name} gives no feature map {name!r}: see its `layers`")
    order = [name for name in found[0].layers if name in (IMAGE, *layers)]
    reach = {
        name: (max(f.reach[name][0] for f in found), max(f.reach[name][1] for f in found))
        for name in order
    }
    return Geometry({name: found[0].layers[name] for name in order}, reach)


def _write(folder: Path, plan: Plan, history_size: int) -> None:
    encoder = plan.encoder
    draft = Draft(folder, encoder)
    weights = draft.layout.pack()
    if encoder.random and make_weights(encoder.random) != weights:
        raise ImpastoError(f"{encoder.name} stores other weights than its `random` makes")
    (folder / WEIGHTS).write_bytes(weights)
    with _tracing():
        objectives = {
            name: ObjectiveEntry(
                terms=tuple(term.entry() for term in terms),
                margin=plan.margin(terms),
                poolings={
                    pooling: add_objective(draft, name, terms, pooling)
                    for pooling in plan.poolings[name]
                },
                loss=add_loss(draft, name, terms),
            )
            for name, terms in plan.objectives.items()
        }
        matching = add_matching(draft, plan.matched())
    optimizers = add_optimizers(draft, history_size)
    parts = add_lbfgs_parts(draft) if encoder.tiled else None
    (levels,) = draft.signatures[optimizers.lbfgs].inputs["preconditioner"]
    assert isinstance(levels, int)
    manifest = Manifest(
        schema=SCHEMA,
        canvas=encoder.canvas,
        encoder=EncoderEntry(
            name=encoder.name,
            alignment=encoder.alignment,
            tiled=encoder.tiled,
            layers=plan.layers(),
        ),
        objectives=objectives,
        presets=dict(encoder.presets or presets_of(plan.poolings, levels, encoder.canvas.is_rgb)),
        optimizers=optimizers,
        signatures=draft.signatures,
        winograd=draft.winograd,
        matching=matching,
        lbfgs_parts=parts,
        files={path.name: _file(path) for path in sorted(folder.iterdir())},
        random=encoder.random,
        spectrogram=encoder.spectrogram,
        provenance=Provenance(
            weights=encoder.source, licence=encoder.licence, versions=_versions()
        ),
    )
    (folder / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")


def _add_conformance(folder: Path, plan: Plan) -> None:
    """Write the conformance file, and name it in the manifest."""
    path = folder / FILE_NAME
    manifest = Manifest.from_json(path.read_bytes(), str(path))
    found = make_conformance(manifest, plan.encoder, plan.objectives)
    (folder / CONFORMANCE).write_text(found.to_json(), encoding="utf-8")
    manifest = replace(manifest, conformance=_file(folder / CONFORMANCE))
    path.write_text(manifest.to_json(), encoding="utf-8")


@contextmanager
def _tracing() -> Iterator[None]:
    """A head is anybody's code, and PyTorch's exporters raise anything: say the first cause."""
    try:
        yield
    except (OSError, ImpastoError):  # the disk's, and what is said already
        raise
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ and not isinstance(cause, ImpastoError):
            cause = cause.__cause__
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise ImpastoError(f"a head or the encoder cannot be exported: {reason}") from error


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


def _file(path: Path) -> File:
    content = path.read_bytes()
    return File(size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _versions() -> dict[str, str]:
    """Of what decides the graphs' bytes."""
    names = ("impasto", "torch", "onnxscript", "onnx-ir")
    return {name: importlib.metadata.version(name).partition("+")[0] for name in names}
