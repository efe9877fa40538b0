"""A run: the loop of step graph and optimiser, scale after scale."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .image import Picture, from_tensor, resize, scaled_size, write_image
from .manifest import Preset
from .scale import Plan, Point, Scale
from .session import Graphs

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


class Run:
    """Iterate for the steps. Nothing is computed before; leaving the loop stops the work."""

    def __init__(self, graphs: Graphs, plan: Plan) -> None:
        self._graphs, self._plan = graphs, plan
        self.sizes = _sizes(plan)
        """(height, width) of every scale, the coarsest first."""
        self._best: Point | None = None
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
        return self.sizes[-1]

    @property
    def seed(self) -> int:
        """Of the noise."""
        return self._plan.seed

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
            seed=self._plan.seed,
            stopped=self._stopped,
        )

    def _image(self) -> Picture:
        if self._best is not None:
            return from_tensor(self._best.image.numpy(), *self._best.size)
        return self._picture if self._picture is not None else self._start(*self.size)

    def _paint(self) -> Iterator[Step]:
        counts = [_iterations(self._plan.preset, left) for left in range(len(self.sizes))][::-1]
        work = [count * h * w for count, (h, w) in zip(counts, self.sizes, strict=True)]
        for scale, (size, count) in enumerate(zip(self.sizes, counts, strict=True)):
            self._picture = self._start(*size) if scale == 0 else resize(self._image(), *size)
            self._best = None
            descent = Scale(self._graphs, self._plan, size).descend(self._picture, count)
            for iteration, point in enumerate(descent):
                if self._best is None or point.loss < self._best.loss:
                    self._best = point
                if iteration == 0:
                    self._first = point.terms
                    continue
                self._iterations += 1
                done = sum(work[:scale]) + work[scale] * iteration / count
                yield Step(
                    scale=scale + 1,
                    scales=len(self.sizes),
                    size=size,
                    iteration=iteration,
                    iterations=count,
                    loss=point.loss,
                    terms=point.terms,
                    seconds=time.perf_counter() - self._started,
                    fraction=done / sum(work),
                    _image=self._image,
                )
        if iteration < count:
            self._stopped = "converged"

    def _start(self, height: int, width: int) -> Picture:
        init = self._plan.init
        if isinstance(init, str) and init == "noise":
            noise = np.random.default_rng(self._plan.seed)
            return noise.random((height, width, 3), np.float32)
        source = self._plan.content if isinstance(init, str) else init
        assert source is not None
        return resize(source, height, width)


def _sizes(plan: Plan) -> list[tuple[int, int]]:
    source = plan.content if plan.content is not None else plan.styles[0]
    sides = [plan.size]
    while sides[-1] // 2 >= plan.preset.coarsest:
        sides.append(sides[-1] // 2)
    height, width, _ = source.shape
    return [scaled_size(height, width, side) for side in reversed(sides)]


def _iterations(preset: Preset, coarser: int) -> int:
    """Of the scale so many steps coarser than the finest."""
    return preset.iterations[min(coarser, len(preset.iterations) - 1)]
