"""What the commands for sounds can be told, beside Settings, Machine and how files are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from impasto.runtime import setting

SOUND, TEXTURE = "sound", "texture-sound"
BUNDLES = {SOUND: "audio", TEXTURE: "audio"}
"""The bundle that each takes."""


@dataclass(frozen=True, kw_only=True)
class Sounds:
    """What goes in, and what comes out."""

    GROUP: ClassVar[Literal["what"]] = "what"

    content: str | None = setting("The sound to paint.", None, commands=(SOUND,))
    style: tuple[str, ...] = setting(
        "A sound to paint like; repeatable.", (), metavar="FILE", commands=(SOUND, TEXTURE)
    )
    seconds: float = setting(
        "How long the texture is to be.",
        10.0,
        unit="seconds",
        least=0,
        most=86_400,
        commands=(TEXTURE,),
    )
    init: Literal["content", "noise"] = setting(
        "What to begin with.", "content", commands=(SOUND,), group="looks"
    )
    output: str | None = setting(
        "A .wav, .flac, .ogg or .mp3.",
        None,
        metavar="FILE",
        short="-o",
        none="made from the inputs' names",
        commands=(SOUND, TEXTURE),
        group="output",
    )
    model: str | None = setting(
        "A bundle of sounds: a folder, or the name of a packaged one.",
        None,
        metavar="DIR",
        none="audio",
        commands=(SOUND, TEXTURE),
    )
