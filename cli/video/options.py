"""What the command ``video`` can be told, beside Settings and Machine."""

from __future__ import annotations

import mimetypes
import os
from dataclasses import dataclass
from typing import ClassVar, Literal

from impasto.runtime import VideoOrder, setting

VIDEO = ("video",)
COSTS = ("video", "estimate")
MORE = (".mkv", ".webm", ".m4v", ".ts", ".mts", ".m2ts", ".ogv", ".flv")
"""Suffixes that not every system knows."""
_DEFAULTS = {
    name: VideoOrder.__dataclass_fields__[name].default
    for name in ("temporal_weight", "frame_iterations", "passes", "every", "jobs")
}


@dataclass(frozen=True, kw_only=True)
class Frames:
    """What goes in, what comes out, and how frames follow each other."""

    GROUP: ClassVar[Literal["looks"]] = "looks"

    video: str | None = setting("The video to paint.", None, commands=VIDEO, group="what")
    output: str | None = setting(
        "A .mp4, .webm, .mkv or .gif; or a folder, for pictures of 16 bits.",
        None,
        metavar="FILE|DIR",
        short="-o",
        none="there is none: give one",
        commands=VIDEO,
        group="output",
    )
    temporal_weight: float = setting(
        "Weight of what holds a frame to those before it: more is calmer.",
        _DEFAULTS["temporal_weight"],
        least=0,
        most=1e30,
        commands=COSTS,
    )
    frame_iterations: int = setting(
        "Iterations of a frame that follows another; the first of a scene has those of a picture.",
        _DEFAULTS["frame_iterations"],
        least=1,
        most=10_000,
        commands=COSTS,
        group="time",
    )
    passes: int = setting(
        "Times that all frames are painted: the second backwards, the third forwards, and so on.",
        _DEFAULTS["passes"],
        least=1,
        most=100,
        commands=COSTS,
        group="time",
    )
    every: float = setting(
        "Paint one frame of so long; 0: all.",
        _DEFAULTS["every"],
        unit="seconds",
        least=0,
        most=86400,
        metavar="SECONDS",
        commands=COSTS,
        group="time",
    )
    jobs: int = setting(
        "Scenes that are painted at the same time, each by a process.",
        _DEFAULTS["jobs"],
        least=1,
        most=256,
        commands=VIDEO,
        group="machine",
    )
    no_sound: bool = setting("Leave the sound out.", False, commands=VIDEO, group="output")
    live: str | None = setting(
        "A picture that shows what is painted now.",
        None,
        metavar="FILE",
        none="none",
        commands=VIDEO,
        group="output",
    )


def is_video(path: str | None) -> bool:
    """Whether a name is that of a video's file."""
    kind = mimetypes.guess_type(path or "")[0] or ""
    return kind.startswith("video/") or os.path.splitext(path or "")[1].lower() in MORE
