"""What a run will cost, before it starts."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np

from .bundle.manifest import fix
from .graphs.session import Graphs
from .machine.memory import used
from .plan import Plan, Stage

SIZE = (192, 256)
"""(height, width) of the calibration: seconds for a pixel are much the same at all sizes."""
ROUNDS = 3
FORWARD = 0.5
"""To describe a picture costs half an evaluation: its other half is the gradient."""
AROUND = 1.05
"""An iteration, in units of an evaluation: the optimiser, and now and then a step that fails."""


@dataclass(frozen=True)
class Estimate:
    """Of a run, on this device as busy as it is now."""

    seconds: float
    memory: int
    """Peak resident bytes of the process."""
    stages: list[Stage]
    """The scales, the coarsest first, and how each will be done."""


def estimate(graphs: Graphs, plan: Plan) -> Estimate:
    """From the plan, and a short calibration."""
    memory = expected_memory(plan)
    per_pixel, opening = calibrate(graphs, plan.preset.objective, plan.preset.pooling)
    seconds = expected_seconds(plan, per_pixel) + 3 * opening * len(plan.stages)
    return Estimate(seconds, memory, plan.stages)


def expected_seconds(plan: Plan, per_pixel: float) -> float:
    """Of all evaluations, if one takes so many seconds for a pixel of its work."""
    pictures = len(plan.styles) + (plan.content is not None)
    evaluations = (
        stage.work * (1 + FORWARD * pictures + AROUND * stage.iterations) for stage in plan.stages
    )
    return per_pixel * sum(evaluations)


def expected_memory(plan: Plan) -> int:
    """Peak resident bytes of the process, if its pictures are loaded."""
    return used() + max(stage.memory for stage in plan.stages)


def calibrate(graphs: Graphs, objective: str, pooling: str) -> tuple[float, float]:
    """Seconds for a pixel, and to open a graph."""
    name = graphs.bundle.manifest.objectives[objective].poolings[pooling].step
    started = time.perf_counter()
    graph = graphs.get(name, *SIZE)
    opening = time.perf_counter() - started
    shapes = graphs.bundle.manifest.signatures[name].inputs
    noise = np.random.default_rng(0)
    inputs = {
        key: graphs.device.upload(noise.random(fix(shape, *SIZE), np.float32))
        for key, shape in shapes.items()
    }
    seconds = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        graph.run(inputs, to_host=("loss",))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:]) / (SIZE[0] * SIZE[1]), opening
