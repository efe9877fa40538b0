"""The loop: Gatys, Ecker & Bethge 2016, section 2.3, from coarse to fine.

At every scale the image follows the gradient of the content and the style loss, iteration by
iteration; each scale begins with its own photograph, changed as the coarser one was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .bundle.manifest import Term
from .errors import DivergenceError
from .graphs.pool import Graphs, RunGraphs
from .graphs.session import Termination
from .inputs import Pictures
from .level import Level, named
from .maps import Maps, map_names
from .objective import Point
from .optimizers import Memory
from .pictures.image import Picture, from_tensor
from .planning.plan import Plan
from .state import State

RETRIES, SHORTER = 8, 0.3
"""So often a step that makes the loss too large is tried again, so much shorter each time."""
STALLED = 1e-7
"""Relative change of the loss below which an iteration did nothing."""
RESOLUTION = 1e-3
"""Of the canvas' range: a quarter of an 8-bit level. Where the loss grows although no pixel
moves so far, the image is a minimum as far as float32 can tell."""
PATIENCE = 5
"""So many idle iterations restart the optimizer; as many again end the scale."""


class Loop:
    """Everything of a run that does not change; ``start`` and ``advance`` make its states."""

    def __init__(self, graphs: Graphs, plan: Plan, pictures: Pictures) -> None:
        self.plan: Plan = plan
        self.pictures: Pictures = pictures
        self.termination: Termination = Termination()
        self.graphs: RunGraphs = graphs.of_run(round(plan.work), self.termination)
        self._level: Level | None = None

    def start(self, maps: Maps | None = None) -> State:
        """The first image of the coarsest scale, evaluated.

        Raises:
            DivergenceError: its loss is not a number.
        """
        return self._begin(0, self.pictures.start(self.plan.scales[0].size), maps or {})

    def is_done(self, state: State) -> bool:
        """Whether the last scale is."""
        return state.memory is None and state.scale + 1 == len(self.plan.scales)

    def advance(self, state: State) -> State:
        """One accepted iteration; once a scale is done, the first of the next one.

        Raises:
            DivergenceError: no step, however short, gives a loss that does not explode.
        """
        state = self._next_scale(state) if state.memory is None else self._renewed(state)
        level, before = self.level, state.point.loss
        slot = level.free_slot(state)
        for memory, step in self._tries(state):
            proposal = level.optimizer.propose(memory, state.point, step, into=slot.image)
            point = level.evaluate(slot)
            if point.loss <= before + level.optimizer.tolerance * abs(before):  # so it is a number
                memory = level.optimizer.accept(memory, state.point, proposal)
                return self._accepted(replace(state, memory=memory), point)
        if math.isfinite(point.loss) and level.distance(point, state.point) < RESOLUTION:
            return self._ended(replace(state, iteration=state.iteration + 1, converged=True))
        raise DivergenceError(
            f"the loss went from {before:.6g} to {point.loss:.6g} and no shorter step helped: "
            "try smaller weights, a smaller learning rate, or the other optimizer",
            self.pictures.shown(level.image(state.point)),
        )

    def _tries(self, state: State) -> Iterator[tuple[Memory, float]]:
        """The optimizer's memory with shorter and shorter steps, then none of it with such."""
        memory = state.memory
        assert memory is not None
        if not memory.fresh:
            yield from ((memory, SHORTER**k) for k in range(RETRIES // 2 + 1))
            memory = self.level.optimizer.start()
        yield from ((memory, SHORTER**k) for k in range(RETRIES + 1))

    def _accepted(self, state: State, point: Point) -> State:
        """The state with a new point, and what follows from how much the loss changed."""
        change = abs(state.point.loss - point.loss)
        stalled = change <= STALLED * abs(state.point.loss)
        state = replace(
            state,
            point=point,
            best=point if point.loss < state.best.loss else state.best,
            average=self._averaged(state, point),
            iteration=state.iteration + 1,
            iterations=state.iterations + 1,
            idle=state.idle + 1 if stalled else 0,
            restarted=state.restarted and stalled,
        )
        assert state.memory is not None
        if state.idle == PATIENCE:
            if state.restarted or state.memory.fresh:
                return self._ended(replace(state, converged=True))
            fresh = self.level.optimizer.start()
            state = replace(state, idle=0, restarted=True, memory=fresh)
        if state.iteration == self.plan.scales[state.scale].iterations:
            return self._ended(state)
        return state

    def _next_scale(self, state: State) -> State:
        """The next scale's first image: its start, changed as the coarser one was."""
        coarse, fine = (self.plan.scales[state.scale + i].size for i in (0, 1))
        image = self.pictures.refined(self.image(state), coarse, fine)
        return self._begin(state.scale + 1, image, state.maps, state.iterations)

    def _begin(self, scale: int, image: Picture, maps: Maps, iterations: int = 0) -> State:
        level = self.open(scale, maps)
        slot = level.fill(image)
        matches = level.match(slot.image)
        point = level.evaluate(slot)
        if not math.isfinite(point.loss):
            raise DivergenceError(level.explain(point), self.pictures.shown(image))
        memory = level.optimizer.start()
        return State(
            scale=scale,
            iteration=0,
            iterations=iterations,
            point=point,
            best=point,
            first=point.terms,
            memory=memory,
            average=self._first_average(scale, point),
            matches=matches,
            maps=maps,
        )

    def image(self, state: State) -> Picture:
        """The best image of the state's scale, or the average, (height, width, channels).

        Whatever scale is open: a run may be ended while the next one is opened.
        """
        found = state.best.image.numpy() if state.average is None else state.average
        return from_tensor(found, *self.plan.scales[state.scale].size)

    def _first_average(self, scale: int, point: Point) -> NDArray[np.float32] | None:
        if not self.plan.settings.averaging or self.plan.scales[scale].optimizer != "adam":
            return None
        first: NDArray[np.float32] = point.image.numpy().copy()
        return first

    def _averaged(self, state: State, point: Point) -> NDArray[np.float32] | None:
        """The scale's images, the latest weighing most: Kingma & Ba 2015, section 7.2."""
        if state.average is None:
            return None
        decay, count = self.plan.settings.averaging, state.iteration + 2  # with the first image
        share = np.float32((1 - decay) / (1 - decay**count))
        average: NDArray[np.float32] = state.average + share * (point.image.numpy() - state.average)
        return average

    def _ended(self, state: State) -> State:
        """The state of a scale that is done: the average, if there is one, is its image."""
        state = replace(state, memory=None)
        if state.average is None:
            return state
        slot = self.level.free_slot(state)
        slot.image.update_inplace(state.average)
        point = self.level.evaluate(slot)
        return replace(state, point=point, best=point)

    def named(self, values: Sequence[float] | NDArray[np.float32]) -> dict[str, float]:
        """The terms whose weight is not 0, by name."""
        return named(self._terms, self.plan.weights, values)

    def check_maps(self, maps: Maps) -> None:
        """Raise the SettingError that beginning with these maps would end in."""
        map_names(self._terms, maps)

    def with_maps(self, state: State, maps: Maps) -> State:
        """The state with new regions or given maps: its image evaluated anew, nothing remembered.

        Raises:
            SettingError: no term takes such a map.
        """
        maps, level = {**state.maps, **maps}, self.level
        level.set_maps(maps)
        if state.memory is None:
            return replace(state, maps=maps)
        return replace(self._anew(state), maps=maps)

    def _anew(self, state: State) -> State:
        """The state with its image evaluated again, nothing remembered."""
        slot = self.level.free_slot(state)  # ended meanwhile, it would leave a spoilt gradient
        slot.image.update_inplace(state.point.image.numpy())
        point, memory = self.level.evaluate(slot), self.level.optimizer.start()
        return replace(state, point=point, best=point, memory=memory, idle=0)

    def _renewed(self, state: State) -> State:
        """The state; halfway through a scale with the neighbours of its image now, if any."""
        half = self.plan.scales[state.scale].iterations // 2
        if not (0 < half == state.iteration and self.level.matches):
            return state
        matches = self.level.match(state.point.image)
        return replace(self._anew(state), matches=matches)

    def open(self, scale: int, maps: Maps) -> Level:
        """A scale, instead of the one that was open."""
        self._level = None  # what it holds must be free before the next one takes its own
        self._level = Level(self.graphs, self.plan, self.pictures, scale, maps)
        return self._level

    @property
    def _terms(self) -> tuple[Term, ...]:
        return self.graphs.bundle.manifest.objectives[self.plan.settings.objective].terms

    @property
    def level(self) -> Level:
        """What the latest state's scale computes with."""
        assert self._level is not None
        return self._level
