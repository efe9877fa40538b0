"""The index: what was written is found again, whatever ended the writer."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from impasto.runtime.batch.index import Entry, LocalIndex
from impasto.runtime.errors import ImpastoError
from impasto.runtime.machine.locks import locked


def loaded(folder: Path, *wanted: str) -> LocalIndex:
    index = LocalIndex(str(folder), "reader")
    index.load({*wanted})
    return index


def test_all_writers_are_read_and_only_what_is_wanted(tmp_path: Path) -> None:
    for writer in ("0", "1"):
        index = LocalIndex(str(tmp_path), writer)
        index.add(Entry("a.png", f"key {writer}", f"digest {writer}"))
        index.add(Entry("\u00e9 \n.png", "key", "digest"))
        index.close()
    found = loaded(tmp_path, "a.png", "gone.png")
    assert found.known("a.png") == {"digest 0": "key 0", "digest 1": "key 1"}
    assert found.known("gone.png") == found.known("\u00e9 \n.png") == {}
    assert loaded(tmp_path, "\u00e9 \n.png").known("\u00e9 \n.png") == {"digest": "key"}


def test_a_torn_line_costs_nothing_but_itself(tmp_path: Path) -> None:
    path, chance = tmp_path / ".impasto" / "index-0.jsonl", random.Random(0)
    for number in range(30):
        index = LocalIndex(str(tmp_path), "0")
        index.add(Entry(f"{number}.png", "key", "digest"))
        index.close()
        whole = path.read_bytes()
        index = LocalIndex(str(tmp_path), "0")
        index.add(Entry("torn.png", "key", "digest"))
        index.close()
        torn = path.read_bytes()
        path.write_bytes(torn[: chance.randrange(len(whole), len(torn) - 1)])
        names = [f"{n}.png" for n in range(number + 1)]
        found = loaded(tmp_path, *names, "torn.png")
        assert all(found.known(name) for name in names)
        assert not found.known("torn.png")


def test_lines_that_are_none_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".impasto").mkdir()
    path = tmp_path / ".impasto" / "index-0.jsonl"
    path.write_bytes(b'3\nnull\n{"output": "a.png"}\n\xff\xfe\n[]\n{"output": [], "key": 1}\n')
    assert loaded(tmp_path, "a.png").known("a.png") == {}


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / ".impasto").mkdir()
    (tmp_path / ".impasto" / "index-0.jsonl").symlink_to("/dev/full")
    with pytest.raises(ImpastoError, match="does not fit on its disk"):
        LocalIndex(str(tmp_path), "0").add(Entry("a.png", "key", "digest"))


HOLD = """
import sys
from impasto.runtime.machine.locks import locked

with locked(sys.argv[1], sys.argv[2]) as other:
    print(other, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("held", "wanted", "free"),
    [
        ("lock", "lock", False),
        ("lock", "lock-1-of-2", False),
        ("lock-1-of-2", "lock", False),
        ("lock-1-of-2", "lock-1-of-2", False),
        ("lock-1-of-2", "lock-2-of-4", False),
        ("lock-1-of-2", "lock-2-of-2", True),
    ],
)
def test_who_may_write_beside_whom(tmp_path: Path, held: str, wanted: str, free: bool) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path), held]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "None\n"
        with locked(str(tmp_path), wanted) as other:
            assert other == (None if free else held)
        process.kill()
    with locked(str(tmp_path), wanted) as other:
        assert other is None
