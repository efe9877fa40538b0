"""The paintings that come with the program, as clients are told of them."""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path

from pydantic import BaseModel

from impasto.runtime import paintings as packaged

PHOTO = Path(str(resources.files("impasto.models") / "example" / "photo.jpg"))
"""A photograph to try them on."""


class Painting(BaseModel):
    """One of them, in the public domain; ``name`` is what a job calls it."""

    name: str
    title: str
    artist: str
    year: str
    width: int
    height: int
    image: str
    """Where its picture is."""


@functools.cache
def paintings() -> dict[str, tuple[Painting, Path]]:
    """All of them by name, with their files, in the order in which to show them."""
    found = {}
    for one in packaged():
        shown = {name: value for name, value in vars(one).items() if name != "path"}
        found[one.name] = Painting(**shown, image=f"/styles/{one.name}.jpg"), one.path
    return found
