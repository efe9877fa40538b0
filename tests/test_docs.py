"""What the docs say: the code that they print is the code, their commands and snippets run."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import impasto.runtime
from impasto.cli.app import run
from impasto.cli.commands import meant
from impasto.cli.options import flag
from impasto.models import __path__ as models
from impasto.runtime import Files, Machine, Settings, Sound, describe, write_sound, write_video

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
DESIGN = ROOT / "docs" / "design.md"
PAGES = sorted(
    page
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if "node_modules" not in page.parts
)
EXAMPLE = Path(models[0]) / "example"
NAMES = ("photo.jpg", "painting.jpg", "a.jpg", "b.jpg")
"""What the docs call pictures."""


def test_the_loop_is_printed_as_it_is_and_fits_on_a_screen() -> None:
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", DESIGN.read_text(), re.DOTALL)
    assert {path for path, _ in blocks} == {
        "runtime/loop.py",
        "runtime/optimizers/lbfgs.py",
        "runtime/run.py",
    }
    for path, text in blocks:
        source = (ROOT / path).read_text()
        for part in text.strip("\n").split("\n\n"):
            assert part in source, f"{path}: {part.splitlines()[0]}"
    assert sum(text.count("\n") for _, text in blocks) <= 120


def commands(page: Path, program: str) -> list[list[str]]:
    """The lines of code of a page that call a program, as its arguments."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(rf"^    {program} (.*)$", text, re.MULTILINE)
    found = [shlex.split(line, comments=True) for line in lines]
    return [meant(words) for words in found] if program == "impasto" else found


ALL = [
    pytest.param(page, arguments, id=f"{page.name}: {' '.join(arguments)}")
    for page in PAGES
    for arguments in commands(page, "impasto")
]


def test_commands_are_found() -> None:
    assert len(ALL) >= 20
    assert {param.values[1][0] for param in ALL} >= {"stylize", "texture", "resume", "export"}


@pytest.mark.parametrize(("page", "arguments"), ALL)
def test_every_command_is_one(
    page: Path,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where there are no files it fails for want of them, not for how it is written."""
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "export":
        arguments = [*arguments, "--head", "no_such_module:Head"]
    if arguments == ["inspect", "--verify"]:  # minutes; tests of its own run it
        arguments = [*arguments, "no-model"]
    if arguments[0] in ("serve", "work"):  # they would not end
        arguments = [*arguments, "--data", str(Path(__file__) / "no-folder")]
        monkeypatch.setenv("IMPASTO_TOKEN", "token")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    code = run(_without_pipes(arguments))
    said = capsys.readouterr().err
    if code == 2:  # a wrong setting, not a wrong option: the module is not there
        assert re.search("(no_such|my)_module", said), said


def _without_pipes(words: list[str]) -> list[str]:
    """``< photo.jpg`` and ``> mine.toml`` are the shell's."""
    return words[: min(words.index(sign) if sign in words else len(words) for sign in "<>")]


@pytest.mark.soak
@pytest.mark.parametrize(
    "page", [page for page in PAGES if commands(page, "impasto")], ids=lambda page: str(page.name)
)
def test_the_commands_of_a_page_work_one_after_another(page: Path, tmp_path: Path) -> None:
    """As they are, but for size and iterations, from the example's pictures."""
    _write_inputs(tmp_path)
    for arguments in commands(page, "impasto"):
        if arguments[0] in ("serve", "work"):  # they do not end
            continue
        words = _small(arguments)
        found = {sign: tmp_path / words[words.index(sign) + 1] for sign in "<>" if sign in words}
        given = found["<"].read_bytes() if "<" in found else b""
        command = [sys.executable, "-m", "impasto.cli", *_without_pipes(words)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, input=given, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr.decode()}"
        if ">" in found:
            found[">"].write_bytes(done.stdout)


def _write_inputs(folder: Path) -> None:
    """All that the pages' commands read, small."""
    for name in NAMES:
        source = EXAMPLE / ("photo.jpg" if name == "photo.jpg" else "painting.jpg")
        Image.open(source).resize((96, 80)).save(folder / name)
    for name in ("cafe-terrace", "village-street", "great-wave"):
        (folder / f"{name}.jpg").symlink_to(EXAMPLE.parent / "paintings" / f"{name}.jpg")
    (folder / "shapes.jpg").symlink_to(EXAMPLE.parent / "paintings" / "composition-viii.jpg")
    sky = Image.fromarray((255 * (np.arange(80) < 30)).astype(np.uint8)[:, None].repeat(96, 1))
    sky.save(folder / "sky.png")
    Image.eval(sky, lambda value: 255 - value).save(folder / "house.png")
    logo = Image.open(folder / "photo.jpg")
    logo.putalpha(sky)
    logo.save(folder / "logo.png")
    for name in ("photos", "paintings"):
        (folder / name).mkdir()
        (folder / name / "a.jpg").symlink_to(folder / "a.jpg")
    noise = np.random.default_rng(0)
    for name in ("speech.wav", "tabla.flac", "rain.flac"):
        write_sound(folder / name, Sound(noise.random((9000, 1)) / 2, 22050))
    for name in ("clip.mp4", "clip.mov"):
        write_video(folder / "written.mp4", noise.random((3, 48, 64, 3), np.float32), [0.1] * 3)
        (folder / "written.mp4").rename(folder / name)
    (folder / "rows.csv").write_text("content,style\nphotos/a.jpg,b.jpg\n")
    shutil.copytree(DATA / "plain", folder / "my-model")
    (folder / "models").symlink_to(EXAMPLE.parent)
    (folder / "my_module.py").write_text(_own_module(), encoding="utf-8")


def _small(arguments: list[str]) -> list[str]:
    """The same with fewer pixels and iterations, over what a command before it wrote."""
    words = [word for word in arguments if word != "--preview"]  # it needs a terminal
    for option, value in (("--size", "64"), ("--iterations", "2"), ("--device", "cpu")):
        if option in words:
            words[words.index(option) + 1] = value
    if "--weights" in words:  # a file of 548 MB
        words[words.index("--weights") + 1] = "shipped"
    if words[0] in ("sound", "texture-sound"):
        words[1:1] = ["--iterations", "2"]
    if words[0] == "video":
        words[1:1] = ["--frame-iterations", "1"]
    painting = ("stylize", "texture", "reconstruct", "batch", "gallery", "video")
    if words[0] in painting and "--resume" not in words:
        small = [] if {"--size", "--width"} & {*words} else ["--size", "64"]
        small += [] if {"--iterations", "--quality"} & {*words} else ["--iterations", "2"]
        words[1:1] = small
    if "<" in words or ("-o" not in words and words[0] != "resume"):
        return words
    return [*words, "--overwrite"]


def _own_module() -> str:
    """The head of the README, and the encoder of docs/encoders.md under both names."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    head = re.search(r"(?m)^    class ChannelMeans.*\n(?:(?:        .*)?\n)+", readme)
    encoder = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "encoders.md").read_text(), re.S)
    assert head
    assert encoder
    own = 'class MyEncoder(Small):\n    name, layers = "mine", ("first", "middle", "last")\n'
    own += "    def forward(self, image):\n"
    own += "        return dict(zip(self.layers, super().forward(image).values()))\n"
    parts = ("import impasto.export", textwrap.dedent(head[0]), encoder[1], own)
    return "\n\n".join(parts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_what_make_and_installers_are_told_is_there(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {arguments[0] for arguments in commands(page, "make")} <= {*targets}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for program in ("pip install", "uv tool install", "pipx install"):
        for what, *_ in commands(page, program):
            place, extras = re.fullmatch(r"(.+)\[([\w,]+)\]", what).groups()  # type: ignore[union-attr]
            assert {*extras.split(",")} <= project["optional-dependencies"].keys()
            wheel = f"dist/impasto-{project['version']}-py3-none-any.whl"
            assert place in (".", wheel)


def test_nothing_tells_to_install_the_package_from_an_index() -> None:
    """It is on none."""
    folders = ("cli", "docs", "export", "models", "runtime")
    files = [path for name in folders for path in (ROOT / name).rglob("*.*") if path.is_file()]
    for path in (ROOT / "README.md", *files):
        if path.suffix in (".md", ".py"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(pip|pipx|tool) install\s+(-\S+\s+)*['\"]?impasto\b", text), path


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """With every option in it; where what builds it is installed: `make docs` brings that."""
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    options = (tmp_path / "options.html").read_text(encoding="utf-8")
    for kind in (Settings, Machine, Files):
        assert [name for name in describe(kind) if f">{flag(name)}<" not in options] == []
    api = (tmp_path / "api.html").read_text(encoding="utf-8")
    assert [name for name in impasto.runtime.__all__ if f'.{name}"' not in api] == []
