"""Peak memory of whole runs, against pastiche's on the same pictures."""

from __future__ import annotations

import tempfile
from pathlib import Path

from measure import Finished, in_child, print_table
from painting import command
from pictures import cut_pair
from rivals import pastiche_command
from settings import Settings

SIDES = (512, 1024)
STEPS, ITERATIONS = 2, 12
"""Steps of pastiche, when it has hardly any pairs, and iterations of ours, when it has all its."""
PAIRS = 100
"""pastiche's, of float32 images of three channels."""


def report(settings: Settings) -> None:
    """Resident memory; on a GPU the GPU's, the context included."""
    where = "on the GPU" if settings.on_gpu else "resident"
    print(
        f"Peak memory {where}: {ITERATIONS} iterations of ours, so that its 10 pairs are there;\n"
        f"{STEPS} steps of pastiche, and with the {PAIRS} pairs that it has after {PAIRS} steps.\n"
    )
    print_table(
        "size | impasto, GB | pastiche, GB | with its pairs, GB | impasto / pastiche",
        (_row(side, settings) for side in ((64,) if settings.small else SIDES)),
    )


def _row(side: int, settings: Settings) -> list[str]:
    device = settings.device
    with tempfile.TemporaryDirectory() as folder:
        pair, output = cut_pair(Path(folder), side, side), Path(folder, "out.png")
        ours = command(*pair, output, size=side, iterations=ITERATIONS, device=device)
        mine = _peak(in_child(ours, settings.on_gpu), settings)
        theirs_command = pastiche_command(*pair, output, STEPS, device, side)
        theirs = _peak(in_child(theirs_command, settings.on_gpu), settings)
    whole = theirs + PAIRS * 2 * side * side * 3 * 4
    return [
        f"{side}x{side}",
        *(f"{n / 1e9:.2f}" for n in (mine, theirs, whole)),
        f"{mine / whole:.2f}",
    ]


def _peak(finished: Finished, settings: Settings) -> int:
    return finished.gpu_peak if settings.on_gpu else finished.peak
