"""A picture drawn in the terminal, in place: by the terminal's own graphics, else in half blocks.

Kitty's protocol (sw.kovidgoyal.net/kitty/graphics-protocol), iTerm2's
(iterm2.com/documentation-images), sixel (DEC STD 070; terminals report it as attribute 4), or two
pixels a character.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import sys
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from impasto.cli.console import show, write

if TYPE_CHECKING:
    from PIL import Image

MOST_ROWS = 24
CELL = 8, 16
"""Pixels of a character, (width, height): what most fonts have, near enough."""
CHUNK = 4096
"""Characters of base64 in one of kitty's messages."""
COLORS = 255
"""Of a sixel picture."""
ATTRIBUTES = "\x1b[c"
"""Asks a terminal what it is; 4 among the answers is sixel."""
UPPER_HALF = "\N{UPPER HALF BLOCK}"

Draw = Callable[["Image.Image", int, int], str]
"""From a picture and the (rows, columns) of characters it is to fill to what draws it there."""


class Canvas:
    """Some rows of the terminal above its status line."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._rows = self._columns = 0

    def reserve(self, size: tuple[int, int]) -> None:
        """Make room for a picture of (height, width) pixels, in proportion."""
        height, width = size
        terminal = shutil.get_terminal_size()
        rows = max(1, min(MOST_ROWS, terminal.lines - 3))
        columns = max(1, round(rows * CELL[1] / CELL[0] * width / height))
        if columns > terminal.columns - 1:
            columns = terminal.columns - 1
            rows = max(1, round(columns * CELL[0] / CELL[1] * height / width))
        self._rows, self._columns = rows, columns
        write("\n" * rows)

    def draw(self, image: Image.Image) -> None:
        """Draw a picture, RGB with 8 bits a channel."""
        drawn = self._draw(image, self._rows, self._columns)
        show("")
        # Saved and restored: each terminal leaves its cursor somewhere else.
        write(f"\x1b[{self._rows}A\r\x1b7{drawn}\x1b8\x1b[{self._rows}B\r")


def find_canvas() -> Canvas:
    """The best that this terminal can."""
    term, program = os.environ.get("TERM", ""), os.environ.get("TERM_PROGRAM", "")
    if os.environ.get("TMUX") or term.startswith("screen"):  # they pass no graphics on
        return Canvas(half_blocks)
    if os.environ.get("KITTY_WINDOW_ID") or "kitty" in term or program == "ghostty":
        return Canvas(kitty)
    if program in ("iTerm.app", "WezTerm"):
        return Canvas(iterm)
    return Canvas(sixel if "4" in _attributes() else half_blocks)


def kitty(image: Image.Image, rows: int, columns: int) -> str:
    """As PNG in base64, in chunks; the same number replaces the last picture."""
    data = base64.b64encode(_png(_fitted(image, rows, columns))).decode()
    chunks = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    first = f"a=T,f=100,i=1,p=1,q=2,C=1,c={columns},r={rows},"
    messages = []
    for number, chunk in enumerate(chunks):
        more = int(number < len(chunks) - 1)
        messages.append(f"\x1b_G{first if number == 0 else ''}m={more};{chunk}\x1b\\")
    return "".join(messages)


def iterm(image: Image.Image, rows: int, columns: int) -> str:
    """As PNG in base64."""
    data = _png(_fitted(image, rows, columns))
    options = f"inline=1;size={len(data)};width={columns};height={rows};preserveAspectRatio=0"
    return f"\x1b]1337;File={options};doNotMoveCursor=1:{base64.b64encode(data).decode()}\x07"


def sixel(image: Image.Image, rows: int, columns: int) -> str:
    """Bands of six rows, color by color; bit ``n`` of a character is the n-th row of its band."""
    import numpy as np

    paletted = _fitted(image, rows, columns).quantize(COLORS)
    palette = np.asarray(paletted.getpalette()).reshape(-1, 3)
    pixels = np.asarray(paletted)
    parts = [f'\x1bPq"1;1;{pixels.shape[1]};{pixels.shape[0]}']
    for number, color in enumerate(palette):
        red, green, blue = np.rint(color / 255 * 100).astype(int)
        parts.append(f"#{number};2;{red};{green};{blue}")
    for top in range(0, len(pixels), 6):
        band = pixels[top : top + 6]
        bits = 1 << np.arange(len(band))[:, None]
        lines = []
        for number in np.unique(band):
            characters = ((band == number) * bits).sum(0) + 63
            lines.append(f"#{number}{bytes(characters.astype(np.uint8)).decode('ascii')}")
        parts.append("$".join(lines) + "-")
    return "".join(parts) + "\x1b\\"


def half_blocks(image: Image.Image, rows: int, columns: int) -> str:
    """Two pixels a character: one in its color, the one below in that of its background."""
    import numpy as np

    pixels = np.asarray(image.resize((columns, rows * 2)))
    lines = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        pairs = zip(upper, lower, strict=True)
        cells = (f"{_color(38, top)}{_color(48, bottom)}{UPPER_HALF}" for top, bottom in pairs)
        lines.append("".join(cells) + "\x1b[0m\r\x1b[B")
    return "".join(lines)


def _color(plane: int, color: Any) -> str:
    red, green, blue = (int(value) for value in color)
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return f"\x1b[{plane};2;{red};{green};{blue}m"
    cube = 16 + 36 * round(red / 51) + 6 * round(green / 51) + round(blue / 51)
    return f"\x1b[{plane};5;{cube}m"  # of 256: a cube of 6 x 6 x 6


def _fitted(image: Image.Image, rows: int, columns: int) -> Image.Image:
    return image.resize((columns * CELL[0], rows * CELL[1]))


def _png(image: Image.Image) -> bytes:
    data = BytesIO()
    image.save(data, "PNG", compress_level=1)
    return data.getvalue()


def _attributes() -> list[str]:
    """What the terminal says that it is; nothing if it says nothing within a fifth of a second."""
    try:
        import select
        import termios
        import tty
    except ImportError:  # Windows
        return []
    if sys.stdin is None or not sys.stdin.isatty():
        return []
    descriptor, answer = sys.stdin.fileno(), b""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        write(ATTRIBUTES)
        while not answer.endswith(b"c") and select.select([descriptor], [], [], 0.2)[0]:
            answer += os.read(descriptor, 64)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
    found = re.search(rb"\x1b\[\?([\d;]+)c", answer)
    return found[1].decode().split(";") if found else []
