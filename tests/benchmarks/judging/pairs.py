"""The pairs that pictures are judged by, as pairs.toml lists them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FOLDER = HERE.parents[2] / "build" / "judge"
"""Where all that is fetched and painted goes."""
PICTURES = FOLDER / "pictures"


@dataclass(frozen=True)
class Source:
    """Where a picture's file comes from; the README says what the kinds are."""

    kind: str
    path: str
    package: str = ""
    resource: str = ""
    crop: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Pair:
    """A content and a style."""

    name: str
    kind: str
    content: Source
    style: Source
    held_out: bool = False

    @property
    def photograph(self) -> Path:
        """The content's file, once it is fetched."""
        return PICTURES / f"{self.name}-content.png"

    @property
    def painting(self) -> Path:
        """The style's."""
        return PICTURES / f"{self.name}-style.png"

    def painted(self, folder: Path) -> Path | None:
        """What was painted of it in a folder, if it was."""
        path = folder / f"{self.name}.png"
        return path if path.is_file() else None


def read(path: Path = HERE / "pairs.toml") -> list[Pair]:
    """All of them, in the list's order."""
    with path.open("rb") as file:
        entries = tomllib.load(file)["pair"]
    return [
        Pair(**entry | {name: _source(entry[name]) for name in ("content", "style")})
        for entry in entries
    ]


def choose(pairs: Iterable[Pair], names: str | None, held_out: bool) -> list[Pair]:
    """Those that are named, with commas between; else all, held out or not.

    Those that are held out never come along with the others: one asks for them.
    """
    known = {pair.name: pair for pair in pairs}
    if not names:
        return [pair for pair in known.values() if pair.held_out == held_out]
    if unknown := [name for name in names.split(",") if name not in known]:
        raise SystemExit(f"judge: no pair {unknown[0]!r}: there are {', '.join(known)}")
    chosen = [known[name] for name in names.split(",")]
    if not held_out and any(pair.held_out for pair in chosen):
        raise SystemExit("judge: a pair named is held out: ask for it with --held-out")
    return chosen


def _source(entry: Mapping[str, Any]) -> Source:
    crop = tuple(entry["crop"]) if "crop" in entry else None
    return Source(entry["kind"], entry["path"], entry.get("package", ""), entry.get("in", ""), crop)
