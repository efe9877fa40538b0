"""On a GPU: what the settings of the two libraries change in an iteration."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from measure import ROUNDS, in_turns, print_table
from painting import iteration
from pictures import cut_pair, tensor
from rivals import Eager
from settings import IMPASTO, PYTORCH, Settings

from impasto.runtime import Engine

ENGINES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "TF32": {"tf32": True},
    "CUDA graphs": {"cuda_graphs": True},
    "TF32, CUDA graphs": {"tf32": True, "cuda_graphs": True},
}
"""Settings of Engine.load."""
SIDES = (512, 1024)


def report(settings: Settings) -> None:
    """Every variant, in turns with the others."""
    if not settings.on_gpu:
        print("variants: only on a GPU\n")
        return
    print_table("size | what | settings | s", _rows(settings))


def _rows(settings: Settings) -> Iterator[tuple[str, str, str, str]]:
    for side in (64,) if settings.small else SIDES:
        with tempfile.TemporaryDirectory() as folder:
            calls = dict(_calls(side, cut_pair(Path(folder), side, side), settings.device))
            medians = in_turns(list(calls.values()))
        for (what, how), seconds in zip(calls, medians, strict=True):
            yield f"{side}x{side}", what, how, f"{seconds:.4f}"


def _calls(
    side: int, pair: tuple[Path, Path], device: str
) -> Iterator[tuple[tuple[str, str], Callable[[], Any]]]:
    content, style = map(tensor, pair)
    eager = Eager("avg", content, style, device)

    def step(tf32: bool) -> None:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        eager.step()

    yield (f"{PYTORCH}: step", "float32"), lambda: step(False)
    yield (f"{PYTORCH}: step", "TF32"), lambda: step(True)
    for how, options in ENGINES.items():
        engine = Engine.load("vgg19", device=device, **options)
        run = iteration(engine, *pair, size=side, pooling="avg", iterations=2 * ROUNDS)
        yield (f"{IMPASTO}: iteration", how), run
