"""A state as numbers and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.level import Level
from impasto.runtime.objective import Point
from impasto.runtime.optimizers import Optimizer
from impasto.runtime.state import State

MATCH = "match."
"""Before the names of neighbours."""
MAP = "map."
"""Before the names of the caller's maps."""
Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Where:
    """A State's numbers. ``losses`` are of the points whose arrays follow; the rest are indices."""

    scale: int
    iteration: int
    iterations: int
    idle: int
    restarted: bool
    converged: bool
    losses: tuple[float, ...]
    point: int
    best: int
    previous: int | None
    memory: bool


def pack(state: State, optimizer: Optimizer | None) -> tuple[Where, Arrays]:
    """A state's numbers and arrays. Points that share a slot are one."""
    previous = state.memory.previous if state.memory else None
    points: list[Point] = []
    for point in (state.point, state.best, previous):
        if point is not None and all(point.slot is not other.slot for other in points):
            points.append(point)
    places = {id(point.slot): i for i, point in enumerate(points)}
    arrays: Arrays = {"first": state.first}
    for i, point in enumerate(points):
        arrays |= {
            f"image_{i}": point.image.numpy(),
            f"gradient_{i}": point.gradient.numpy(),
            f"terms_{i}": point.terms,
        }
    if state.memory is not None:
        assert optimizer is not None
        packed = optimizer.pack(state.memory)
        arrays |= {f"memory.{name}": array for name, array in packed.items()}
    if state.average is not None:
        arrays["average"] = state.average
    arrays |= {f"{MATCH}{name}": places for name, places in state.matches.items()}
    arrays |= maps_of(state.maps)
    where = Where(
        losses=tuple(point.loss for point in points),
        point=places[id(state.point.slot)],
        best=places[id(state.best.slot)],
        previous=None if previous is None else places[id(previous.slot)],
        memory=state.memory is not None,
        **state.numbers(),
    )
    return where, arrays


def unpack(where: Where, arrays: Arrays, level: Level) -> State:
    """The state, its images on the device."""
    matches = part(arrays, MATCH)
    level.set_matches(matches)
    points = []
    for i, loss in enumerate(where.losses):
        slot = level.slot(i)
        slot.image.update_inplace(arrays[f"image_{i}"])
        slot.gradient.update_inplace(arrays[f"gradient_{i}"])
        points.append(Point(slot, loss, arrays[f"terms_{i}"]))
    previous = None if where.previous is None else points[where.previous]
    memory = None
    if where.memory:
        memory = level.optimizer.unpack(part(arrays, "memory."), previous)
    return State(
        scale=where.scale,
        iteration=where.iteration,
        iterations=where.iterations,
        point=points[where.point],
        best=points[where.best],
        first=arrays["first"],
        memory=memory,
        average=arrays.get("average"),
        matches=matches,
        idle=where.idle,
        restarted=where.restarted,
        converged=where.converged,
        maps=part(arrays, MAP),
    )


def maps_of(maps: Mapping[str, NDArray[np.float32]]) -> Arrays:
    """The caller's, as they are kept."""
    return {f"{MAP}{name}": np.asarray(array, np.float32) for name, array in maps.items()}


def part(arrays: Mapping[str, NDArray[np.float32]], prefix: str) -> Arrays:
    """Those whose names begin so, without that."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
