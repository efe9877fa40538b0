"""A step, the optimiser and all that is around a step, against PyTorch."""

from __future__ import annotations

import tempfile
from pathlib import Path

from insides import step_and_lbfgs
from measure import ROUNDS, in_turns, print_table
from painting import iteration
from pictures import cut_pair
from rivals import eager_and_compiled
from settings import PYTORCH, Settings

from impasto.runtime import Engine

SIZES = [(256, 256), (384, 512), (512, 512)]
GPU_SIZES = [*SIZES, (768, 1024)]


def report(settings: Settings) -> None:
    """Seconds and ratios. Around the step: an iteration of the engine without its step."""
    sizes = [(64, 64)] if settings.small else GPU_SIZES if settings.on_gpu else SIZES
    print(
        "A step (forward, losses, gradient), and what else an iteration takes. `around`: a whole\n"
        "iteration without its step, L-BFGS and checks included. `plain`: the step without\n"
        "Winograd's convolutions, where it has them.\n"
    )
    print_table(
        f"size | pooling | {PYTORCH}, s | torch.compile, s | step, s | step / eager "
        "| step / compiled | plain / step | L-BFGS / step | around / step",
        (
            _row(pooling, height, width, settings.device)
            for height, width in sizes
            for pooling in ("avg", "max")
        ),
    )


def _row(pooling: str, height: int, width: int, device: str) -> list[str]:
    step, lbfgs = step_and_lbfgs(pooling, height, width, device)
    plain, _ = step_and_lbfgs(pooling, height, width, device, "plain")
    eager, compiled = eager_and_compiled(pooling, height, width, device)
    with tempfile.TemporaryDirectory() as folder:
        whole = iteration(
            Engine.load("vgg19", device=device),
            *cut_pair(Path(folder), width, height),
            size=max(width, height),
            pooling=pooling,
            iterations=2 * ROUNDS,
        )
        calls = [eager, step, plain, lbfgs, whole, *([compiled] if compiled else [])]
        theirs, mine, simple, optimiser, engine, *fast = in_turns(calls)
    return [
        f"{width}x{height}",
        pooling,
        f"{theirs:.3f}",
        f"{fast[0]:.3f}" if fast else "-",
        f"{mine:.3f}",
        f"{mine / theirs:.2f}",
        f"{mine / fast[0]:.2f}" if fast else "-",
        f"{simple / mine:.2f}",
        f"{optimiser / mine:.3f}",
        f"{(engine - mine) / mine:.3f}",
    ]
