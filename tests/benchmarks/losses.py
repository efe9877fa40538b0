"""What a bundle's objectives cost: an iteration of each in turns, and the peak of a whole run.

IMPASTO_MODEL names another bundle than the shipped one; docs/performance.md says which has each
head alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from measure import ROUNDS, in_child, in_turns, print_table
from painting import command, iteration
from pictures import cut_pair
from settings import Settings

from impasto.runtime import Engine

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
    print(f"Of {side}x{side} pixels: an iteration with its L-BFGS, and all memory of a run.\n")
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
        seconds = in_turns(
            [
                iteration(engine, *pair, iterations=2 * ROUNDS, **given)
                for given in objectives.values()
            ]
        )
    print_table(
        "objective | heads | an iteration, s | / first | peak, GB | / first",
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
