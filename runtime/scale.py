"""One scale of a run: its targets, and steps of the step graph and the optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .errors import DivergenceError
from .image import Picture, from_tensor, resize, to_tensor
from .manifest import Preset, fix
from .optimiser import make_optimiser
from .session import Graphs, Value

RETRIES = 8
SHORTER = 0.3
STALLED = 1e-7
"""Relative change of the loss below which an iteration did nothing."""
PATIENCE = 5
"""So many idle iterations restart the optimiser; as many again end the scale."""


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
class Point:
    """An image on the device with its loss."""

    image: Value
    gradient: Value
    loss: float
    terms: dict[str, float]
    size: tuple[int, int]


class Scale:
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

    def descend(self, picture: Picture, iterations: int) -> Iterator[Point]:
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

    def _advance(self, point: Point) -> Point:
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

    def _evaluate(self, image: Value) -> Point:
        out = self._step.run({"image": image, **self._inputs}, to_host=("loss", "terms"))
        found = zip(self._manifest.terms, self._plan.weights, out["terms"].numpy(), strict=True)
        terms = {term.name: float(value) for term, weight, value in found if weight}
        return Point(image, out["gradient"], float(out["loss"].numpy()), terms, self._size)

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
