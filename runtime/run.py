"""A run: the loop of step graph and optimiser, scale after scale."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .errors import DivergenceError
from .image import Picture, from_tensor, resize, scaled_size, to_tensor, write_image
from .manifest import Preset
from .optimiser import make_optimiser
from .session import Graphs, Value, fix

RETRIES = 8
SHORTER = 0.3
STALLED = 1e-7
"""Relative change of the loss below which an iteration did nothing."""
PATIENCE = 5
"""So many idle iterations restart the optimiser; as many again end the scale."""

Stopped = Literal["finished", "converged", "cancelled", "deadline"]


@dataclass(frozen=True)
class Plan:
    """What a run does, checked."""

    content: Picture | None
    styles: list[Picture]
    shares: list[float]
    init: Picture | Literal["content", "noise"]
    seed: int
    size: int
    preset: Preset
    weights: list[float]
    """Of the manifest's terms, in their order."""


@dataclass(frozen=True)
class Step:
    """One iteration. ``loss`` is the weighted sum of ``terms``, which are not weighted."""

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
        self._best: _Point | None = None
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
            level = Level(self._graphs, self._plan, size)
            for iteration, point in enumerate(level.descend(self._picture, count)):
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

    def _start(self, height: int, width: int) -> Picture:
        init = self._plan.init
        if isinstance(init, str) and init == "noise":
            noise = np.random.default_rng(self._plan.seed)
            return noise.random((height, width, 3), np.float32)
        source = self._plan.content if isinstance(init, str) else init
        assert source is not None
        return resize(source, height, width)


@dataclass(frozen=True)
class _Point:
    """An image on the device with its loss."""

    image: Value
    gradient: Value
    loss: float
    terms: dict[str, float]
    size: tuple[int, int]


class Level:
    """One scale: targets, step graph and optimiser at one size."""

    def __init__(self, graphs: Graphs, plan: Plan, size: tuple[int, int]) -> None:
        self._graphs, self._plan, self._size = graphs, plan, size
        self._manifest = manifest = graphs.bundle.manifest
        self._multiple = manifest.alignment
        self._padded = tuple(-(-side // self._multiple) * self._multiple for side in size)
        self._inputs = self._targets()
        self._inputs["weights"] = graphs.device.upload(np.array(plan.weights, np.float32))
        self._step = graphs.get(manifest.poolings[plan.preset.pooling].step, *self._padded)
        self._optimiser = make_optimiser(graphs, plan.preset, *self._padded)

    def descend(self, picture: Picture, iterations: int) -> Iterator[_Point]:
        """The first image's point, then one for each iteration.

        Raises:
            DivergenceError: no step, however short, gives a finite loss that does not explode.
        """
        point = self._evaluate(self._graphs.device.upload(to_tensor(picture, self._multiple)))
        if not math.isfinite(point.loss):
            raise DivergenceError(f"the first image's loss is {point.loss}", picture)
        yield point
        idle, restarted = 0, False
        for _ in range(iterations):
            following = self._advance(point)
            stalled = abs(point.loss - following.loss) <= STALLED * point.loss
            idle, restarted = idle + stalled if stalled else 0, restarted and stalled
            point = following
            yield point
            if idle == PATIENCE:
                if restarted or not self._optimiser.restart():
                    return
                idle, restarted = 0, True

    def _advance(self, point: _Point) -> _Point:
        step = 1.0
        for attempt in range(RETRIES + 1):
            image = self._optimiser.propose(point.image, point.gradient, step)
            following = self._evaluate(image)
            if following.loss <= self._optimiser.tolerance * point.loss:  # so it is a number
                self._optimiser.accept(point.image, point.gradient)
                return following
            step *= SHORTER
            if attempt == RETRIES // 2 and self._optimiser.restart():
                step = 1.0
        raise DivergenceError(
            f"the loss went from {point.loss:.6g} to {following.loss:.6g} and no shorter step "
            "helped: try smaller weights, or the other optimizer",
            from_tensor(point.image.numpy(), *self._size),
        )

    def _evaluate(self, image: Value) -> _Point:
        out = self._step.run({"image": image, **self._inputs}, to_host=("loss", "terms"))
        names = (term.name for term in self._manifest.terms)
        terms = dict(zip(names, out["terms"].numpy().tolist(), strict=True))
        return _Point(image, out["gradient"], float(out["loss"].numpy()), terms, self._size)

    def _targets(self) -> dict[str, Value]:
        """What every term that has a target compares with; zeros where no picture is given."""
        plan, found = self._plan, {}
        pictures: list[tuple[str, float, Picture]] = [
            ("style", share, _same_area(style, self._size))
            for share, style in zip(plan.shares, plan.styles, strict=True)
        ]
        if plan.content is not None:
            pictures.append(("content", 1.0, resize(plan.content, *self._size)))
        for term in self._manifest.terms:
            if term.shape is not None:
                found[term.name] = np.zeros(fix(term.shape, *self._padded), np.float32)
        for role, share, picture in pictures:
            described = self._describe(picture)
            for term in self._manifest.terms:
                if term.target == role:
                    found[term.name] += np.float32(share) * described[term.name].numpy()
        return {name: self._graphs.device.upload(array) for name, array in found.items()}

    def _describe(self, picture: Picture) -> dict[str, Value]:
        tensor = to_tensor(picture, self._multiple)
        files = self._manifest.poolings[self._plan.preset.pooling]
        graph = self._graphs.get(files.describe, *tensor.shape[2:])
        return graph.run({"image": self._graphs.device.upload(tensor)}, to_host=graph.outputs)


def _same_area(picture: Picture, size: tuple[int, int]) -> Picture:
    """A style in its own proportions with as many pixels as a size has."""
    height, width = picture.shape[:2]
    factor = math.sqrt(size[0] * size[1] / (height * width))
    return resize(picture, max(16, round(height * factor)), max(16, round(width * factor)))


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
