"""What the graphs of a bundle take and give, in order, as it follows from the terms."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .manifest import MAPS, TARGETS, Input, Manifest, Objective, Shape, Source

Shapes = list[tuple[str, Shape]]
"""Of inputs or outputs, in order."""


def expected_signatures(manifest: Manifest, image: Shape) -> dict[str, tuple[Shapes, Shapes]]:
    """Inputs and outputs of every graph, by file, for images of a shape."""
    found = dict(_optimizers(manifest, image)) | dict(_matching(manifest))
    for objective in manifest.objectives.values():
        found |= dict(_graphs(objective, image))
    return found


def fits(value: Input, sums: Shape) -> bool:
    """Whether an input that is made of a style's statistics, of a shape, can have its own."""
    if value.source == "style":
        return value.shape == sums
    numbers = [side for side in (*sums[-2:], *value.shape[-2:]) if isinstance(side, int)]
    if len(numbers) < 4 or value.shape[:-2] != sums[:-2]:
        return False
    rows, channels, height, rank = numbers
    return rows > channels == height >= rank >= 1


def _sums(objective: Objective) -> Shape:
    """Of the vector of all terms' statistics."""
    return (sum(math.prod(term.sums) for term in objective.terms),)


def _graphs(objective: Objective, image: Shape) -> Iterator[tuple[str, tuple[Shapes, Shapes]]]:
    """What the graphs of an objective take and give, by file."""
    inputs: Shapes = [(v.name, v.shape) for term in objective.terms for v in term.inputs]
    maps, styles = _from(objective, *MAPS), _from(objective, *TARGETS)
    described = _from(objective, "content", "style_map", "matched", "style")
    own = [
        (value.name, value.shape)
        for term in objective.terms
        for value in term.inputs
        if value.source in ("region", "given") and any(v.source == "style" for v in term.inputs)
    ]
    terms, sums = (len(objective.terms),), _sums(objective)
    tile: Shapes = [("image", image), ("mask", (1, 1, *image[2:]))]
    figures: Shapes = [("loss", ()), ("terms", terms)]
    for graphs in objective.poolings.values():
        yield graphs.describe, ([tile[0], *own], described)
        yield graphs.step, ([tile[0], ("weights", terms), *inputs], [*figures, ("gradient", image)])
        yield graphs.statistics, ([*tile, *maps], [("sums", sums)])
        yield graphs.pullback, ([*tile, ("cotangents", sums), *maps], [("gradient", image)])
    yield (
        objective.loss,
        (
            [("sums", sums), ("pixels", (1,)), ("weights", terms), *styles],
            [*figures, ("cotangents", sums)],
        ),
    )


def _from(objective: Objective, *sources: Source) -> Shapes:
    return [
        (value.name, value.shape)
        for term in objective.terms
        for value in term.inputs
        if value.source in sources
    ]


def _matching(manifest: Manifest) -> Iterator[tuple[str, tuple[Shapes, Shapes]]]:
    """What the graphs that find neighbours take and give: their height is queries."""
    for layer, file in manifest.matching.items():
        channels = manifest.layer(layer).channels
        features: Shapes = [("queries", (channels, "height")), ("candidates", (channels, "width"))]
        means: Shapes = [("query_mean", (channels, 1)), ("candidate_mean", (channels, 1))]
        yield file, ([*features, *means], [("index", ("height",))])


def _optimizers(manifest: Manifest, image: Shape) -> Iterator[tuple[str, tuple[Shapes, Shapes]]]:
    """What Adam's and L-BFGS' graphs take and give, by file."""
    one: Shape = (1,)
    state: Shapes = [("mean", image), ("square", image)]
    lbfgs = manifest.signatures[manifest.optimizers.lbfgs]
    adam = manifest.signatures[manifest.optimizers.adam]
    betas: Shapes = (
        [("betas", (2,))] if "betas" in adam.inputs else []
    )  # older ones have them fixed
    levels = lbfgs.inputs.get("preconditioner", ())
    yield (
        manifest.optimizers.adam,
        (
            [("image", image), ("gradient", image), ("rate", one), *betas, ("count", one), *state],
            [("next_image", image), ("next_count", one)]
            + [(f"next_{name}", shape) for name, shape in state],
        ),
    )
    older = range(1, manifest.optimizers.history_size)
    images = ("image", "gradient", "previous_image", "previous_gradient")
    yield (
        manifest.optimizers.lbfgs,
        (
            [(name, image) for name in images]
            + [("step", one), ("preconditioner", levels), ("channels", one), ("gamma", one)]
            + [(f"s_{i}", image) for i in older]
            + [(f"y_{i}", image) for i in older]
            + [(f"rho_{i}", one) for i in older],
            [
                *(("next_image", image), ("s", image), ("y", image)),
                *(("rho", one), ("next_gamma", one), ("slope", one)),
            ],
        ),
    )
