"""What will be done of a video: Settings of its frames, and the plans made of them.

A scene's first frame is painted as a still. Each that follows begins as the one before it, moved
along the flow, at one scale, and is held to it by the term ``temporal``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from impasto.runtime import records
from impasto.runtime.bundle.manifest import Manifest, Objective
from impasto.runtime.errors import Field, SettingError
from impasto.runtime.planning.make import make_plan
from impasto.runtime.planning.plan import Plan
from impasto.runtime.planning.sizes import Size, Sizes, result_size, scale_sizes
from impasto.runtime.settings import Settings, resolve

TEMPORAL = "temporal"
"""The head's name; its inputs are TARGET and WEIGHT."""
TARGET, WEIGHT = f"{TEMPORAL}.target", f"{TEMPORAL}.weight"


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a video's frames are painted; all of one size."""

    still: Plan
    """Of the first frame of a scene."""
    following: Plan
    """Of those after it, and of further passes."""

    @property
    def size(self) -> Size:
        """(height, width) of all frames."""
        return self.still.size

    def work(self, frames: int, scenes: int, passes: int) -> float:
        """Pixels that all evaluations compute, as in Plan."""
        return scenes * self.still.work + (frames * passes - scenes) * self.following.work

    def to_json(self) -> str:
        """One line; ``from_json`` gives back the same Course."""
        return records.to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Course:
        """The Course of a text. RecordError: it is none."""
        return records.from_json(cls, text, "course")


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """(height, width) of what goes in, and whether sides must be even."""

    video: Size
    styles: tuple[Size, ...]
    even: bool


def make_course(
    manifest: Manifest,
    given: Mapping[str, Any],
    shapes: Shapes,
    *,
    temporal_weight: float,
    frame_iterations: int,
    memory: int,
) -> Course:
    """Of Settings' fields as a user gives them.

    Raises:
        SettingError: a value makes no sense, or makes none in a video.
    """

    def resolved(found: Mapping[str, Any]) -> Settings:
        return resolve(manifest, found, content=True, styles=len(shapes.styles), image=False)

    still = resolved(given)
    if still.color == "match":
        raise SettingError("color", "match", "each frame would have its own: say style or content")
    if still.alpha == "keep":
        raise SettingError("alpha", "keep", "a video is not transparent: leave it out")
    objective = with_temporal(manifest, still)
    weights = {TEMPORAL: temporal_weight, **still.weights}
    found = {**given, "objective": objective, "weights": weights}
    still = resolved(found)
    least = manifest.encoder.alignment
    scale_sizes(still, shapes.video, least)
    size = result_size(still, shapes.video)
    if shapes.even:
        size = _even(size[0]), _even(size[1])
    still = replace(still, size=None, megapixels=None, height=size[0], width=size[1])
    following = replace(
        still,
        init="image",
        init_noise=None,
        min_size=max(size),
        quality="normal",
        iterations=frame_iterations,
    )
    sizes = Sizes(content=size, styles=shapes.styles)
    return Course(
        still=make_plan(manifest, still, sizes, memory),
        following=make_plan(manifest, following, replace(sizes, image=size), memory),
    )


def with_temporal(manifest: Manifest, settings: Settings) -> str:
    """The objective that has the terms of the settings', and the temporal one.

    Raises:
        SettingError: the bundle has none, or not with this pooling.
    """
    objectives = manifest.objectives
    wanted = _terms(objectives[settings.objective]) | {TEMPORAL}
    for name, objective in objectives.items():
        if _terms(objective) == wanted and settings.pooling in objective.poolings:
            return name
    there = [name for name, found in objectives.items() if TEMPORAL in _terms(found)]
    what = f"only {', '.join(there)} of this bundle" if there else "no objective of this bundle"
    raise SettingError(
        "preset",
        settings.preset,
        f"{what} can follow other frames, none with the terms of {settings.objective} and "
        f"{settings.pooling} pooling: choose another, or `impasto export --head {TEMPORAL}` makes "
        "a bundle for ",
        Field("model"),
    )


def _terms(objective: Objective) -> set[str]:
    return {term.name for term in objective.terms}


def _even(side: int) -> int:
    return max(2, 2 * round(side / 2))
