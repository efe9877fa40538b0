"""Files: what goes into a command and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from .fields import LOSSES, PAINTING, SOUNDS, Group, setting

WRITING = (*PAINTING, "resume", "replay")
KEEPING = (*PAINTING, *SOUNDS, "resume")
LEAVING = (*WRITING, "batch", "gallery")
SHOWING = (*LEAVING, "compare")
TELLING = (*SHOWING, *SOUNDS, "video")

Format = Literal["png", "jpeg", "webp", "avif", "tiff"]


@dataclass(frozen=True, kw_only=True)
class Files:
    """Paths, and what is done where one is taken. Each command has its own share."""

    GROUP: ClassVar[Group] = "output"

    painted: str | None = setting(
        "A picture that impasto painted.", None, commands=("show", "replay"), group="what"
    )
    content: str | None = setting(
        "The picture to paint.",
        None,
        commands=("stylize", "reconstruct", "gallery", "compare", "estimate", "replay"),
        group="what",
    )
    style: tuple[str, ...] = setting(
        "A picture to paint like; repeatable.",
        (),
        metavar="FILE",
        commands=("stylize", "texture", "video", "compare", "estimate", "replay"),
        group="what",
    )
    init_image: str | None = setting(
        "A picture to begin with.",
        None,
        metavar="FILE",
        commands=("stylize", "estimate", "replay"),
        group="what",
    )
    region: tuple[str, ...] = setting(
        "A part of the content, white in a mask, and what it is painted like; repeatable. What has "
        "no style stays as it is.",
        (),
        metavar="MASK:STYLE[:MASK]",
        commands=("stylize", "estimate", "replay"),
        group="what",
    )
    any_input: bool = setting(
        "Take other pictures than those that it was painted from.",
        False,
        commands=("replay",),
        group="what",
    )
    checkpoint_file: str | None = setting(
        "The checkpoint to go on from.",
        None,
        commands=("resume",),
        group="what",
    )
    output: str | None = setting(
        "A .png, .jpg, .webp, .avif, .tif; a folder; or - for stdout.",
        None,
        metavar="FILE",
        short="-o",
        none="made from the inputs' names",
        commands=WRITING,
    )
    format: Format | None = setting(
        "Of an output without a suffix.", None, none="png", commands=WRITING
    )
    depth: int = setting(
        "16 for a PNG or TIFF of 16 bits a channel.",
        8,
        unit="bits",
        least=8,
        most=16,
        metavar="8|16",
        commands=LEAVING,
    )
    jpeg_quality: int = setting("Of a JPEG.", 95, least=1, most=100, commands=SHOWING)
    no_metadata: bool = setting(
        "Do not say in the file how it was painted.", False, commands=LEAVING
    )
    overwrite: bool = setting("Replace an existing output.", False, commands=TELLING)
    checkpoint: str | None = setting(
        "Keep the run in this file, to resume it from.",
        None,
        metavar="FILE",
        none="none is kept",
        commands=KEEPING,
    )
    checkpoint_every: float = setting(
        "How often the checkpoint is written.",
        60.0,
        unit="seconds",
        least=0,
        metavar="SECONDS",
        commands=KEEPING,
    )
    model: str | None = setting(
        "A bundle: a folder, or the name of a packaged one.",
        None,
        metavar="DIR",
        none="$IMPASTO_MODEL, else VGG19",
        commands=(*LOSSES, "resume", "replay", "serve", "work"),
        group="what",
    )
    config: str | None = setting(
        "Settings and [machine] from a TOML file; options win.",
        None,
        metavar="FILE",
        none="none",
        commands=(*LOSSES, *SOUNDS),
        group="what",
    )
    json: bool = setting(
        "One JSON object a line on stdout.",
        False,
        commands=(*TELLING, "estimate", "show"),
    )
    quiet: bool = setting("Say nothing but what goes wrong.", False, short="-q", commands=TELLING)
    preview: bool = setting(
        "Draw the picture in the terminal as it comes.", False, commands=WRITING
    )
    save_every: int | None = setting(
        "Write the output, and a frame, every so many iterations.",
        None,
        unit="iterations",
        least=1,
        metavar="N",
        none="at the end; frames: every iteration",
        commands=WRITING,
    )
    frames: str | None = setting(
        "Keep numbered pictures of the iterations in this folder.",
        None,
        metavar="DIR",
        commands=WRITING,
    )
    timelapse: str | None = setting(
        "An animation of how it was painted, as .webp or .gif; or .mp4, .webm, .mkv.",
        None,
        metavar="FILE",
        commands=WRITING,
    )
    plot: str | None = setting(
        "A diagram of the losses, as .svg or .png; needs matplotlib.",
        None,
        metavar="FILE",
        commands=(*WRITING, *SOUNDS),
    )
