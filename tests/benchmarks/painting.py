"""How the measurements paint: the command line's way, and an iteration at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from impasto.runtime import Engine, Step


def command(content: Path, style: Path, output: Path, **options: object) -> list[str]:
    """``impasto stylize``; options by their long names."""
    words = [f"--{name}={value}" for name, value in options.items()]
    paint = [sys.executable, "-m", "impasto.cli", "stylize", str(content)]
    return [*paint, "--style", str(style), "-o", str(output), *words]


def last_scale(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps at the size of the result."""
    return (step for step in steps if step.scale == step.scales)


def iteration(engine: Engine, content: Path, style: Path, **settings: Any) -> Callable[[], Step]:
    """A function that does one more iteration of the finest scale.

    The first call does the coarser scales too.
    """
    run = engine.start(str(content), str(style), **settings)
    return last_scale(run).__next__
