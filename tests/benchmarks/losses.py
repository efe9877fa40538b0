"""What a bundle's objectives cost: an evaluation of each in turns, and the peak of a whole run.

IMPASTO_MODEL names another bundle than the shipped one; docs/performance.md says which has each
head alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import in_child, in_turns, print_table
from painting import command
from pictures import cut_pair
from settings import Settings

from impasto.runtime import Engine
from impasto.runtime.bundle.shapes import fix

SIDE = 384
ITERATIONS = 8


def report(settings: Settings) -> None:
    """Seconds, gigabytes, and ratios to the first objective."""
    side = 64 if settings.small else SIDE
    engine = Engine.load(device=settings.device)
    objectives = {
        name: {"objective": name, "pooling": next(iter(found.poolings)), "size": side}
        for name, found in engine.manifest.objectives.items()
        if not name.endswith("-regions")
    }
    print(f"Of {side}x{side} pixels: loss and gradient once, and all memory of a run.\n")
    with tempfile.TemporaryDirectory() as folder:
        pair = cut_pair(Path(folder), side, side)
        peaks = [
            in_child(
                command(
                    *pair,
                    Path(folder, f"of-{name}.png"),
                    iterations=ITERATIONS,
                    device=settings.device,
                    **given,
                ),
                settings.on_gpu,
            )
            for name, given in objectives.items()
        ]
        memory = [found.gpu_peak if settings.on_gpu else found.peak for found in peaks]
    seconds = in_turns([_evaluation(engine, name, side) for name in objectives])
    print_table(
        "objective | heads | an evaluation, s | / first | peak, GB | / first",
        (
            [
                name,
                ", ".join(dict.fromkeys(t.head for t in engine.manifest.objectives[name].terms)),
                f"{time:.3f}",
                f"{time / seconds[0]:.2f}",
                f"{peak / 1e9:.2f}",
                f"{peak / memory[0]:.2f}",
            ]
            for name, time, peak in zip(objectives, seconds, memory, strict=True)
        ),
    )


def _evaluation(engine: Engine, name: str, side: int) -> Callable[[], Any]:
    """Of noise: what is in the image makes no difference to the time."""
    graphs, manifest = engine.runs.graphs, engine.manifest
    step = next(iter(manifest.objectives[name].poolings.values())).step
    random, shapes = np.random.default_rng(0), manifest.signatures[step].inputs
    feeds = {
        key: graphs.device.upload(random.random(fix(shape, side, side), np.float32))
        for key, shape in shapes.items()
    }
    graph = graphs.get(step, side, side)
    return lambda: graph.run(feeds, to_host=["loss"])
