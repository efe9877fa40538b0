"""What a video is to be: files by their paths, settings, and how its frames follow each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from .course import Course

TEMPORAL_WEIGHT = 4000.0
"""See docs/video.md for how it was chosen."""
FRAME_ITERATIONS = 15


@dataclass(frozen=True, kw_only=True)
class VideoOrder:
    """What is to be painted of what; files by their paths."""

    source: str
    styles: tuple[str, ...]
    output: str
    """A .mp4, .webm, .mkv or .gif, or a folder for pictures."""
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of Settings."""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """Fields of Machine."""
    temporal_weight: float = TEMPORAL_WEIGHT
    frame_iterations: int = FRAME_ITERATIONS
    passes: int = 1
    every: float = 0.0
    jobs: int = 1
    no_sound: bool = False
    overwrite: bool = False
    live: str | None = None
    """A picture's file that shows what is painted now."""


@dataclass(frozen=True, kw_only=True)
class VideoProgress:
    """How far a video is."""

    stage: Literal["survey", "paint", "write", "done"]
    frames: int
    """Of all passes; in a survey, those seen so far."""
    done: int
    scenes: int
    size: tuple[int, int]
    left: float | None
    """Seconds for the rest, about; None: not known yet."""


@dataclass(frozen=True, kw_only=True)
class VideoEstimate:
    """What a video will cost, on this machine as busy as it is now."""

    seconds: float
    memory: int
    disk: int
    """Bytes in the folder beside the output."""
    frames: int
    scenes: int
    course: Course
