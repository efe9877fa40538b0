"""What inspect and doctor find out. Their reports go to stdout, as text or as one JSON object."""

from __future__ import annotations

import dataclasses
import platform
import textwrap
import time
from collections.abc import Iterator
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

from .configuration import with_config
from .console import duration, print_json

if TYPE_CHECKING:
    from impasto.runtime import Bundle

    from .options import Given


def inspect_bundle(model: str | None, as_json: bool) -> None:
    """Check a bundle and print what it is."""
    from impasto.runtime import Bundle

    bundle = Bundle(model)
    if as_json:
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
        yield f"  {name}: {preset.about}: {_text(preset.settings)}"
    yield "graphs:"
    for name, signature in manifest.signatures.items():
        inputs, outputs = ", ".join(signature.inputs), ", ".join(signature.outputs)
        yield f"  {name}: {bundle.operators(name).total()} operators, {inputs} -> {outputs}"
    yield "files, with bytes and SHA-256:"
    for name, file in manifest.files.items():
        yield f"  {name:18} {file.size:>9} {file.sha256}"
    yield f"weights: {manifest.provenance.weights}"
    yield f"licence: {manifest.provenance.licence}"
    yield f"made by: {_text(manifest.provenance.versions)}"


def estimate_costs(given: Given) -> None:
    """Print what stylize would cost: seconds, peak bytes, and how every scale is done."""
    from impasto.runtime import Engine, show_bytes

    given = with_config(given, "estimate")
    machine, files = dict(given.machine), given.files
    own = {name: machine.pop(name) for name in ("memory", "max_pixels") if name in machine}
    engine = Engine.load(files.get("model"), **machine)
    pictures = {name: files[name] for name in ("content", "style", "init_image") if name in files}
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


def _text(fact: Any) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{name} {_text(value)}" for name, value in fact.items()) or "none"
    if isinstance(fact, (list, tuple)):
        return " ".join(map(_text, fact))
    return f"{fact:.4g}" if isinstance(fact, float) else str(fact)


def examine(as_json: bool) -> bool:
    """Print what is installed, what works and what does not; whether all is well."""
    facts: dict[str, Any] = {"python": platform.python_version(), "system": platform.platform()}
    for name in ("impasto", "numpy", "pillow"):
        facts[name] = metadata.version(name)
    problems = list(_examine(facts))
    if as_json:
        print_json({**facts, "problems": problems})
    else:
        for name, fact in facts.items():
            print(f"{name}: {_text(fact)}")
        for problem in problems:
            print(f"problem: {problem}")
        print("all is well" if not problems else f"problems: {len(problems)}")
    return not problems


def _examine(facts: dict[str, Any]) -> Iterator[str]:
    """Fill in the facts; yield the problems."""
    from impasto.runtime import examine_installation

    found = examine_installation()
    facts |= {"onnxruntime": found.builds, "providers": found.providers, "bundle": found.bundle}
    facts |= {"convolutions": found.convolutions, "cuda": found.cuda}
    facts["memory"] = found.memory
    yield from found.problems
    if not found.providers or not found.bundle:
        return
    try:
        facts["run"] = _tiny_run(facts)
    except Exception as error:  # whatever it is, telling it is what this command is for
        yield f"a tiny run failed: {type(error).__name__}: {error}"


def _tiny_run(facts: dict[str, Any]) -> dict[str, Any]:
    from impasto.runtime import Engine

    started = time.perf_counter()
    engine = Engine.load()
    facts["device"] = engine.device
    examples = resources.files("impasto.models") / "example"
    with (
        resources.as_file(examples / "photo.jpg") as photo,
        resources.as_file(examples / "painting.jpg") as painting,
    ):
        result = engine.stylize(photo, painting, size=64, iterations=3)
    return {
        "size": f"{result.image.shape[1]} x {result.image.shape[0]}",
        "iterations": result.iterations,
        "loss": result.loss,
        "seconds": time.perf_counter() - started,
    }
