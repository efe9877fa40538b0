"""What the graphs of a bundle take and give, in order, as it follows from the terms."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .manifest import Input, Manifest, Objective, Term
from .shapes import REGIONS, Shape
from .sources import MAPS, OWN, TARGETS, Source

Shapes = list[tuple[str, Shape]]
"""Of inputs or outputs, in order."""
POINTS = ("image", "gradient", "previous_image", "previous_gradient")
"""What L-BFGS looks at, its last two points: the first inputs of its graphs."""
MOST_CHANNELS = 1 << 16
MOST_FLOATS = 1 << 26
"""Of all statistics, and of a shape that does not grow with the picture."""


def expected_signatures(manifest: Manifest, image: Shape) -> dict[str, tuple[Shapes, Shapes]]:
    """Inputs and outputs of every graph, by file, for images of a shape."""
    found = dict(_optimizers(manifest, image)) | dict(_matching(manifest))
    found |= dict(_lbfgs_parts(manifest, image))
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


def _graphs(objective: Objective, image: Shape) -> Iterator[tuple[str, tuple[Shapes, Shapes]]]:
    """What the graphs of an objective take and give, by file."""
    inputs: Shapes = [(v.name, v.shape) for term in objective.terms for v in term.inputs]
    maps, styles = _from(objective, *MAPS), _from(objective, *TARGETS)
    described = _from(objective, "content", "style_map", "matched", "style")
    own = [
        (value.name, value.shape)
        for term in objective.terms
        for value in term.inputs
        if value.source in OWN and any(v.source == "style" for v in term.inputs)
    ]
    terms, sums = (len(objective.terms),), objective.sums
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
    yield (
        manifest.optimizers.lbfgs,
        (
            [(name, image) for name in POINTS]
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


def _lbfgs_parts(manifest: Manifest, image: Shape) -> Iterator[tuple[str, tuple[Shapes, Shapes]]]:
    """What L-BFGS' graphs of parts take and give, by file."""
    parts, one = manifest.lbfgs_parts, (1,)
    if parts is None:
        return
    levels = manifest.signatures[manifest.optimizers.lbfgs].inputs.get("preconditioner", ())
    points: Shapes = [(name, image) for name in POINTS]
    weights: Shapes = [("preconditioner", levels), ("channels", one)]
    found: Shapes = [("products", (5,)), ("largest", one)]
    yield parts.products, ([*points, ("mask", (1, 1, *image[2:])), *weights], found)
    yield (
        parts.step,
        (
            [*points, ("step", one), *weights, ("gamma", one), *found],
            [("next_image", image), ("next_gamma", one)],
        ),
    )


def term_faults(manifest: Manifest, term: Term, height: int | str) -> Iterator[str]:
    """What is wrong with a term of images of a height."""
    guided = term.sums[:1] == (REGIONS,)
    numbers = [n for n in (term.sums[1:] if guided else term.sums) if isinstance(n, int)]
    if (
        len(numbers) + guided < len(term.sums)
        or min(numbers, default=1) < 1
        or math.prod(map(float, numbers)) > MOST_FLOATS
        or guided != any(value.source == "regions" for value in term.inputs)
    ):
        yield f"its statistics have the shape {short(term.sums)}"
        return
    layer = manifest.layer(term.layer)
    sides = tuple(
        axis // stride if isinstance(axis, int) else axis if stride == 1 else f"{axis}/{stride}"
        for axis, stride in zip((height, "width"), layer.stride, strict=True)
    )
    for value in term.inputs:
        channels = value.shape[1] if len(value.shape) == 4 else 0
        if value.source == "matched" and term.layer not in manifest.matching:
            yield "no graph finds its neighbours"
        elif value.source in ("content", "style_map", "matched"):
            channels = layer.channels
        elif value.source in ("region", "regions"):
            channels = 1
        good = isinstance(channels, int) and 1 <= channels <= MOST_CHANNELS
        if value.source in TARGETS and fits(value, term.sums):
            continue
        count = REGIONS if value.source == "regions" else 1
        if value.source in TARGETS or not good or value.shape != (count, channels, *sides):
            yield f"its input {value.name[:60]!r} cannot have the shape {short(value.shape)}"


def short(value: object) -> str:
    """As sentences have it."""
    return str(value)[:60]
