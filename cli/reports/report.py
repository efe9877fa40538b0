"""What inspect and estimate find out, on stdout, as text or as one JSON object."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument

from impasto.cli.configuration import with_config
from impasto.cli.console import duration, print_json
from impasto.cli.options import Given, Json
from impasto.cli.painting import outputs

if TYPE_CHECKING:
    from impasto.runtime import Bundle


def inspect(
    model: Annotated[
        str | None, Argument(help="A bundle; default: $IMPASTO_MODEL, else VGG19.")
    ] = None,
    json: Json = False,
) -> None:
    """Check a bundle and print what it is."""
    from impasto.runtime import Bundle

    bundle = Bundle(model)
    if json:
        operators = {name: bundle.operators(name) for name in bundle.manifest.signatures}
        manifest = dataclasses.asdict(bundle.manifest)
        print_json({"path": str(bundle.path), **manifest, "operators": operators})
        return
    print(f"{bundle.path}: {bundle.manifest.encoder.name}, complete and unaltered")
    for line in _describe_bundle(bundle):
        print(textwrap.fill(line, 100, subsequent_indent=" " * 6, break_on_hyphens=False))


def _describe_bundle(bundle: Bundle) -> Iterator[str]:
    manifest = bundle.manifest
    for key, objective in manifest.objectives.items():
        yield f"objective {key}: pooling {', '.join(objective.poolings)}; terms:"
        for term in objective.terms:
            layer = manifest.layer(term.layer)
            rows, columns = layer.stride
            where = f"{layer.channels} channels, stride {rows} x {columns}"
            inputs = ", ".join(value.source for value in term.inputs) or "none"
            yield f"  {term.name}: weight {term.weight:g}, {where}, inputs {inputs}"
    yield "presets, the first is the default:"
    for name, preset in manifest.presets.items():
        yield f"  {name}: {preset.about}: {text_of(preset.settings)}"
    yield "graphs:"
    for name, signature in manifest.signatures.items():
        inputs, outputs = ", ".join(signature.inputs), ", ".join(signature.outputs)
        yield f"  {name}: {bundle.operators(name).total()} operators, {inputs} -> {outputs}"
    yield "files, with bytes and SHA-256:"
    for name, file in manifest.files.items():
        yield f"  {name:18} {file.size:>9} {file.sha256}"
    yield f"weights: {manifest.provenance.weights}"
    yield f"licence: {manifest.provenance.licence}"
    yield f"made by: {text_of(manifest.provenance.versions)}"


def estimate(command: str, given: Given) -> None:
    """Print what stylize would cost: seconds, peak bytes, and how every scale is done."""
    from impasto.runtime import Engine, show_bytes

    given = with_config(given, command)
    machine, files = dict(given.machine), given.files
    own = {name: machine.pop(name) for name in ("memory", "max_pixels") if name in machine}
    engine = Engine.load(files.get("model"), **machine)
    pictures = outputs.pictures(files)
    found = engine.estimate(**pictures, **given.settings, **own)
    scales = [{**dataclasses.asdict(s), "size": s.size[::-1]} for s in found.plan.scales]
    if files.get("json"):
        costs = {"seconds": found.seconds, "memory": found.memory, "caveat": found.caveat}
        print_json({**costs, "convolutions": engine.convolutions, "scales": scales})
        return
    height, width = found.plan.size
    cost = f"about {duration(found.seconds)} and {show_bytes(found.memory)} of memory"
    cost += f" ({found.caveat})" if found.caveat else ""
    print(f"{width} x {height} pixels: {cost}; convolutions: {engine.convolutions}")
    for scale in found.plan.scales:
        height, width = scale.size
        how = f"{scale.optimizer}, history {scale.history}" if scale.history else scale.optimizer
        tiles = ""
        if scale.tile_pixels:
            times = scale.work / (height * width)
            tiles = f", in tiles of {scale.tile_pixels:,} pixels: {times:.1f} times a whole's time"
        print(f"  {scale.iterations} iterations at {width} x {height}: {how}{tiles}")


def text_of(fact: Any) -> str:
    """A fact in a line."""
    if isinstance(fact, dict):
        return ", ".join(f"{name} {text_of(value)}" for name, value in fact.items()) or "none"
    if isinstance(fact, (list, tuple)):
        return " ".join(map(text_of, fact))
    return f"{fact:.4g}" if isinstance(fact, float) else str(fact)
