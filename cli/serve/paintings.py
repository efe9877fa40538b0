"""The paintings that come with the program."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from pydantic import BaseModel


class Painting(BaseModel):
    """One of them; ``name`` is what a job calls it."""

    name: str
    title: str
    artist: str = ""
    year: str = ""
    source: str = ""
    licence: str = ""
    image: str
    """Where its picture is."""


def paintings() -> dict[str, tuple[Painting, Path]]:
    """All of them by name, with their files."""
    path = Path(str(resources.files("impasto.models") / "example" / "painting.jpg"))
    example = Painting(name="example", title="The example's painting", image="/styles/example.jpg")
    return {"example": (example, path)}
