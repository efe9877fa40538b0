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
STEPS = 2


def report(settings: Settings) -> None:
    """Resident memory; on a GPU the GPU's, the context included."""
    where = "on the GPU" if settings.on_gpu else "resident"
    print(
        f"Peak memory {where}, {STEPS} steps of each. pastiche's L-BFGS keeps up to 100 pairs of\n"
        "pictures, which are not in this, ours 10.\n"
    )
    print_table(
        "size | impasto, GB | pastiche, GB | impasto / pastiche",
        (_row(side, settings) for side in ((64,) if settings.small else SIDES)),
    )


def _row(side: int, settings: Settings) -> list[str]:
    device = settings.device
    with tempfile.TemporaryDirectory() as folder:
        pair, output = cut_pair(Path(folder), side, side), Path(folder, "out.png")
        ours = command(*pair, output, size=side, iterations=STEPS, device=device)
        mine = _peak(in_child(ours, settings.on_gpu), settings)
        theirs_command = pastiche_command(*pair, output, STEPS, device, side)
        theirs = _peak(in_child(theirs_command, settings.on_gpu), settings)
    sizes = f"{side}x{side}", f"{mine / 1e9:.2f}", f"{theirs / 1e9:.2f}"
    return [*sizes, f"{mine / theirs:.2f}"]


def _peak(finished: Finished, settings: Settings) -> int:
    return finished.gpu_peak if settings.on_gpu else finished.peak
