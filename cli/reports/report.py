"""What inspect and estimate find out, on stdout, as text or as one JSON object."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Iterator
from json import loads
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option

from impasto.cli.configuration import with_config
from impasto.cli.console import duration, print_json
from impasto.cli.options import Given, Json
from impasto.cli.painting import outputs
from impasto.cli.video.options import is_video

if TYPE_CHECKING:
    from impasto.runtime import Bundle


def inspect(
    model: Annotated[
        str | None, Argument(help="A bundle; default: $IMPASTO_MODEL, else VGG19.")
    ] = None,
    verify: Annotated[
        bool, Option("--verify", help="Compute the figures of its conformance file, and compare.")
    ] = False,
    device: Annotated[
        str, Option("--device", help="Where to verify it.", metavar="auto|cpu|cuda[:N]|NAME")
    ] = "auto",
    json: Json = False,
) -> None:
    """Check a bundle and print what it is, or whether it is computed as it should be."""
    from impasto.runtime import Bundle

    bundle = Bundle(model)
    if verify:
        _verify(bundle, device, json)
        return
    if json:
        operators = {name: bundle.operators(name) for name in bundle.manifest.signatures}
        manifest = loads(bundle.manifest.to_json())
        print_json({"path": str(bundle.path), **manifest, "operators": operators})
        return
    print(f"{bundle.path}: {bundle.manifest.encoder.name}, complete and unaltered")
    for line in _describe_bundle(bundle):
        print(textwrap.fill(line, 100, subsequent_indent=" " * 6, break_on_hyphens=False))


def _verify(bundle: Bundle, device: str, as_json: bool) -> None:
    """Exit code 1 where a figure is out of tolerance."""
    from impasto.runtime import verify_bundle

    found = verify_bundle(bundle, device=device)
    if as_json:
        figures = [{**dataclasses.asdict(f), "error": _number(f.error)} for f in found.figures]
        worst = {kind: _number(figure.error) for kind, figure in found.worst.items()}
        facts = {"path": str(bundle.path), "device": found.device, "passes": found.passes}
        print_json({**facts, "worst": worst, "figures": figures})
    else:
        count = len(found.figures)
        verdict = "as it should be" if found.passes else "NOT as it should be"
        print(
            f"{bundle.path} on {found.device}: {verdict}; {count} figures, the worst of each kind:"
        )
        for kind, figure in found.worst.items():
            said = f"{figure.error:.1e}, at most {figure.tolerance:.0e}"
            print(f"  {kind}: {said} ({figure.what})")
        for figure in found.figures:
            if not figure.passes:
                print(f"wrong: {figure.what}: {figure.error:.1e}, at most {figure.tolerance:.0e}")
    if not found.passes:
        raise Exit(1)


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None


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
    files = dict(manifest.files)
    if manifest.conformance:
        files["conformance.json"] = manifest.conformance
    for name, file in files.items():
        yield f"  {name:18} {file.size:>9} {file.sha256}"
    yield f"weights: {manifest.provenance.weights}"
    yield f"licence: {manifest.provenance.licence}"
    yield f"made by: {text_of(manifest.provenance.versions)}"


def estimate(command: str, given: Given) -> None:
    """Print what stylize would cost: seconds, peak bytes, and how every scale is done."""
    from impasto.runtime import Engine, show_bytes

    given = with_config(given, command)
    machine, files = dict(given.machine), given.files
    if is_video(files.get("content")):
        from impasto.cli.video.command import estimate as of_video

        of_video(given)
        return
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
