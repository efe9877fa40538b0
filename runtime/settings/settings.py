"""Settings: what the picture shall be. No pictures, no paths, nothing of the machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Literal

from impasto.runtime import records
from impasto.runtime.errors import SettingError

from .fields import HEARD, LOSSES, SOUNDS, Group, check_excluded, describe, setting

Init = Literal["content", "noise", "gray", "style", "image"]
Color = Literal["style", "content", "match"]
Optimizer = Literal["lbfgs", "adam"]
Quality = Literal["draft", "normal", "high"]
Original = Literal["original"]
Alpha = Literal["white", "keep", "ignore"]

MIN_SIDE, MAX_SIDE = 16, 16384
"""Pixels."""
MAX_WEIGHT = 1e38  # float32 ends at 3e38
SIZES = ("size", "width", "height", "megapixels")
NAMED = {"preset", "objective", "pooling", "size"}
"""Fields that every version has written."""
STYLIZE = ("stylize", "batch", "gallery", "video", "estimate", "settings")
STYLED = (*STYLIZE, "compare")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every field resolved: the user's value, else the preset's, else the default here."""

    GROUP: ClassVar[Group] = "looks"

    preset: str = setting("Settings under a name.", "", metavar="NAME", commands=(*LOSSES, *SOUNDS))
    objective: str = setting("The set of loss terms.", "", metavar="NAME", commands=LOSSES)
    pooling: str = setting(
        "How the network pools: avg or max.", "", metavar="avg|max", commands=LOSSES
    )
    size: int | Original | None = setting(
        "Long side of the result; original: as large as the content.",
        512,
        unit="pixels",
        least=MIN_SIDE,
        most=MAX_SIDE,
        metavar="N|original",
        none="what width, height or megapixels say",
        excludes=("width", "height", "megapixels"),
    )
    width: int | None = setting(
        "Width of the result; with a height, too, the content is cropped around its middle.",
        None,
        unit="pixels",
        least=MIN_SIDE,
        most=MAX_SIDE,
        none="in proportion",
        excludes=("size", "megapixels"),
    )
    height: int | None = setting(
        "Height of the result.",
        None,
        unit="pixels",
        least=MIN_SIDE,
        most=MAX_SIDE,
        none="in proportion",
        excludes=("size", "megapixels"),
    )
    megapixels: float | None = setting(
        "Millions of pixels of the result, nearly.",
        None,
        least=0.001,
        most=MAX_SIDE**2 / 1e6,
        none="what size says",
        excludes=("size", "width", "height"),
    )
    min_size: int = setting(
        "Scales are size, size / 2, ... down to the last one whose long side is at least this.",
        64,
        unit="pixels",
        least=1,
        most=MAX_SIDE,
        group="time",
    )
    init: Init = setting(
        "The first image; style: the photograph with the style's colors; or a picture's file.",
        "content",
        commands=STYLIZE,
    )
    init_noise: float | None = setting(
        "Share of white noise in the first image.",
        None,
        least=0,
        most=1,
        none="1 for noise, else 0",
        commands=STYLIZE,
    )
    seed: int = setting("Seed of the noise.", 0, least=0, most=2**63 - 1, commands=HEARD)
    detail: float = setting(
        "How much of the photograph's finest detail each finer scale begins with: less paints "
        "with a broader brush.",
        1.0,
        least=0,
        most=1,
        commands=STYLIZE,
    )
    style_scale: float | None = setting(
        "Size of the strokes: of the style in units of the picture.",
        None,
        least=0.25,
        most=4,
        none="1, but no style is enlarged",
        commands=(*STYLED, "texture"),
    )
    color: Color = setting(
        "Whose colors: the style's, the content's (its lightness alone is painted), or match: the "
        "style's strokes in the content's colors.",
        "style",
        commands=STYLED,
    )
    color_strength: float = setting(
        "How far color goes: 1 is all the way, 0 leaves the style's colors.",
        1.0,
        least=0,
        most=1,
        commands=STYLED,
    )
    alpha: Alpha = setting(
        "Transparent pictures are laid on white; keep: the result is as transparent as the "
        "content, in formats that can be; ignore: colors are taken as they are stored.",
        "white",
        commands=LOSSES,
    )
    blend: tuple[float, ...] = setting(
        "Weight of a style beside the others, one for each; none are equal ones.",
        (),
        least=0,
        commands=(*STYLED, *SOUNDS),
    )
    content_weight: float = setting(
        "Weight of the content.", 1.0, least=0, most=MAX_WEIGHT, commands=(*STYLED, "sound")
    )
    style_weight: float = setting(
        "Weight of the style.", 1000.0, least=0, most=MAX_WEIGHT, commands=(*STYLED, "sound")
    )
    tv_weight: float = setting(
        "Weight of the total variation.", 0.0, least=0, most=MAX_WEIGHT, commands=LOSSES
    )
    weights: dict[str, float] = setting(
        "Weight of a head (means) or of one term (style.conv1_1), or a factor for all terms of "
        "a layer (conv1_1).",
        factory=dict,
        least=0,
        most=MAX_WEIGHT,
        metavar="NAME=W",
        commands=(*LOSSES, *SOUNDS),
    )
    content_layer: str = setting(
        "Where content is compared; empty: at all content layers of the objective.",
        "",
        metavar="LAYER",
        commands=LOSSES,
    )
    quality: Quality = setting(
        "How much time: draft takes about a fifth of normal's, high three times as much.",
        "normal",
        group="time",
        excludes=("iterations",),
    )
    iterations: int | None = setting(
        "Iterations at the finest scale, and the most at a coarser one.",
        None,
        excludes=("quality",),
        least=1,
        most=1_000_000,
        none="the schedule's",
        group="time",
        commands=HEARD,
    )
    schedule: tuple[int, ...] = setting(
        "Iterations of the coarsest scale, the next finer one and so on; the last goes for the "
        "rest. A scale that is alone takes the second.",
        (20, 40, 40, 50, 25, 12, 8),
        least=1,
        most=1_000_000,
        group="time",
    )
    optimizer: Optimizer = setting(
        "What moves the pixels.",
        "lbfgs",
        group="time",
        commands=HEARD,
    )
    learning_rate: float = setting(
        "Adam's step, in units of the canvas' range.",
        0.02,
        least=0,
        most=1e6,
        group="time",
        commands=HEARD,
    )
    betas: tuple[float, ...] = setting(
        "How slowly Adam forgets gradients, and their squares.",
        (0.9, 0.999),
        least=0,
        most=0.9999,
        group="time",
        commands=HEARD,
    )
    averaging: float = setting(
        "Share that stays of the average of Adam's images, which is the picture then; 0: the best "
        "image is.",
        0.0,
        least=0,
        most=0.9999,
        group="time",
    )
    history_size: int | None = setting(
        "Pairs that L-BFGS remembers, at most.",
        None,
        least=1,
        most=1000,
        none="the bundle's",
        group="time",
        commands=HEARD,
    )
    preconditioner_pyramid: tuple[float, ...] = setting(
        "L-BFGS' preconditioner at the two coarsest scales: weight of each level, finest first; "
        "zeros are none, as at finer ones.",
        (3.0, 9.0, 27.0, 81.0),
        least=0,
        most=1e6,
        group="time",
    )
    preconditioner_channels: float = setting(
        "L-BFGS' preconditioner: weight of the differences between channels; 1 is none.",
        0.35,
        least=0,
        most=1e6,
        group="time",
        commands=HEARD,
    )

    def to_json(self) -> str:
        """One line; ``from_json`` gives back the same Settings."""
        return records.to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Settings:
        """The Settings of a text, which an earlier version may have written.

        What has been added since is as it was before: the default. NAMED are there in any.

        Raises:
            SettingError: it is no JSON, an entry is missing or unknown, a value out of range.
        """
        try:
            raw = records.parse(text, "settings")
            if isinstance(raw, dict) and raw.keys() >= NAMED:
                raw = json.loads(cls().to_json()) | raw
            found: Settings = records.read(cls, raw, "settings")
        except records.RecordError as error:
            raise SettingError("settings", str(text)[:60], str(error)) from None
        for name, field in describe(cls).items():
            field.check(getattr(found, name))
        check_excluded(cls, {name: value for name, value in vars(found).items() if name in SIZES})
        return found
