"""One scale of a run: its targets, and steps of the step graph and the optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .errors import DivergenceError
from .graphs.session import Graphs
from .objective import Objective, Point, Slot, make_objective
from .optimizers import make_optimiser
from .pictures.image import Picture, from_tensor, padded_size, resize, to_tensor
from .plan import Plan, Stage

RETRIES = 8
SHORTER = 0.3
STALLED = 1e-7
"""Relative change of the loss below which an iteration did nothing."""
PATIENCE = 5
"""So many idle iterations restart the optimiser; as many again end the scale."""


class Scale:
    """One scale: objective and optimiser at one size."""

    def __init__(self, graphs: Graphs, plan: Plan, stage: Stage) -> None:
        self._graphs, self._plan, self._stage, self._size = graphs, plan, stage, stage.size
        self._multiple = multiple = graphs.bundle.manifest.encoder.alignment[1]
        padded = padded_size(*stage.size, multiple)
        self._objective = self._of_size(*padded)
        self._objective.set_targets(self._targets(), plan.weights)
        self._optimiser = make_optimiser(graphs, plan.preset, stage, *padded)
        self._slots = self._objective.slots(self._optimiser.points + 2)  # the best, and the next
        self._recent: list[Point] = []

    def descend(self, picture: Picture) -> Iterator[Point]:
        """The first image's point, then one for each iteration.

        Raises:
            DivergenceError: no step, however short, gives a finite loss that does not explode.
        """
        first = self._slots[0]
        first.image.update_inplace(self._tensor(picture))
        self.best = point = self._objective.evaluate(first)
        if not math.isfinite(point.loss):
            raise DivergenceError(f"the first image's loss is {point.loss}", picture)
        del picture  # a huge one is worth a tenth of the memory
        yield point
        idle, restarted = 0, False
        for _ in range(self._stage.iterations):
            following = self._advance(point)
            stalled = abs(point.loss - following.loss) <= STALLED * point.loss
            idle, restarted = idle + stalled if stalled else 0, restarted and stalled
            point = following
            if point.loss < self.best.loss:
                self.best = point
            yield point
            if idle == PATIENCE:
                if restarted or not self._optimiser.restart():
                    return
                idle, restarted = 0, True

    def _advance(self, point: Point) -> Point:
        step, slot = 1.0, self._free(point)
        for attempt in range(RETRIES + 1):
            self._optimiser.propose(point.image, point.gradient, step, into=slot.image)
            following = self._objective.evaluate(slot)
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

    def _free(self, point: Point) -> Slot:
        """One that neither the optimiser nor the result needs."""
        self._recent = [*self._recent, point][-self._optimiser.points :]
        held = [point.slot for point in (*self._recent, self.best)]
        return next(slot for slot in self._slots if slot not in held)

    def _targets(self) -> dict[str, NDArray[np.float32]]:
        """What the given pictures are to the terms."""
        plan = self._plan
        found: dict[str, NDArray[np.float32]] = {}
        if plan.content is not None:
            found |= self._objective.describe(
                self._tensor(resize(plan.content, *self._size)), "content"
            )
        for share, style in zip(plan.shares, plan.styles, strict=True):
            tensor = self._tensor(_same_area(style, self._size))
            for name, means in self._of_size(*tensor.shape[2:]).describe(tensor, "style").items():
                found[name] = found.get(name, np.float32(0)) + np.float32(share) * means
        return found

    def _of_size(self, height: int, width: int) -> Objective:
        preset, tile = self._plan.preset, self._stage.tile_pixels
        return make_objective(self._graphs, preset.objective, preset.pooling, (height, width), tile)

    def _tensor(self, picture: Picture) -> NDArray[np.float32]:
        return to_tensor(picture, self._multiple)


def _same_area(picture: Picture, size: tuple[int, int]) -> Picture:
    """A style in its own proportions with as many pixels as a size has."""
    height, width = picture.shape[:2]
    factor = math.sqrt(size[0] * size[1] / (height * width))
    return resize(picture, max(16, round(height * factor)), max(16, round(width * factor)))
