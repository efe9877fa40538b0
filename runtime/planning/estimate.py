"""What a run will cost, before it starts."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np

from impasto.runtime.bundle.shapes import fix
from impasto.runtime.graphs.pool import Graphs
from impasto.runtime.machine.memory import caveat, used
from impasto.runtime.planning.plan import Plan

SIZE = (192, 256)
"""(height, width) of the calibration: seconds for a pixel are much the same at all sizes."""
ROUNDS = 3
FORWARD = 0.5
"""To describe a picture costs half an evaluation: its other half is the gradient."""
AROUND = 1.05
"""An iteration, in units of an evaluation: the optimizer, and now and then a step that fails."""


@dataclass(frozen=True)
class Estimate:
    """Of a run, on this device as busy as it is now."""

    seconds: float
    memory: int
    """Peak resident bytes of the process."""
    plan: Plan
    """How it will be done."""
    caveat: str = ""
    """Why memory is less certain on this system; empty: it is not."""


def estimate(graphs: Graphs, plan: Plan) -> Estimate:
    """From the plan, and a short calibration."""
    memory = expected_memory(plan)
    per_pixel, opening = calibrate(graphs, plan)
    seconds = expected_seconds(plan, per_pixel) + 3 * opening * len(plan.scales)
    return Estimate(seconds, memory, plan, caveat())


def expected_seconds(plan: Plan, per_pixel: float) -> float:
    """Of all evaluations, if one takes so many seconds for a pixel of its work."""
    pictures = len(plan.sizes.styles) + (plan.sizes.content is not None)
    evaluations = (
        scale.work * (1 + FORWARD * pictures + AROUND * scale.iterations) for scale in plan.scales
    )
    return per_pixel * sum(evaluations)


def expected_memory(plan: Plan) -> int:
    """Peak resident bytes of the process, if its pictures are not loaded yet."""
    return used() + plan.memory


def calibrate(graphs: Graphs, plan: Plan) -> tuple[float, float]:
    """Seconds for a pixel, and to open a graph."""
    manifest, settings = graphs.bundle.manifest, plan.settings
    name = manifest.objectives[settings.objective].poolings[settings.pooling].step
    size = tuple(
        side if unit > 1 else 1 for side, unit in zip(SIZE, manifest.encoder.alignment, strict=True)
    )
    started = time.perf_counter()
    regions = len(plan.sizes.regions) or 1
    graph = graphs.get(name, size[0], size[1], regions)
    opening = time.perf_counter() - started
    shapes = manifest.signatures[name].inputs
    noise = np.random.default_rng(0)
    inputs = {
        key: graphs.device.upload(noise.random(fix(shape, size[0], size[1], regions), np.float32))
        for key, shape in shapes.items()
    }
    seconds = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        graph.run(inputs, to_host=("loss",))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:]) / (size[0] * size[1]), opening
