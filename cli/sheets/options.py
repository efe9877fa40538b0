"""What the commands that make sheets can be told, beside Settings, Machine and Files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from impasto.runtime import Described, SettingError, Settings, describe, setting

GALLERY, COMPARE = ("gallery",), ("compare",)
NAMED = ("preset", "objective", "pooling", "content_layer")
"""Settings whose values are names that a bundle has."""


def can_vary(field: Described) -> bool:
    """Whether there is a set of values to try: choices, a bundle's names, numbers in a range."""
    return bool(field.choices) or field.name in NAMED or field.hint is float


VARIABLE = tuple(
    name for name, field in describe(Settings).items() if can_vary(field) and name != "megapixels"
)
"""What a gallery may vary."""


def names_of(words: Sequence[str]) -> tuple[str, ...]:
    """``detail,style-scale`` as the names of settings.

    Raises:
        SettingError: there is no such setting, or no set of values for it.
    """
    names = [name.strip().replace("-", "_") for word in words for name in word.split(",")]
    for name in names:
        if name == "seed":
            raise SettingError("vary", name, "give how many as --seeds")
        if name not in VARIABLE:
            known = ", ".join(name.replace("_", "-") for name in VARIABLE)
            raise SettingError("vary", name, f"these can be varied: {known}")
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Which drafts there are, and which of them is painted at full size."""

    GROUP: ClassVar[Literal["what"]] = "what"

    styles: tuple[str, ...] = setting(
        "A folder of pictures to paint like, or a picture; repeatable.",
        (),
        metavar="DIR|FILE",
        none="the paintings that ship",
        commands=GALLERY,
    )
    vary: tuple[str, ...] = setting(
        "Settings to try several values of, in all combinations: of choices and names all, 0, 0.5 "
        "and 1 of a share, 0.5, 1 and 2 of style-scale, a tenth to ten times of a weight.",
        (),
        metavar="NAME,...",
        commands=GALLERY,
    )
    seeds: int = setting(
        "So many seeds, from --seed on, where the first image has noise.",
        1,
        least=1,
        most=1000,
        commands=GALLERY,
    )
    pick: int | None = setting(
        "Paint the draft of this number at full size, as the sheet says.",
        None,
        least=1,
        none="none: a sheet of drafts is made",
        commands=GALLERY,
    )
    sheet: str | None = setting(
        "The sheet of --pick.",
        None,
        metavar="FILE",
        none="gallery.png",
        commands=GALLERY,
    )
    output: str | None = setting(
        "The sheet, or with --pick the picture: a .png, .jpg, .webp, .avif or .tif.",
        None,
        metavar="FILE",
        short="-o",
        none="gallery.png; of a picture made from the inputs' names",
        commands=GALLERY,
        group="output",
    )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Which pictures are compared."""

    GROUP: ClassVar[Literal["what"]] = "what"

    pictures: tuple[str, ...] = setting(
        "Pictures to compare, of the same proportions.", (), commands=COMPARE
    )
    output: str | None = setting(
        "The comparison as a picture: a .png, .jpg, .webp, .avif or .tif.",
        None,
        metavar="FILE",
        short="-o",
        none="none is drawn",
        commands=COMPARE,
        group="output",
    )
