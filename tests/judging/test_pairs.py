"""The list of pairs, the readers of its sources, and what is made of measures."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import curves
import numpy as np
import pairs
import pytest
import sheets
from boards import assemble
from PIL import Image
from rcc import unpack

FOLDER, ZLIB = 2, 1


def test_there_are_twelve_pairs_and_four_are_held_out() -> None:
    known = pairs.read()
    assert len({pair.name for pair in known}) == len(known) == 12
    assert len(pairs.choose(known, None, held_out=True)) == 4
    assert len(pairs.choose(known, None, held_out=False)) == 8


def test_a_held_out_pair_must_be_asked_for() -> None:
    known = pairs.read()
    (name, *_) = [pair.name for pair in known if pair.held_out]
    assert [pair.name for pair in pairs.choose(known, name, held_out=True)] == [name]
    with pytest.raises(SystemExit, match="--held-out"):
        pairs.choose(known, name, held_out=False)
    with pytest.raises(SystemExit, match="no pair 'nonsense'"):
        pairs.choose(known, "nonsense", held_out=False)


def resource_file(files: dict[str, tuple[bytes, bool]]) -> bytes:
    """A file of version 3 with one folder, "f"; packed where it says so."""
    names, data, nodes = b"", b"", []

    def name(text: str) -> int:
        nonlocal names
        start = len(names)
        names += struct.pack(">HI", len(text), 0) + text.encode("utf-16-be")
        return start

    nodes.append(struct.pack(">ihii", 0, FOLDER, 1, 1))
    nodes.append(struct.pack(">ihii", name("f"), FOLDER, len(files), 2))
    for text, (content, packed) in files.items():
        flags = ZLIB if packed else 0
        nodes.append(struct.pack(">ihhhi", name(text), flags, 0, 0, len(data)))
        if packed:
            content = struct.pack(">I", len(content)) + zlib.compress(content)
        data += struct.pack(">i", len(content)) + content
    tree = b"".join(node + bytes(8) for node in nodes)
    offsets = (24, 24 + len(tree), 24 + len(tree) + len(data))
    return b"qres" + struct.pack(">5i", 3, *offsets, 0) + tree + data + names


def test_resource_files_are_read() -> None:
    written = resource_file({"a.txt": (b"plain", False), "b.txt": (b"packed" * 9, True)})
    assert unpack(written) == {"/f/a.txt": b"plain", "/f/b.txt": b"packed" * 9}
    with pytest.raises(ValueError, match="no Qt resource file"):
        unpack(b"something else")


def piece(colour: tuple[int, int, int, int], width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (width, height), colour).save(file, "WEBP", lossless=True, exact=True)
    return file.getvalue()


def test_boards_have_no_seams() -> None:
    """A gap of two columns is filled from both sides; soft pieces are not darker."""
    entry = '"pixmapfile": "image/{}.webp",\n "x": "{}",\n "y": "0.5"'
    board = '"width": 20,\n "height": 8\n' + entry.format("l", 0.225) + entry.format("r", 0.775)
    files = {
        "/x/board/b.qml": board.encode(),
        "/x/image/l.webp": piece((200, 100, 0, 255), 9, 8),
        "/x/image/r.webp": piece((0, 100, 200, 180), 9, 8),
    }
    found = np.asarray(assemble(files, "/x", "b.qml"))
    assert found.shape == (8, 20, 3)
    assert (found[:, :10] == (200, 100, 0)).all()
    assert (np.abs(found[:, 10:].astype(int) - (0, 100, 200)) <= 1).all()


def test_style_at_equal_content() -> None:
    """Two lines in log style, one twice the other, over different ranges of content."""
    lines = {
        "a": [(content, float(np.exp(-content))) for content in (0.8, 0.2, 0.5)],
        "b": [(content, 2 * float(np.exp(-content))) for content in (0.4, 0.7, 1.0)],
    }
    found = curves.at_equal_content(lines)
    assert found
    assert found["a"] == pytest.approx(np.exp(-0.6))
    assert found["b"] == pytest.approx(2 * found["a"])
    assert curves.summary({"one": found, "two": found}) == {
        "a": (pytest.approx(found["a"]), 2),
        "b": (pytest.approx(found["b"]), 0),
    }


def test_no_common_content_is_no_verdict() -> None:
    assert curves.at_equal_content({"a": [(0, 1), (0.4, 1)], "b": [(0.5, 1), (1, 1)]}) is None


@pytest.fixture
def painted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Folders of three names, each with a colour of its own for every pair."""
    monkeypatch.setattr(pairs, "PICTURES", tmp_path)
    colours = {"one": (255, 0, 0), "two": (0, 255, 0), "three": (0, 0, 255)}
    for name, colour in colours.items():
        (tmp_path / name).mkdir()
        for pair in pairs.read():
            Image.new("RGB", (32, 32), colour).save(tmp_path / name / f"{pair.name}.png")
            for path in (pair.photograph, pair.painting):
                Image.new("RGB", (32, 32), "gray").save(path)
    return {name: tmp_path / name for name in colours}


def test_blind_sheets_keep_their_key_apart(painted: dict[str, Path]) -> None:
    known = pairs.read()
    whole, key = sheets.blind(known, painted, seed=1)
    assert all(sorted(row.values()) == ["one", "three", "two"] for row in key.values())
    assert len({tuple(row.values()) for row in key.values()}) > 1
    assert sheets.blind(known, painted, seed=1)[1] == key
    wide, tall = sheets.CELL + sheets.MARGIN, sheets.CELL + sheets.MARGIN + 2 * sheets.TEXT
    colours = {"one": (255, 0, 0), "two": (0, 255, 0), "three": (0, 0, 255)}
    for number, pair in enumerate(known):
        for column, name in enumerate(key[pair.name].values(), start=2):
            where = (sheets.MARGIN + column * wide + 16, sheets.MARGIN + number * tall + 30)
            assert whole.getpixel(where) == colours[name]
