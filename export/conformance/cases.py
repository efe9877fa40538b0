"""What the objectives give of the probes: of a small picture, and of one that tiles need."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch

from impasto.export.objective.encoder import Encoder
from impasto.export.objective.objective import DESCRIBED
from impasto.export.objective.terms import Term
from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.bundle.shapes import Pair
from impasto.runtime.conformance import expected, probes
from impasto.runtime.conformance.probes import IMAGE, STREAMS

from .probed import Probed, tensor, told

SMALL = (48, 64)
"""(height, width) of what does not need more, or the next that is aligned."""
BEYOND = 3
"""Units of the alignment that a picture for two tiles has more than two margins."""
SEEDS = 3
"""Probes of which the one is taken whose gradient depends least on rounding."""
NUDGE = 1e-6
"""Of the canvas' range: what rounding does to a picture's features, about."""


def cases_of(
    manifest: Manifest, encoder: Encoder, name: str, pooling: str, terms: Sequence[Term]
) -> Iterator[expected.Case]:
    """Of the small size, and of one that tiles need."""
    small, wide = sizes_of(manifest, encoder, name)
    window = (wide[0], wide[1] - manifest.encoder.alignment[1]) if encoder.tiled else None
    probed = Probed(manifest, encoder, name, pooling, terms, small)
    yield case_of(probed, _smoothest(probed), None)
    yield case_of(Probed(manifest, encoder, name, pooling, terms, wide), 0, window)


def sizes_of(manifest: Manifest, encoder: Encoder, name: str) -> tuple[Pair, Pair]:
    """A small one, and one that has two tiles."""
    unit, margin = manifest.encoder.alignment, manifest.objectives[name].margin
    rows, columns = (-(-side // u) * u for side, u in zip(SMALL, unit, strict=True))
    wide = 2 * margin[1] + BEYOND * unit[1]
    return (encoder.height or rows, columns), (encoder.height or 4 * unit[0], wide)


def case_of(
    probed: Probed, seed: int, window: Pair | None, weights: tuple[float, ...] | None = None
) -> expected.Case:
    """With weights of its own, unless they are given."""
    inputs, image = probed.inputs(seed, probed.maps(seed)), probed.picture(seed, IMAGE)
    weights = weights or _balanced(probed, image, inputs)
    loss, terms, gradient = probed.evaluate(image, weights, inputs)
    return expected.Case(
        objective=probed.name,
        pooling=probed.pooling,
        size=probed.size,
        window=window,
        seed=seed,
        weights=weights,
        targets={
            value.name: told(inputs[value.name])
            for term in probed.terms
            for value in term.inputs(DESCRIBED).values()
            if value.source != "matched"  # noise, in its place
        },
        loss=loss,
        terms=tuple(terms.tolist()),
        gradient=told(gradient),
    )


def _balanced(
    probed: Probed, image: torch.Tensor, inputs: Mapping[str, torch.Tensor]
) -> tuple[float, ...]:
    """Weights, of three digits, with which all terms are as large."""
    with torch.no_grad():
        _, terms = probed.objective(image, torch.ones(len(probed.terms)), *inputs.values())
    return tuple(float(f"{1 / abs(term) if term else 1:.3g}") for term in terms.tolist())


def _smoothest(probed: Probed) -> int:
    """The seed whose gradient changes least where the picture does by no more than rounding.

    It changes much where a feature is at the kink of its ReLU, or two are nearly the maximum.
    """

    def roughness(seed: int) -> float:
        inputs, image = probed.inputs(seed, probed.maps(seed)), probed.picture(seed, IMAGE)
        weights = _balanced(probed, image, inputs)
        own = probed.evaluate(image, weights, inputs)[2]
        canvas = probed.manifest.canvas
        noise = tensor(probes.noise(image.shape, seed * STREAMS + STREAMS - 1)) - 0.5
        nudged = image + NUDGE * (canvas.high - canvas.low) * noise
        change = probed.evaluate(nudged, weights, inputs)[2] - own
        found = (change.norm() / own.norm()).item()
        return found if math.isfinite(found) else math.inf

    return min(range(SEEDS), key=roughness)
