"""That a manifest makes sense. That its graphs are those that it describes: graph_checks.

The rest of the runtime relies on what is checked here: every name that is referred to is there, in
the order in which it is used, with the shapes that follow from the terms; and numbers are small
enough to compute with.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from impasto.runtime.errors import BundleError

from .manifest import CONFORMANCE, IMAGE, WEIGHTS, Manifest, Objective
from .shapes import MOST_REGIONS, Pair, Shape
from .signatures import MOST_CHANNELS, MOST_FLOATS, expected_signatures, short, term_faults

NAME = r"[A-Za-z0-9][\w-]*(\.\w+)*"
"""Of a layer, a term, an objective, a pooling or a preset."""
MOST_BYTES = {".onnx": 1 << 22, ".bin": 1 << 31, ".json": 1 << 22}
MOST_ENTRIES = 100
"""Of what there is several of: files, layers, terms ..."""
MOST_PIXELS = 4096
"""Of a stride, an alignment, a margin."""
MOST_PER_PIXEL = 1e6
LEAST_PER_PIXEL = 100.0
"""What a graph may say that it takes, if the plan does not ask it."""
MOST_SETTING = 1e9
MOST_HISTORY = 100
MOST_RANDOM = 1 << 28
"""Bytes of weights that are made: no file stands behind them."""
MOST_RATE, MOST_WINDOW = 192_000, 1 << 16


def check_manifest(manifest: Manifest, source: Path) -> None:
    """What the types allow and the runtime cannot work with.

    Raises:
        BundleError: the first thing that is wrong.
    """
    for fault in _faults(manifest):
        raise BundleError(f"{source}: {fault}: export the bundle again")


def _faults(manifest: Manifest) -> Iterator[str]:
    """What is wrong; a check may rely on those before it."""
    yield from _files(manifest)
    yield from _encoder(manifest)
    yield from _sound(manifest)
    for name, objective in manifest.objectives.items():
        for fault in _objective(manifest, objective):
            yield f"objective {name[:60]!r}: {fault}"
    yield from _presets(manifest)
    yield from _signatures(manifest)


def _files(manifest: Manifest) -> Iterator[str]:
    for name, file in manifest.files.items():
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*\.onnx", name) and name != WEIGHTS:
            yield f"a bundle cannot hold a file named {name!r}"
        if file.size > (most := MOST_BYTES[name[name.rindex(".") :]]):
            yield f"{name}: {short(file.size)} bytes are more than {most}"
    if (own := manifest.conformance) and own.size > MOST_BYTES[".json"]:
        yield f"{CONFORMANCE}: {short(own.size)} bytes are too many"
    parts: list[Collection[Any]] = [
        manifest.presets,
        manifest.objectives,
        *_parts(manifest.objectives.values()),
    ]
    if not all(parts):
        yield "it has no preset, objective, pooling or term"
    parts += [manifest.files, manifest.encoder.layers]
    if max(map(len, parts)) > MOST_ENTRIES:
        yield f"of something it has more than {MOST_ENTRIES}"
    graphs = set(manifest.graph_names())
    if len(names := [*manifest.graph_names(), *manifest.winograd.values()]) > len(set(names)):
        yield "one file is several of its graphs"
    needed = {*names, WEIGHTS}
    for name in sorted(needed - set(manifest.files) | graphs - set(manifest.signatures)):
        yield f"it does not describe {name[:60]}"
    for name in manifest.winograd:
        if name not in graphs:
            yield f"{name[:60]}, which another stands for, is no graph of it"
    names = [*manifest.presets, *manifest.objectives, *manifest.encoder.layers]
    names += [name for o in manifest.objectives.values() for name in o.poolings]
    for name in names:
        if not re.fullmatch(NAME, name) or len(name) > 100:
            yield f"nothing can be named {name[:60]!r}"


def _parts(objectives: Iterable[Objective]) -> Iterator[Collection[Any]]:
    for objective in objectives:
        yield objective.terms
        yield objective.poolings


def _encoder(manifest: Manifest) -> Iterator[str]:
    canvas, encoder = manifest.canvas, manifest.encoder
    if not 1 <= canvas.channels <= MOST_CHANNELS or not canvas.low < canvas.high:
        yield "canvas: it has no channels, or no range"
    if not all(1 <= side <= MOST_PIXELS for side in encoder.alignment):
        yield f"alignment: {short(encoder.alignment)} must be 1 to {MOST_PIXELS}"
    for name, layer in encoder.layers.items():
        if not 1 <= layer.channels <= MOST_CHANNELS:
            yield f"layer {name}: {short(layer.channels)} must be 1 to {MOST_CHANNELS} channels"
        for stride, unit in zip(layer.stride, encoder.alignment, strict=True):
            if stride < 1 or unit % stride:
                yield f"layer {name}: the stride {short(stride)} does not divide the alignment"
    if not 1 <= manifest.optimizers.history_size <= MOST_HISTORY:
        size = short(manifest.optimizers.history_size)
        yield f"history_size: {size} must be 1 to {MOST_HISTORY}"
    if manifest.lbfgs_parts:
        yield from _margin(manifest, manifest.lbfgs_parts.margin)


def _sound(manifest: Manifest) -> Iterator[str]:
    random, spectrogram = manifest.random, manifest.spectrogram
    if random:
        if not random.shape or not all(1 <= side <= MOST_RANDOM for side in random.shape):
            yield f"random: no weights have the shape {short(random.shape)}"
        elif random.size != manifest.files[WEIGHTS].size or random.size > MOST_RANDOM:
            yield f"random: {short(random.size)} bytes are not those of {WEIGHTS}, or too many"
        if not 0 <= random.seed < 1 << 63 or not 0 < random.deviation < MOST_SETTING:
            yield "random: its seed or its deviation is out of range"
    if spectrogram:
        if not 1 <= spectrogram.rate <= MOST_RATE or not 2 <= spectrogram.window <= MOST_WINDOW:
            yield "spectrogram: its rate or its window is out of range"
        if not 1 <= spectrogram.hop <= spectrogram.window // 2:
            yield "spectrogram: frames must overlap by half a window or more"
        canvas = manifest.canvas
        if (canvas.channels, canvas.low, canvas.high) != (spectrogram.bins, 0, 1):
            yield "spectrogram: its canvas must have a channel for each bin, from 0 to 1"


def _margin(manifest: Manifest, margins: Pair) -> Iterator[str]:
    for margin, unit in zip(margins, manifest.encoder.alignment, strict=True):
        if not 0 <= margin <= MOST_PIXELS or margin % unit:
            yield f"margin: {short(margin)} must be a multiple of the alignment, to {MOST_PIXELS}"


def _objective(manifest: Manifest, objective: Objective) -> Iterator[str]:
    yield from _margin(manifest, objective.margin)
    for term in objective.terms:
        if not re.fullmatch(NAME, term.name) or term.layer not in (*manifest.encoder.layers, IMAGE):
            yield f"term {term.name[:60]!r}: no such name, or no such layer"
        for fault in term_faults(manifest, term, _height(manifest)):
            yield f"term {term.name[:60]}: {fault}"
    if sum(objective.parts) * (MOST_REGIONS if objective.is_guided else 1) > MOST_FLOATS:
        yield f"its statistics have more than {MOST_FLOATS} numbers"
    names = [value.name for term in objective.terms for value in term.inputs]
    names += [term.name for term in objective.terms]
    if len(set(names)) < len(names):
        yield "two terms or two inputs have one name"


def _presets(manifest: Manifest) -> Iterator[str]:
    for name, preset in manifest.presets.items():
        settings = preset.settings
        objective = manifest.objectives.get(_text(settings, "objective", manifest.objectives))
        if objective is None:
            yield f"preset {name}: there is no objective {short(settings['objective'])}"
        elif _text(settings, "pooling", objective.poolings) not in objective.poolings:
            yield f"preset {name}: its objective has no pooling {short(settings['pooling'])}"
        levels = manifest.signatures[manifest.optimizers.lbfgs].inputs.get("preconditioner", ())
        pyramid = settings.get("preconditioner_pyramid")
        if pyramid is not None and not (isinstance(pyramid, list) and (len(pyramid),) == levels):
            yield f"preset {name}: preconditioner_pyramid: the graph takes {short(levels)} numbers"
        for key, value in settings.items():
            held = list(value.values()) if isinstance(value, dict) else value
            numbers: list[Any] = held if isinstance(held, list) else [held]
            if len(numbers) > MOST_ENTRIES or any(
                isinstance(number, int | float) and abs(number) > MOST_SETTING for number in numbers
            ):
                yield f"preset {name}: {key[:60]}: {short(value)} is too large"


def _text(settings: Mapping[str, Any], key: str, default: Iterable[str]) -> str:
    """A setting; where it is left out, the first."""
    return str(settings.get(key, next(iter(default))))


def _image(manifest: Manifest) -> Shape:
    """As the first objective's step graph has it."""
    step = next(iter(next(iter(manifest.objectives.values())).poolings.values())).step
    return manifest.signatures[step].inputs.get("image", ())


def _height(manifest: Manifest) -> int | str:
    """Of the image: a number if it is fixed, else its name."""
    image = _image(manifest)
    fixed = len(image) == 4 and isinstance(image[2], int) and 1 <= image[2] <= MOST_PIXELS
    return image[2] if fixed else "height"


def _signatures(manifest: Manifest) -> Iterator[str]:
    image, height = _image(manifest), _height(manifest)
    if len(image) != 4 or image[2] != height:
        yield f"its image has the shape {short(image)}"
    image = (1, manifest.canvas.channels, height, "width")
    for file, (inputs, outputs) in expected_signatures(manifest, image).items():
        signature = manifest.signatures[file]
        for what, wanted, found in (
            ("inputs", inputs, signature.inputs),
            ("outputs", outputs, signature.outputs),
        ):
            if list(found.items()) != wanted:
                yield f"{file}: {_unlike(what, dict(wanted), found)}"
    for file, most in _per_pixel(manifest):
        if not 0 <= manifest.signatures[file].floats_per_pixel <= most:
            yield f"{file}: floats_per_pixel must be 0 to {most:.0f}"
        if not 0 <= manifest.signatures[file].floats_per_region <= most:
            yield f"{file}: floats_per_region must be 0 to {most:.0f}"


def _per_pixel(manifest: Manifest) -> Iterator[tuple[str, float]]:
    """What every graph may say: one that the plan does not ask, no more than those that it does."""
    usual = (*manifest.optimizer_names(), *manifest.matching.values())
    yield from ((file, LEAST_PER_PIXEL) for file in usual)
    for objective in manifest.objectives.values():
        yield objective.loss, LEAST_PER_PIXEL
        for graphs in objective.poolings.values():
            asked = (graphs.step, graphs.statistics, graphs.pullback)
            yield from ((file, MOST_PER_PIXEL) for file in asked)
            found = [manifest.signatures[file].floats_per_pixel for file in asked]
            yield graphs.describe, max(LEAST_PER_PIXEL, *found)


def _unlike(what: str, wanted: Mapping[str, Shape], found: Mapping[str, Shape]) -> str:
    for name, shape in wanted.items():
        if found.get(name) != shape:
            return f"of its {what}, {name[:60]!r} must be {short(shape)}"
    return f"its {what} must be {', '.join(wanted)[:200]}, in that order"
