"""How a run is followed: a bar on a terminal, a few lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from impasto.cli.console import bar, cleared, duration, emit, has_terminal, say, show, suited

from .preview import Canvas, find_canvas

if TYPE_CHECKING:
    from impasto.runtime import Engine, Result, Run, Step

Shape = Callable[[tuple[int, int]], str]
"""Says how large something of (height, width) is."""


def pixels(size: tuple[int, int]) -> str:
    """What is said of a picture's (height, width)."""
    height, width = size
    return f"{width} x {height} pixels"


class Lines:
    """A line on stderr for every scale and every tenth of the work."""

    broken: str | None = None
    """Why events cannot be written any more; None while they can."""

    _run: Run

    def __init__(self, shape: Shape = pixels) -> None:
        self._told, self._shape = (0, 0), shape
        self._first: Step | None = None

    def start(self, engine: Engine, run: Run) -> None:
        """Say what will be done."""
        from impasto.runtime import show_bytes

        self._run = run
        say(
            f"painting {self._shape(run.size)} on {engine.device}, seed {run.seed}; "
            f"memory: about {show_bytes(run.memory)}"
        )

    def step(self, step: Step) -> None:
        """Say how far it is."""
        reached = (step.scale, int(step.fraction * 10))
        if reached == self._told:
            return
        self._told = reached
        say(f"{step.fraction:.0%}, {self._left(step)} left: {_describe(step)}")

    def _left(self, step: Step) -> str:
        """The time that the rest takes, by that since the first step."""
        first = self._first = self._first or step
        done = step.fraction - first.fraction
        if done:
            return duration((step.seconds - first.seconds) * (1 - step.fraction) / done)
        return duration((self._run.expected or step.seconds) - step.seconds)

    def done(self, output: str, result: Result) -> None:
        """Say what came of it."""
        height, width, _ = result.image.shape
        say(
            f"{output}: {self._shape((height, width))}, loss {result.loss:.4g} after iteration "
            f"{result.iterations} and {result.seconds:.1f} s"
        )


class Bar(Lines):
    """One line on a terminal, and the picture above it if that is wanted."""

    def __init__(self, canvas: Canvas | None = None, shape: Shape = pixels) -> None:
        super().__init__(shape)
        self._canvas, self._drawn = canvas, -math.inf

    def start(self, engine: Engine, run: Run) -> None:
        """Say what will be done, and show the first image."""
        super().start(engine, run)
        if self._canvas:
            self._canvas.reserve(run.size)
            self._draw()

    def step(self, step: Step) -> None:
        """Move the bar; draw at most once a second."""
        if self._canvas and time.monotonic() - self._drawn >= 1:
            self._draw()
        where = f"scale {step.scale}/{step.scales}, {step.iteration}/{step.iterations}"
        left = f"{self._left(step)} left"
        show(f"{bar(step.fraction)} {left:>14}  {where:<18} loss {step.loss:.4g}")

    def done(self, output: str, result: Result) -> None:
        """Show the last picture, and say what came of it."""
        if self._canvas:
            self._draw()
        super().done(output, result)

    def _draw(self) -> None:
        assert self._canvas
        self._canvas.draw(self._run.result().to_pil())
        self._drawn = time.monotonic()


class Silence(Lines):
    """Nothing at all."""

    def start(self, engine: Engine, run: Run) -> None:
        """Say nothing."""

    def step(self, step: Step) -> None:
        """Say nothing."""

    def done(self, output: str, result: Result) -> None:
        """Say nothing."""


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
        if not self.broken:
            self.broken = emit(event)


@contextmanager
def reporter(files: Mapping[str, Any], shape: Shape = pixels) -> Iterator[Lines]:
    """What suits the options and the kind of stderr.

    Raises:
        ImpastoError: a preview without a terminal.
    """
    from impasto.runtime import Field, ImpastoError

    preview = files.get("preview")
    if preview and not has_terminal():
        raise ImpastoError(Field("preview"), " draws on a terminal, and stderr is none here")
    with cleared():
        if preview and not files.get("json"):
            yield Bar(find_canvas(), shape)
        else:
            yield suited(files, JsonLines(), Silence(), Bar(shape=shape), Lines(shape))


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
