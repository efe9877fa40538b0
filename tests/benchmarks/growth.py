"""How time and memory grow with the picture: every size in a process of its own.

As a script: ``growth.py impasto|"PyTorch eager" CONTENT STYLE DEVICE`` prints the seconds of steps.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import FailedError, Finished, free_memory, in_child, print_table
from pictures import cut_pair, tensor
from PIL import Image
from plot import TILED, Point, draw
from settings import IMPASTO, PYTORCH, ROOT, Settings

SIZES = [(128, 128), (256, 192), (512, 384), (1024, 768), (2048, 1536), (4096, 3072)]
BUDGET = "3GB"
"""What ours may take on the CPU: in tiles, once the whole picture takes more."""
SHARE = 0.6
"""PyTorch goes on while it should take less than this of the free memory."""
PIXELS = 12_000_000
"""So many steps are measured that they come to this many pixels, but at least 1 and at most 10."""
PICTURE = ROOT / "docs" / "images" / "growth.png"


def report(settings: Settings) -> None:
    """A table, and its picture in docs/images."""
    sizes = [(64, 48), (96, 64), (128, 96)] if settings.small else SIZES
    where = "on the GPU" if settings.on_gpu else "resident"
    allowed = _budget(settings.device) or "most of what is free"
    print(
        f"Seconds of an iteration ({IMPASTO}) or of a step without optimiser ({PYTORCH}), and\n"
        f"peak memory {where}. {IMPASTO} may take {allowed}.\n"
    )
    points: list[Point] = []
    figures = [f"{who}, {unit}" for unit in ("s", "GB") for who in (IMPASTO, PYTORCH)]
    header = " | ".join(["size", "megapixels", "how", *figures])
    print_table(header, (_row(width, height, settings, points) for width, height in sizes))
    folder = Path(tempfile.gettempdir()) if settings.small else PICTURE.parent
    path = folder / (PICTURE.stem + ("-gpu" if settings.on_gpu else "") + PICTURE.suffix)
    draw(points, path)
    print(f"drawn: {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}\n", flush=True)


def _row(width: int, height: int, settings: Settings, points: list[Point]) -> list[str]:
    fits = _fits(width * height, points, settings)
    ours = _measure(IMPASTO, width, height, settings)
    theirs = _measure(PYTORCH, width, height, settings) if fits else None
    points += [point for point in (ours, theirs) if point]
    return [
        f"{width}x{height}",
        f"{width * height / 1e6:.2f}",
        ours.how if ours else "-",
        *(f"{point.seconds:.3g}" if point else "-" for point in (ours, theirs)),
        *(f"{point.peak / 1e9:.2f}" if point else "does not fit" for point in (ours, theirs)),
    ]


def _fits(pixels: int, points: list[Point], settings: Settings) -> bool:
    """Whether PyTorch should do it: memory grows no faster than the pixels."""
    known = [point for point in points if point.who == PYTORCH]
    wanted = max((point.peak * pixels / point.pixels for point in known[-1:]), default=0)
    return wanted < SHARE * _free(settings)


def _free(settings: Settings) -> int:
    if not settings.on_gpu:
        return free_memory()
    import torch

    return torch.cuda.mem_get_info()[0]


def _measure(who: str, width: int, height: int, settings: Settings) -> Point | None:
    with tempfile.TemporaryDirectory() as folder:
        pair = cut_pair(Path(folder), width, height)
        command = [sys.executable, __file__, who, *map(str, pair), settings.device]
        try:
            done: Finished = in_child(command, settings.on_gpu)
        except FailedError as error:
            print(error, file=sys.stderr)
            return None
    peak = done.gpu_peak if settings.on_gpu else done.peak
    seconds, how = json.loads(done.output)
    return Point(who, width * height, statistics.median(seconds), peak, how)


def _budget(device: str) -> str | None:
    return BUDGET if device == "cpu" else None


def impasto_steps(content: str, style: str, device: str) -> tuple[list[float], str]:
    """Seconds of the iterations at the last scale, but for the first; how they were done.

    Up to a megapixel they fill L-BFGS' memory. The result is saved, as in any run.
    """
    from painting import last_scale

    from impasto.runtime import Engine, Step

    with Image.open(content) as image:
        settings: dict[str, Any] = {"size": max(image.size), "memory": _budget(device)}
    engine = Engine.load("vgg19", device=device)
    iterations = _steps(math.prod(image.size)) + 1
    run = engine.start(content, style, iterations=iterations, **settings)
    scale = run.plan.scales[-1]
    steps: list[Step] = []
    run.finish(on_step=steps.append).save(Path(content).with_name("out.png"))
    ends = [step.seconds for step in last_scale(steps)]
    optimizer = f"L-BFGS {scale.history}" if scale.history else "Adam"
    how = f"{TILED if scale.tile_pixels else 'whole'}, {optimizer}"
    return [after - before for before, after in itertools.pairwise(ends)], how


def _steps(pixels: int) -> int:
    return max(1, min(10, PIXELS // pixels))


def pytorch_steps(content: str, style: str, device: str) -> tuple[list[float], str]:
    """Seconds of a few steps, but for the first."""
    from rivals import Eager

    eager = Eager("avg", tensor(Path(content)), tensor(Path(style)), device)
    found = []
    for _ in range(_steps(eager.image[0, 0].numel()) + 1):
        start = time.perf_counter()
        eager.step()
        found.append(time.perf_counter() - start)
    return found[1:], ""


if __name__ == "__main__":
    who, *rest = sys.argv[1:]
    print(json.dumps((impasto_steps if who == IMPASTO else pytorch_steps)(*rest)))
