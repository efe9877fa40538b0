"""A run: the loop of step graph and optimiser, scale after scale."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .estimate import AROUND, expected_memory, expected_seconds
from .graphs.session import Graphs, OrtValue
from .objective import Point
from .pictures.image import Picture, from_tensor, resample, resize, write_image
from .plan import Plan
from .scale import Scale

Stopped = Literal["finished", "converged", "cancelled", "deadline"]


@dataclass(frozen=True)
class Step:
    """One iteration. ``loss`` is the weighted sum of ``terms``: all whose weight is not 0."""

    scale: int
    """From 1, the coarsest."""
    scales: int
    size: tuple[int, int]
    """(height, width) of this scale."""
    iteration: int
    """From 1, at this scale."""
    iterations: int
    loss: float
    terms: dict[str, float]
    seconds: float
    """Since the run started."""
    fraction: float
    """Share of the whole work that is done."""
    _image: Callable[[], Picture] = field(repr=False, compare=False)

    @property
    def image(self) -> Picture:
        """The picture now, (height, width, 3) float32 in [0, 1]; copied when asked for."""
        return self._image()


@dataclass(frozen=True)
class Result:
    """The picture, (height, width, 3) float32 RGB in [0, 1], and how it came about."""

    image: Picture = field(repr=False)
    loss: float
    terms: dict[str, float]
    initial_terms: dict[str, float]
    """The terms of the last scale's first image."""
    iterations: int
    seconds: float
    seed: int
    stopped: Stopped

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        """Write the picture atomically; the suffix says the format, ``parameters`` go into a PNG.

        Raises:
            ImageError: the file exists, or cannot be written.
        """
        write_image(self.image, path, overwrite=overwrite, parameters=parameters)


@dataclass(frozen=True)
class _Best:
    """The image of the least loss at a scale; its gradient is not kept."""

    image: OrtValue
    loss: float
    terms: dict[str, float]
    size: tuple[int, int]


class Run:
    """Iterate for the steps. Nothing is computed before; leaving the loop stops the work."""

    def __init__(self, graphs: Graphs, plan: Plan) -> None:
        self._graphs, self.plan = graphs, plan
        self.expected: float | None = None
        """Seconds for the whole; known with the first step."""
        self._best: _Best | None = None
        self._first: dict[str, float] = {}
        self._picture: Picture | None = None
        self._iterations = 0
        self._started = time.perf_counter()
        self._stopped: Stopped = "finished"
        self._steps = self._paint()

    def __iter__(self) -> Iterator[Step]:
        return self._steps

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the result."""
        return self.plan.stages[-1].size

    @property
    def seed(self) -> int:
        """Of the noise."""
        return self.plan.seed

    @property
    def memory(self) -> int:
        """Peak resident bytes of the process, as expected."""
        return expected_memory(self.plan)

    def finish(
        self,
        on_step: Callable[[Step], object] | None = None,
        cancel: Callable[[], bool] | None = None,
        deadline: float | None = None,
    ) -> Result:
        """Go on to the end, or until one of the two says stop; then ``result``."""
        for step in self:
            if on_step:
                on_step(step)
            if cancel and cancel():
                self._stopped = "cancelled"
                break
            if deadline is not None and step.seconds >= deadline:
                self._stopped = "deadline"
                break
        return self.result()

    def result(self) -> Result:
        """The best picture so far at the finest scale reached, in the final size."""
        point = self._best
        picture = self._image()
        if picture.shape[:2] != self.size:
            picture = resize(picture, *self.size)
        return Result(
            image=picture,
            loss=point.loss if point else math.nan,
            terms=point.terms if point else {},
            initial_terms=self._first,
            iterations=self._iterations,
            seconds=time.perf_counter() - self._started,
            seed=self.plan.seed,
            stopped=self._stopped,
        )

    def _image(self) -> Picture:
        if self._best is not None:
            return from_tensor(self._best.image.numpy(), *self._best.size)
        return self._picture if self._picture is not None else self._start(*self.size)

    def _paint(self) -> Iterator[Step]:
        done = 0.0
        for scale, stage in enumerate(self.plan.stages):
            self._picture = self._first_image(scale)
            self._best = None
            yield from self._descend(scale, done)
            done += stage.iterations * stage.work

    def _first_image(self, scale: int) -> Picture:
        """The coarser scale's result, or what it changed in a picture: so that stays as fine."""
        size = self.plan.stages[scale].size
        if scale and _is_noise(self.plan.init):
            return resize(self._image(), *size)
        start = self._start(*size)
        if scale:
            change = self._image() - self._start(*self.plan.stages[scale - 1].size)
            start += resample(change, *size)
        return start.clip(0, 1, out=start)

    def _descend(self, scale: int, done: float) -> Iterator[Step]:
        """A scale's iterations. What they hold on the device goes when they end."""
        stage, whole = self.plan.stages[scale], _work(self.plan)
        assert self._picture is not None
        painter = Scale(self._graphs, self.plan, stage)
        for iteration, point in enumerate(painter.descend(self._picture)):
            if painter.best is point:
                self._best = _Best(point.image, point.loss, self._named(point), stage.size)
                self._picture = None
            if iteration == 0:
                self._first, before = self._named(point), time.perf_counter()
                continue
            self._iterations += 1
            if self.expected is None:
                per_pixel = (time.perf_counter() - before) / stage.work / AROUND
                self.expected = expected_seconds(self.plan, per_pixel)
            yield Step(
                scale=scale + 1,
                scales=len(self.plan.stages),
                size=stage.size,
                iteration=iteration,
                iterations=stage.iterations,
                loss=point.loss,
                terms=self._named(point),
                seconds=time.perf_counter() - self._started,
                fraction=(done + iteration * stage.work) / whole,
                _image=self._image,
            )
        self._stopped = "converged" if iteration < stage.iterations else "finished"

    def _named(self, point: Point) -> dict[str, float]:
        """The terms whose weight is not 0, by name."""
        terms = self._graphs.bundle.manifest.objectives[self.plan.preset.objective].terms
        found = zip(terms, self.plan.weights, point.terms, strict=True)
        return {term.name: float(value) for term, weight, value in found if weight}

    def _start(self, height: int, width: int) -> Picture:
        init = self.plan.init
        if _is_noise(init):
            noise = np.random.default_rng(self.plan.seed)
            return noise.random((height, width, 3), np.float32)
        source = self.plan.content if isinstance(init, str) else init
        assert source is not None
        return resize(source, height, width)


def _is_noise(init: Picture | str) -> bool:
    return isinstance(init, str) and init == "noise"


def _work(plan: Plan) -> float:
    """Of all iterations."""
    return sum(stage.iterations * stage.work for stage in plan.stages)
