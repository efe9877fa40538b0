"""Files written whole or not at all: links, modes, owners, and what must not be replaced."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from impasto.runtime.errors import Field, ImageError
from impasto.runtime.machine.atomic import refusal, write_atomically, writing
from impasto.runtime.pictures.image import check_output, write_image

PICTURE = np.zeros((16, 16, 3), np.float32)
OLD, NEW = b"an older file", b"a newer file"


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    old = os.umask(0o027)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def old(path: Path, bits: int = 0o644) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(OLD)
    path.chmod(bits)
    return path


def facts(folder: Path) -> list[tuple[object, ...]]:
    """Of every file what a look at it does not change."""
    found = ((path.name, path.lstat()) for path in folder.iterdir())
    return sorted((name, s.st_mode, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in found)


@pytest.mark.parametrize("hops", [1, 3])
@pytest.mark.parametrize("relative", [False, True])
def test_a_link_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool, hops: int
) -> None:
    target, link = old(tmp_path / "far" / "target"), tmp_path / "a.png"
    previous = target
    for hop in range(hops - 1):
        (tmp_path / f"hop{hop}").symlink_to(previous)
        previous = tmp_path / f"hop{hop}"
    link.symlink_to(os.path.relpath(previous, tmp_path) if relative else previous)
    monkeypatch.chdir(tmp_path)
    write_atomically("a.png" if relative else str(link), NEW, overwrite=True)
    assert link.is_symlink()
    assert not target.is_symlink()
    assert target.read_bytes() == link.read_bytes() == NEW
    assert os.listdir(tmp_path / "far") == ["target"]


def test_the_file_is_made_in_the_folder_of_the_target(tmp_path: Path) -> None:
    """So that the rename is atomic: the link may be on another disk."""
    old(tmp_path / "far" / "target")
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "a").symlink_to(tmp_path / "far" / "target")
    with writing(str(tmp_path / "near" / "a"), overwrite=True) as file:
        file.write(NEW)
        assert len(os.listdir(tmp_path / "far")) == 2
        assert os.listdir(tmp_path / "near") == ["a"]
        assert (tmp_path / "far" / "target").read_bytes() == OLD


def test_a_link_to_nothing_is_written_through(tmp_path: Path) -> None:
    link = tmp_path / "a.png"
    link.symlink_to("later")
    check_output(link, True)
    write_image(PICTURE, link, overwrite=True)
    assert link.is_symlink()
    assert (tmp_path / "later").read_bytes().startswith(b"\x89PNG")
    assert mode(tmp_path / "later") == 0o640


def _into_no_folder(folder: Path) -> None:
    (folder / "a.png").symlink_to(folder / "missing" / "b.png")


def _loop(folder: Path) -> None:
    (folder / "a.png").symlink_to(folder / "b.png")
    (folder / "b.png").symlink_to(folder / "a.png")


def _itself(folder: Path) -> None:
    (folder / "a.png").symlink_to("a.png")


def _to_a_folder(folder: Path) -> None:
    (folder / "far").mkdir()
    (folder / "a.png").symlink_to("far")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "a.png")


def _to_a_device(folder: Path) -> None:
    (folder / "a.png").symlink_to("/dev/null")


def _read_only(folder: Path) -> None:
    old(folder / "a.png", 0o444)


def _to_a_read_only_file(folder: Path) -> None:
    (folder / "a.png").symlink_to(old(folder / "b.png", 0o400))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_into_no_folder, "leads to a folder that does not exist; create it first"),
        (_loop, "is a link that leads back to itself; remove it"),
        (_itself, "is a link that leads back to itself; remove it"),
        (_to_a_folder, "is a folder; give the name of a file"),
        (_pipe, "is a pipe or device; give the name of a file"),
        (_to_a_device, "is a pipe or device; give the name of a file"),
        (_read_only, "is read-only; change its permissions or choose"),
        (_to_a_read_only_file, "is read-only; change its permissions or choose"),
    ],
)
def test_what_must_not_be_replaced(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    make(tmp_path)
    path = tmp_path / "a.png"
    before = facts(tmp_path)
    for overwrite in (True, False):
        for refuse in (check_output, lambda p, o: write_image(PICTURE, p, overwrite=o)):
            with pytest.raises(ImageError) as caught:
                refuse(path, overwrite)
            expected = reason if overwrite or "folder;" in reason else "exists already; pass"
            assert str(caught.value).startswith(f"{path} {expected}")
    assert facts(tmp_path) == before


@pytest.mark.parametrize("bits", [0o600, 0o644, 0o666, 0o755, 0o200, 0o020])
def test_the_mode_is_kept(tmp_path: Path, bits: int) -> None:
    path = old(tmp_path / "a.png", bits)
    write_image(PICTURE, path, overwrite=True)
    assert mode(path) == bits


def test_nobody_else_can_read_it_while_it_is_written(tmp_path: Path) -> None:
    path = old(tmp_path / "a", 0o600)
    with writing(str(path), overwrite=True) as file:
        file.write(NEW)
        assert {mode(found) for found in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path, overwrite: bool) -> None:
    write_atomically(str(tmp_path / "a"), NEW, overwrite=overwrite)
    assert mode(tmp_path / "a") == 0o640


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives away")
def test_the_owner_is_kept(tmp_path: Path) -> None:
    path = old(tmp_path / "a", 0o4755)
    os.chown(path, 12345, 23456)
    path.chmod(0o4755)
    write_atomically(str(path), NEW, overwrite=True)
    found = path.stat()
    assert (found.st_uid, found.st_gid, mode(path)) == (12345, 23456, 0o4755)


AS_A_USER = """
import os, sys
from impasto.runtime.machine.atomic import refusal, write_atomically
os.setgid(23456), os.setuid(12345)
try:
    write_atomically(sys.argv[1], b"new", overwrite=True)
except OSError as error:
    print(*refusal(error))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be two")
def test_a_file_of_somebody_else() -> None:
    """The folder may be written to, the file may not."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        os.chmod(folder, 0o777)
        path = old(Path(folder, "a"), 0o644)
        done = subprocess.run(
            [sys.executable, "-c", AS_A_USER, path], capture_output=True, text=True, check=True
        )
        assert done.stdout == "is read-only; change its permissions or choose another name\n"
        assert path.read_bytes() == OLD


def test_a_hard_link_is_a_name_like_another(tmp_path: Path) -> None:
    path = old(tmp_path / "a")
    os.link(path, tmp_path / "b")
    write_atomically(str(path), NEW, overwrite=True)
    assert path.read_bytes() == NEW
    assert (tmp_path / "b").read_bytes() == OLD


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_exception_while_it_is_written_changes_nothing(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "a"
    if overwrite:
        old(path)
    with pytest.raises(TypeError), writing(str(path), overwrite=overwrite) as file:
        file.writelines([NEW, "text"])  # type: ignore[list-item]
    assert os.listdir(tmp_path) == (["a"] if overwrite else [])
    assert not overwrite or path.read_bytes() == OLD


def test_many_writes_make_one_file(tmp_path: Path) -> None:
    with writing(str(tmp_path / "a"), overwrite=False) as file:
        for number in range(1000):
            file.write(bytes([number % 256]) * 1000)
        file.seek(0)
        file.write(b"head")
    content = (tmp_path / "a").read_bytes()
    assert len(content) == 10**6
    assert content[:5] == b"head\0"
    with pytest.raises(FileExistsError) as caught, writing(str(tmp_path / "a"), overwrite=False):
        pass
    assert refusal(caught.value) == ("exists already; pass ", Field("overwrite"), " to replace it")
