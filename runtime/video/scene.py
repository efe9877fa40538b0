"""The frames of a scene, painted one after another: what each begins as, and what holds it.

Ruder, Dosovitskiy & Brox, "Artistic Style Transfer for Videos" (2016): sections 3.1 (start), 3.2
(temporal loss), 3.3 (long-term references) and 3.4 (passes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.engine import Engine
from impasto.runtime.errors import DivergenceError
from impasto.runtime.inputs import Inputs
from impasto.runtime.pictures.color import lightness_gray
from impasto.runtime.pictures.image import Picture
from impasto.runtime.planning.plan import Plan
from impasto.runtime.results.result import Step
from impasto.runtime.run import Run

from .course import TARGET, WEIGHT, Course
from .flow import Gray, Weight, flow_between, fold, gray, reliable, warp_picture

BEFORE = (1, 2, 4)
"""Frames before this one that it is held to, the nearest first."""
CUT = 0.25
"""With less of a frame reliable, it is another scene's: real cuts have at most 0.10, motion has at
least 0.47."""
BLEND = 0.5
"""Of the neighbour, in what a frame begins as in a further pass; the paper's."""
DEEP = np.float32(65535)

OnStep = Callable[[Step, Run], object]


class Source(Protocol):
    """Frames of a video by their number, at the size in which they are painted."""

    def __call__(self, number: int, /) -> Picture:
        """Give one of them."""


class Kept(Protocol):
    """Frames that are painted, by pass and number."""

    def load(self, turn: int, number: int) -> Picture | None:
        """One; None: it is not painted yet."""

    def save(self, turn: int, number: int, picture: Picture) -> None:
        """Keep one."""


class Painter:
    """Paints frames with one engine; sessions and styles are kept between them."""

    def __init__(
        self, engine: Engine, course: Course, styles: Sequence[NDArray[np.float32]]
    ) -> None:
        self.engine, self.course = engine, course
        self._styles = list(styles)
        self._run: Run | None = None  # its sessions stay open until the next run has them

    def still(self, content: Picture, on_step: OnStep | None = None) -> Picture:
        """A frame that follows none.

        Raises:
            DivergenceError: the settings do not work.
        """
        return rounded(self._painted(self.course.still, content, None, None, on_step))

    def following(
        self,
        content: Picture,
        start: Picture,
        target: tuple[Picture, Weight] | None,
        on_step: OnStep | None = None,
    ) -> Picture:
        """A frame that begins as ``start`` and is held to a target."""
        maps = None
        if target is not None:
            picture, weight = target
            if self.course.still.settings.color == "content":  # its lightness alone is painted
                picture = lightness_gray(picture)
            maps = {TARGET: picture, WEIGHT: weight}
        try:
            return rounded(self._painted(self.course.following, content, start, maps, on_step))
        except DivergenceError as error:  # of one frame: those before and after it are wanted
            return rounded(error.picture)

    def _painted(
        self,
        plan: Plan,
        content: Picture,
        start: Picture | None,
        maps: Mapping[str, NDArray[np.float32]] | None,
        on_step: OnStep | None,
    ) -> Picture:
        engine = self.engine
        inputs = Inputs.of(content, self._styles, start)
        reservation = engine.runs.reserve(plan, engine.machine)
        run = engine.runs.begin(inputs, plan, engine.machine, reservation, maps)
        for step in run:
            self._run = run
            if on_step:
                on_step(step, run)
        return run.image


def rounded(picture: Picture) -> Picture:
    """To 16 bits, correctly: what is read of its file again is the same."""
    return np.asarray(np.rint(picture.clip(0, 1) * DEEP), np.float32) / DEEP


def is_cut(before: Gray, after: Gray) -> bool:
    """Whether a frame shows something else than the one before it."""
    weight = reliable(flow_between(after, before), flow_between(before, after))
    return bool(weight.mean() < CUT)


def paint_scene(
    painter: Painter,
    source: Source,
    numbers: range,
    passes: int,
    kept: Kept,
    on_step: OnStep | None = None,
) -> Iterator[tuple[int, int]]:
    """Paint all frames of a scene that are not kept yet; gives pass and number of each."""
    for turn in range(passes):
        order = numbers if turn % 2 == 0 else numbers[::-1]
        for place, number in enumerate(order):
            if kept.load(turn, number) is not None:
                continue
            near = [order[place - back] for back in BEFORE if place >= back]
            content = source(number)
            own = kept.load(turn - 1, number) if turn else None
            references = list(_references(source, content, near, turn, kept))
            picture = _frame(painter, content, own, references, on_step)
            kept.save(turn, number, picture)
            yield turn, number


def _frame(
    painter: Painter,
    content: Picture,
    own: Picture | None,
    references: list[tuple[Picture, Weight]],
    on_step: OnStep | None,
) -> Picture:
    """``own``: what the last pass made of it."""
    if not references:
        if own is None:
            return painter.still(content, on_step)
        return painter.following(content, own, None, on_step)
    target, weight = fold(references)
    start = beginning(content, target, weight, own)
    return painter.following(content, start, (target, weight), on_step)


def beginning(content: Picture, target: Picture, weight: Weight, own: Picture | None) -> Picture:
    """What a frame begins as."""
    share = weight[:, :, None]
    if own is not None:
        return np.asarray(own + BLEND * share * (target - own), np.float32)
    return target


def _references(
    source: Source, content: Picture, near: list[int], turn: int, kept: Kept
) -> Iterator[tuple[Picture, Weight]]:
    """Painted frames moved to where their things are now, and how far to trust them."""
    now = gray(content)
    for number in near:
        then = gray(source(number))
        back, forth = flow_between(now, then), flow_between(then, now)
        painted = kept.load(turn, number)
        assert painted is not None
        yield warp_picture(painted, back), reliable(back, forth)
