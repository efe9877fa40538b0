"""``MASK:STYLE[:STYLE_MASK]``: which colons are between files, and what regions they come to."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator

from impasto.runtime.errors import SettingError
from impasto.runtime.pictures.sources import Source

from .regions import Region

DRIVE = re.compile(r"[A-Za-z]")
"""Before a colon and a slash: no file, but a disk of Windows."""
PARTS = (2, 3)
"""Files in a region: two, or a style's mask, too."""

Files = tuple[str, ...]


def make_regions(several: Iterable[Files], read: Callable[[str], Source] = str) -> list[Region]:
    """The regions of masks, styles and perhaps the styles' masks; ``read`` makes sources of paths.

    What names the same mask is one region of several styles.
    """
    found: dict[str, list[Files]] = {}
    for files in several:
        found.setdefault(files[0], []).append(files)
    return [
        Region(
            read(mask),
            [read(files[1]) for files in own],
            [read(files[2]) if len(files) > 2 else None for files in own],
        )
        for mask, own in found.items()
    ]


def region_files(word: str, folder: str = "") -> Files:
    """A mask, a style and perhaps the style's mask: files that exist, else as they are written.

    Names are relative to ``folder``, and stay so.

    Raises:
        SettingError: a word is not a mask and a style, or can be read in two ways.
    """
    ways = [way for count in PARTS for way in _ways(word.split(":"), count)]
    there = [way for way in ways if all(os.path.isfile(os.path.join(folder, path)) for path in way)]
    written = _without_drives(word)
    if len(there) == 1:
        return there[0]
    if not there and len(written) in PARTS and all(written):
        return tuple(written)
    if len(there) > 1:
        mend = "its colons can be read in two ways: rename a file that has one in its name"
    else:
        mend = (
            "write MASK:STYLE or MASK:STYLE:STYLE_MASK, such as sky.png:painting.jpg or "
            r"C:\sky.png:D:\painting.jpg; a file with a colon in its name must exist"
        )
    raise SettingError("region", word, mend)


def _ways(pieces: list[str], count: int) -> Iterator[Files]:
    """So many names, of pieces that colons have separated; none is empty, or a disk alone."""
    for cuts in itertools.combinations(range(1, len(pieces)), count - 1):
        ends = zip((0, *cuts), (*cuts, len(pieces)), strict=True)
        way = tuple(":".join(pieces[start:end]) for start, end in ends)
        if all(way):
            yield way


def _without_drives(word: str) -> list[str]:
    """The names in a word, if only disks of Windows have colons."""
    found: list[str] = []
    for piece in word.split(":"):
        if found and DRIVE.fullmatch(found[-1]) and piece[:1] in ("\\", "/"):
            found[-1] += f":{piece}"
        else:
            found.append(piece)
    return found
