"""How a run is followed: a bar on a terminal, a few lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .console import duration, print_json, say

if TYPE_CHECKING:
    from rich.progress import Progress

    from impasto.runtime import Engine, Result, Run, Step


class Lines:
    """A line on stderr for every scale and every tenth of the work."""

    broken: str | None = None
    """Why events cannot be written any more; None while they can."""

    _run: Run

    def __init__(self) -> None:
        self._told = (0, 0)
        self._first: Step | None = None

    def start(self, engine: Engine, run: Run) -> None:
        """Say what will be done."""
        from impasto.runtime import show_bytes

        height, width = run.size
        self._run = run
        say(
            f"painting {width} x {height} pixels on {engine.device}, seed {run.seed}; "
            f"memory: about {show_bytes(run.memory)}"
        )

    def step(self, step: Step) -> None:
        """Say how far it is."""
        first = self._first = self._first or step
        reached = (step.scale, int(step.fraction * 10))
        if reached == self._told:
            return
        self._told, done = reached, step.fraction - first.fraction
        left = (step.seconds - first.seconds) * (1 - step.fraction) / done if done else None
        if left is None and self._run.expected is not None:
            left = self._run.expected - step.seconds
        time_left = "" if left is None else f", {duration(left)} left"
        say(f"{step.fraction:.0%}{time_left}: {_describe(step)}")

    def done(self, output: str, result: Result) -> None:
        """Say what came of it."""
        height, width, _ = result.image.shape
        say(
            f"{output}: {width} x {height} pixels, loss {result.loss:.4g} after iteration "
            f"{result.iterations} and {result.seconds:.1f} s"
        )


class Bar(Lines):
    """A progress bar on stderr."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._task = progress.add_task("", total=1)

    def step(self, step: Step) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=step.fraction, description=_describe(step))


class JsonLines(Lines):
    """Events on stdout. Sizes are [width, height]; ``terms`` are not weighted, ``loss`` is."""

    def start(self, engine: Engine, run: Run) -> None:
        """The event ``start``."""
        self._emit(
            event="start",
            size=run.size[::-1],
            scales=[scale.size[::-1] for scale in run.plan.scales],
            memory=run.memory,
            device=engine.device,
            model=engine.model,
            seed=run.seed,
        )

    def step(self, step: Step) -> None:
        """The event ``iteration``."""
        names = ("scale", "scales", "iteration", "iterations", "loss", "terms", "seconds")
        fields = {name: getattr(step, name) for name in names}
        self._emit(event="iteration", size=step.size[::-1], fraction=step.fraction, **fields)

    def done(self, output: str, result: Result) -> None:
        """The event ``done``."""
        names = ("iterations", "seconds", "loss", "terms", "stopped")
        height, width, _ = result.image.shape
        fields = {name: getattr(result, name) for name in names}
        self._emit(event="done", output=output, size=(width, height), **fields)

    def _emit(self, **event: Any) -> None:
        if self.broken:
            return
        try:
            print_json(event)
        except OSError as error:  # such as a pipe whose reader has gone
            self.broken = f"stdout: {error.strerror}"
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what Python flushes at exit


@contextmanager
def reporter(as_json: bool) -> Iterator[Lines]:
    """What suits --json and the kind of stderr."""
    if as_json:
        yield JsonLines()
    elif sys.stderr is None or not sys.stderr.isatty():
        yield Lines()
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        text = TextColumn("{task.description}", markup=False)
        columns = (BarColumn(bar_width=16), TaskProgressColumn(), TimeLeft(), text)
        with Progress(*columns, console=Console(stderr=True)) as progress:
            yield Bar(progress)


def _describe(step: Step) -> str:
    """Scale, iteration, loss, and the terms of every head together."""
    heads: dict[str, float] = {}
    for name, value in step.terms.items():
        head = name.partition(".")[0]
        heads[head] = heads.get(head, 0.0) + value
    terms = ", ".join(f"{head} {value:.3g}" for head, value in heads.items())
    return (
        f"scale {step.scale}/{step.scales} {step.iteration}/{step.iterations} "
        f"loss {step.loss:.4g}: {terms}"
    )
