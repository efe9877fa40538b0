"""What somebody types in the first ten minutes, right and wrong, and what each must answer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Program = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("--size", "48", "--iterations", "1")


@pytest.fixture
def folder(tmp_path: Path, photo: Path, painting: Path) -> Path:
    """Where the program runs: two small pictures under several names."""
    for source, name in ((photo, "photo.jpg"), (painting, "painting.jpg")):
        with Image.open(source) as image:
            image.resize((64, 48)).save(tmp_path / name)
    (tmp_path / "UPPER.JPG").write_bytes((tmp_path / "photo.jpg").read_bytes())
    (tmp_path / "out").mkdir()
    return tmp_path


RIGHT: list[tuple[tuple[str, ...], str]] = [
    (("photo.jpg", "painting.jpg"), "photo-painting.png"),
    (("UPPER.JPG", "painting.jpg", "-o", "OUT.PNG"), "OUT.PNG"),
    (("photo.jpg", "painting.jpg", "UPPER.JPG", "--blend", "2,1"), "photo-painting-UPPER.png"),
    (("photo.jpg", "--style", "painting.jpg"), "photo-painting.png"),
    (("photo.jpg", "painting.jpg", "-o", "out/"), "out/photo-painting.png"),
    (("photo.jpg", "painting.jpg", "-o", "out"), "out/photo-painting.png"),
    (("photo.jpg", "painting.jpg", "-o", "a.jpg", "--jpeg-quality", "60"), "a.jpg"),
    (("photo.jpg", "painting.jpg", "-o", "a.webp", "--no-metadata"), "a.webp"),
    (("photo.jpg", "painting.jpg", "-o", "a.tif", "--depth", "16"), "a.tif"),
    (("photo.jpg", "painting.jpg", "--format", "avif"), "photo-painting.avif"),
    (("stylize", "photo.jpg", "painting.jpg", "--quiet"), "photo-painting.png"),
    (("--seed", "3", "photo.jpg", "painting.jpg"), "photo-painting.png"),
    (("texture", "painting.jpg"), "painting-texture.png"),
    (("reconstruct", "photo.jpg"), "photo-reconstruct.png"),
]


@pytest.mark.parametrize(("words", "name"), RIGHT)
def test_what_paints(impasto: Program, folder: Path, words: tuple[str, ...], name: str) -> None:
    before = {*folder.rglob("*")}
    done = impasto(*words, *QUICK)
    assert done.returncode == 0, done.stderr
    assert {*folder.rglob("*")} - before == {folder / name}
    assert ("--quiet" in words) == (done.stderr == "")
    with Image.open(folder / name) as image:
        assert max(image.size) == 48


def test_a_derived_name_never_overwrites(impasto: Program, folder: Path) -> None:
    (folder / "photo-painting.png").write_text("mine")
    assert impasto("photo.jpg", "painting.jpg", *QUICK).returncode == 0
    assert impasto("photo.jpg", "painting.jpg", *QUICK, "--overwrite").returncode == 0
    assert (folder / "photo-painting.png").read_text() == "mine"
    assert (folder / "photo-painting-2.png").exists()
    assert (folder / "photo-painting-3.png").exists()


@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8")])
def test_pipes(
    start: Callable[..., Any], impasto: Program, folder: Path, kind: str, magic: bytes
) -> None:
    with open(folder / "photo.jpg", "rb") as photo, open(folder / "piped", "wb") as piped:
        process = start(
            *("-", "painting.jpg", "-o", "-", "--format", kind, *QUICK), stdin=photo, stdout=piped
        )
        assert process.wait(timeout=120) == 0
    assert (folder / "piped").read_bytes().startswith(magic)
    by_path = impasto("photo.jpg", "painting.jpg", "-o", "same", "--format", kind, *QUICK)
    assert by_path.returncode == 0, by_path.stderr
    assert (folder / "same").read_bytes() == (folder / "piped").read_bytes()


WRONG: list[tuple[tuple[str, ...], int, str]] = [
    (("photo.jpg",), 2, "--style: there is no painting: impasto photo.jpg painting.jpg"),
    (("gone.jpg", "painting.jpg"), 1, "gone.jpg does not exist"),
    (("styliz", "photo.jpg"), 2, "did you mean stylize?; see impasto --help"),
    (("photo.jpg", "painting.jpg", "--sise", "9"), 2, "--size"),
    (("photo.jpg", "painting.jpg", "-size", "9"), 2, "did you mean --size?; see impasto stylize -"),
    (("texture", "painting.jpg", "--stlye", "x"), 2, "see impasto texture --help"),
    (("photo.jpg", "painting.jpg", "--preset", "pain"), 2, "--preset pain: there are paint, bold"),
    (("photo.jpg", "painting.jpg", "--device", "mps"), 2, "Macs have cpu"),
    (("https://example.org/a.jpg", "painting.jpg"), 1, "nothing is downloaded"),
    (("photo.jpg", "painting.jpg", "-o", "photo.jpg"), 1, "photo.jpg is one of the pictures"),
    (("photo.jpg", "painting.jpg", "-o", "./painting.jpg", "--overwrite"), 1, "is one of the"),
    (("photo.jpg", "painting.jpg", "-o", "gone/"), 1, "there is no folder gone"),
    (("photo.jpg", "painting.jpg", "-o", "a.gif"), 1, ".png"),
    (("photo.jpg", "painting.jpg", "-o", "a.jpg", "--depth", "16"), 2, "--depth 16"),
    (("photo.jpg", "painting.jpg", "--timelapse", "a.avi"), 1, ".webm or .mkv"),
    (("photo.jpg", "painting.jpg", "--plot", "a.pdf"), 1, ".svg or .png"),
    (("photo.jpg", "painting.jpg", "--save-every", "0"), 2, "--save-every 0: give a whole number"),
    (("photo.jpg", "painting.jpg", "--preview"), 1, "--preview draws on a terminal"),
    (("-", "painting.jpg"), 1, "- is stdin, which has nothing"),
    (("-", "-"), 1, "- names it 2 times"),
    (("photo.jpg", "painting.jpg", "-o", "-", "--json"), 1, "--json needs too"),
    (("show", "photo.jpg"), 1, "photo.jpg"),
    (("replay", "photo.jpg", "photo.jpg", "painting.jpg"), 1, "photo.jpg"),
]


@pytest.mark.parametrize(("words", "code", "part"), WRONG)
def test_what_is_refused(
    impasto: Program, folder: Path, words: tuple[str, ...], code: int, part: str
) -> None:
    before = sorted(folder.rglob("*"))
    done = impasto(*words, stdin=subprocess.DEVNULL)
    assert part in done.stderr
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("impasto: ")
    assert done.stderr.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_questions(impasto: Program, tmp_path: Path) -> None:
    assert impasto("-h").stdout == impasto("help").stdout == impasto("--help").stdout
    assert impasto("help", "texture").stdout == impasto("texture", "-h").stdout
    assert impasto("-V").stdout == impasto("--version").stdout
    text = " ".join(impasto("stylize", "-h").stdout.split())
    for part in ("How it looks:", "How long:", "Machine:", "Output:", "[default: 512]", "Examples"):
        assert part in text
    assert "paint, bold, gatys2016" in text


@pytest.mark.parametrize("words", [("-V",), ("-h",), ("inspect",), ("settings",), ("help",)])
def test_a_full_disk_under_stdout(start: Callable[..., Any], words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        process = start(*words, stdout=full)
        assert process.wait(timeout=60) == 1
    message = process.stderr.read()
    assert message == "impasto: stdout cannot be written: No space left on device\n"


def test_a_closed_stdout(start: Callable[..., Any]) -> None:
    process = start("inspect", preexec_fn=lambda: os.close(1))
    assert process.wait(timeout=60) == 1
    assert process.stderr.read() == "impasto: stdout cannot be written: Bad file descriptor\n"


LINES: list[tuple[str, set[str]]] = [
    ("impasto photo.jpg painting.jpg --preset ", {"paint", "bold", "gatys2016"}),
    ("impasto photo.jpg pain", set()),  # the shell looks for files
    ("impasto stylize --content-layer ", {"conv4_2"}),
    ("impasto stylize --quality d", {"draft"}),
    ("impasto te", {"texture"}),
    ("impasto photo.jpg --style-s", {"--style-scale"}),
]


@pytest.mark.parametrize(
    ("shell", "line", "expected"),
    [("bash", *line) for line in LINES]
    + [(shell, *line) for shell in ("zsh", "fish") for line in LINES[:2]],
)
def test_completion(impasto: Program, shell: str, line: str, expected: set[str]) -> None:
    words = line.split(" ")
    environment: dict[str, object] = {"_IMPASTO_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        environment |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": len(words) - 1}
    else:
        environment |= {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    found = impasto(**environment).stdout
    for word in expected:
        assert word in found
    if not expected:
        assert found.strip() in ("", "_files")
