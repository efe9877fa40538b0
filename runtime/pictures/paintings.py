"""The paintings that ship, to try styles with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impasto.runtime.bundle.bundle import PACKAGED
from impasto.runtime.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = PACKAGED / "paintings"
LIST = "paintings.json"


@dataclass(frozen=True)
class Painting:
    """A painting in the public domain: a file that ``Engine.stylize`` takes as a style."""

    name: str
    """Of lower-case letters, digits and hyphens; there is no other of it."""
    title: str
    artist: str
    year: str
    """``1890``, ``1833-1834``, ``about 1831``."""
    width: int
    """Pixels."""
    height: int
    path: Path
    """A JPEG."""


def paintings() -> tuple[Painting, ...]:
    """The paintings that ship, in the order in which to show them.

    Raises:
        ImageError: the list of them is missing or damaged.
    """
    source = FOLDER / LIST
    try:
        rows = json.loads(source.read_text(encoding="utf-8"))
        return tuple(Painting(path=FOLDER / row.pop("file"), **row) for row in rows)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise ImageError(f"{source}: no list of paintings: install impasto again") from None
