"""The picture in the terminal: what a terminal, or a decoder, makes of what is sent to it."""

from __future__ import annotations

import base64
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from io import BytesIO
from pathlib import Path

import numpy as np
import pyte
import pytest
from numpy.typing import NDArray
from PIL import Image

from impasto.cli.painting.preview import half_blocks, iterm, kitty, sixel

ROWS, COLUMNS = 12, 30


@pytest.fixture
def picture() -> Image.Image:
    """Smooth, so that a palette of 255 colors and another size change little."""
    y, x = np.mgrid[0:1:96j, 0:1:120j]
    values = np.stack([x, y, (x + y) / 2], axis=2)
    return Image.fromarray((values * 255).astype(np.uint8))


def far(one: Image.Image, other: Image.Image) -> float:
    """The mean difference, 0 to 255."""
    resized = np.asarray(other.convert("RGB").resize(one.size), np.float64)
    return float(np.abs(np.asarray(one, np.float64) - resized).mean())


def test_half_blocks(picture: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    assert far(picture, shown(half_blocks(picture, ROWS, COLUMNS))) < 6


def test_half_blocks_of_256_colors(picture: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORTERM", raising=False)
    assert far(picture, shown(half_blocks(picture, ROWS, COLUMNS))) < 30


def shown(text: str) -> Image.Image:
    """What a terminal shows of half blocks: a pixel above, one below."""
    screen = pyte.Screen(COLUMNS, ROWS + 1)
    pyte.Stream(screen).feed(text)
    cells = [[screen.buffer[row][column] for column in range(COLUMNS)] for row in range(ROWS)]
    assert {cell.data for line in cells for cell in line} == {"▀"}
    lines = (
        [[rgb(c.fg) for c in line] for line in cells],
        [[rgb(c.bg) for c in line] for line in cells],
    )
    pixels = np.stack(lines, axis=1).reshape(2 * ROWS, COLUMNS, 3)
    return Image.fromarray(pixels.astype(np.uint8))


def rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color)
    return red, green, blue


def test_kitty() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 60, 3), np.uint8)
    picture = Image.fromarray(noise).resize((COLUMNS * 8, ROWS * 16))
    messages = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty(picture, ROWS, COLUMNS))
    assert len(messages) > 1
    assert all(len(data) <= 4096 for _, data in messages)
    assert [keys.endswith("m=1") for keys, _ in messages] == [True] * (len(messages) - 1) + [False]
    assert {"a=T", "f=100", f"c={COLUMNS}", f"r={ROWS}"} <= {*messages[0][0].split(",")}
    data = base64.b64decode("".join(data for _, data in messages))
    assert far(picture, Image.open(BytesIO(data))) < 2


def test_iterm(picture: Image.Image) -> None:
    found = re.fullmatch(r"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", iterm(picture, ROWS, COLUMNS))
    assert found
    data = base64.b64decode(found[2])
    assert f"size={len(data)}" in found[1].split(";")
    assert far(picture, Image.open(BytesIO(data))) < 2


def test_sixel(picture: Image.Image) -> None:
    assert far(picture, Image.fromarray(decoded(sixel(picture, ROWS, COLUMNS)))) < 6


def decoded(text: str) -> NDArray[np.uint8]:
    """A sixel picture's pixels, as VT330's manual says how they are drawn."""
    found = re.fullmatch(r'\x1bPq"1;1;(\d+);(\d+)(.*)\x1b\\', text)
    assert found
    width, height = int(found[1]), int(found[2])
    pixels = np.zeros((height + 6, width, 3), np.uint8)
    palette: dict[int, list[int]] = {}
    row = column = color = 0
    for token in re.finditer(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|(\$)|(-)|([?-~])", found[3]):
        if token[1]:
            color = int(token[1])
            if token[2]:
                palette[color] = [round(int(v) * 255 / 100) for v in token.groups()[1:4]]
        elif token[5]:
            column = 0
        elif token[6]:
            row, column = row + 6, 0
        else:
            bits = ord(token[7]) - 63
            for bit in range(6):
                if bits >> bit & 1:
                    pixels[row + bit, column] = palette[color]
            column += 1
    return pixels[:height]


def test_the_picture_and_the_bar_stay_where_they_are(tmp_path: Path, photo: Path) -> None:
    """On a real terminal of 80 x 30: the picture above, one line of 80 columns below it."""
    command = ["texture", str(photo), "-o", str(tmp_path / "o.png"), "--size=48", "--iterations=3"]
    environment = {"COLORTERM": "truecolor", "TERM": "xterm-256color", "TMUX": "1"}
    screens = on_terminal([*command, "--preview"], environment)
    first, last = screens[0], screens[-1]
    blocks = [number for number, line in enumerate(last) if "▀" in line]
    assert blocks == [*range(blocks[0], blocks[0] + len(blocks))]
    assert [n for n, line in enumerate(first) if "▀" in line] in (blocks, [])
    bars = [line for screen in screens for line in screen if "━" in line]
    assert bars
    assert all(len(line.rstrip()) < 80 and "left" in line and "loss" in line for line in bars)
    assert all(sum("━" in line for line in screen) <= 1 for screen in screens)
    assert last[blocks[-1] + 1].startswith("impasto: ")


def on_terminal(arguments: list[str], environment: dict[str, str]) -> list[list[str]]:
    """The screens that a program shows, one after the other."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(environment)
        os.execv(sys.executable, [sys.executable, "-m", "impasto.cli", *arguments])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 80, 0, 0))
    screen, screens = pyte.Screen(80, 30), []
    stream = pyte.ByteStream(screen)
    while True:
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # the other side is closed
            break
        stream.feed(data)
        screens.append([*screen.display])
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return screens
