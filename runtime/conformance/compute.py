"""What the conformance file tells the figures of, computed as a run computes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from impasto.runtime.graphs.pool import Graphs, RunGraphs
from impasto.runtime.inputs import Pictures
from impasto.runtime.loop import Loop
from impasto.runtime.objective import Objective
from impasto.runtime.objective.tiled import Tiled
from impasto.runtime.objective.whole import Whole
from impasto.runtime.pictures.image import from_tensor
from impasto.runtime.planning.plan import Plan, Scale
from impasto.runtime.planning.sizes import Sizes
from impasto.runtime.settings import resolve

from .expected import LBFGS, Adam, Case, Run
from .probes import (
    BETAS,
    CONTENT,
    IMAGE,
    REGIONS,
    STREAMS,
    STYLE,
    Tensor,
    adam_inputs,
    lbfgs_inputs,
    picture,
    probe_maps,
)


def computed_case(graphs: RunGraphs, case: Case, tiled: bool) -> dict[str, Any]:
    """Targets, loss, terms and gradient, whole or in tiles."""
    manifest, first = graphs.bundle.manifest, case.seed * STREAMS
    place = (graphs, case.objective, case.pooling, case.size)
    regions = REGIONS if manifest.objectives[case.objective].is_guided else 1
    objective: Objective = Whole(*place, regions)
    if tiled:
        assert case.window is not None
        objective = Tiled(*place, case.window, regions)
    maps = probe_maps(manifest, case.objective, case.size, case.seed)
    content, style = (picture(manifest.canvas, case.size, first + k) for k in (CONTENT, STYLE))
    targets = objective.describe(content, "content")
    targets |= objective.describe(style, "style", maps)
    targets |= objective.describe(style, "style_map")
    objective.set_targets(targets | maps, case.weights)
    (slot,) = objective.slots(1)
    slot.image.update_inplace(picture(manifest.canvas, case.size, first + IMAGE))
    point = objective.evaluate(slot)
    return {
        **targets,
        "loss": point.loss,
        **{f"term {k}": term for k, term in enumerate(point.terms)},
        "gradient": point.gradient.numpy(),
    }


def computed_lbfgs(graphs: RunGraphs, expected: LBFGS) -> Iterator[dict[str, Any]]:
    """The outputs of every call."""
    manifest, upload = graphs.bundle.manifest, graphs.device.upload
    older = manifest.optimizers.history_size - 1
    for call in expected.calls:
        feeds = lbfgs_inputs(manifest.canvas, expected.size, expected.seed, call.pairs, older)
        feeds["preconditioner"] = np.array(expected.preconditioner, np.float32)
        feeds["channels"] = np.array([expected.channels], np.float32)
        found = _run(graphs, manifest.optimizers.lbfgs, expected.size, feeds, upload)
        yield {
            "step": found["next_image"] - feeds["image"],
            "rho": found["rho"],
            "gamma": found["next_gamma"],
            "slope": found["slope"],
        }


def computed_adam(graphs: RunGraphs, expected: Adam) -> dict[str, Any]:
    """The image after every step, and the moments after the last."""
    manifest, upload = graphs.bundle.manifest, graphs.device.upload
    first, gradients = adam_inputs(
        manifest.canvas, expected.size, expected.seed, len(expected.images)
    )
    state: dict[str, Tensor] = {
        "image": first,
        "count": np.zeros(1, np.float32),
        "mean": np.zeros_like(first),
        "square": np.zeros_like(first),
    }
    found: dict[str, Any] = {}
    for k, gradient in enumerate(gradients, start=1):
        feeds = {**state, "gradient": gradient, "rate": np.array([expected.rate], np.float32)}
        if "betas" in manifest.signatures[manifest.optimizers.adam].inputs:
            feeds["betas"] = np.array(BETAS, np.float32)
        out = _run(graphs, manifest.optimizers.adam, expected.size, feeds, upload)
        state = {name: out[f"next_{name}"] for name in state}
        found[f"image {k}"] = state["image"]
    return {**found, "mean": state["mean"], "square": state["square"]}


def computed_run(graphs: Graphs, expected: Run) -> list[float]:
    """The losses of the first image and after every iteration."""
    manifest, size = graphs.bundle.manifest, expected.size
    settings = resolve(
        manifest,
        {
            "objective": expected.objective,
            "pooling": expected.pooling,
            "optimizer": "lbfgs",
            "init": "content",
            "init_noise": 0.0,
            "style_scale": 1.0,
            "color": "style",
            "preconditioner_pyramid": expected.preconditioner,
            "preconditioner_channels": expected.channels,
        },
        content=True,
        styles=1,
        image=False,
    )
    iterations = len(expected.losses) - 1
    scale = Scale(
        size=size,
        iterations=iterations,
        optimizer="lbfgs",
        history=manifest.optimizers.history_size,
        tile_pixels=None,
        memory=0,
        files=0,
        work=1e12,
    )
    plan = Plan(
        settings=settings,
        sizes=Sizes(content=size, styles=(size,)),
        shares=(1.0,),
        weights=expected.weights,
        scales=(scale,),
    )
    first = expected.seed * STREAMS
    content, style = (
        from_tensor(picture(manifest.canvas, size, first + k), *size) for k in (CONTENT, STYLE)
    )
    pictures = Pictures(
        content=content,
        styles=(style,),
        image=None,
        shares=(1.0,),
        settings=settings,
        canvas=manifest.canvas,
    )
    loop = Loop(graphs, plan, pictures)
    state = loop.start()
    losses = [state.point.loss]
    while len(losses) <= iterations:
        state = loop.advance(state)
        losses.append(state.point.loss)
    return losses


def _run(
    graphs: RunGraphs, name: str, size: tuple[int, int], feeds: Mapping[str, Tensor], upload: Any
) -> dict[str, Tensor]:
    graph = graphs.get(name, *size)
    given = {key: upload(value) for key, value in feeds.items()}
    found = graph.run(given, to_host=graph.outputs)
    return {key: np.array(value.numpy()) for key, value in found.items()}
