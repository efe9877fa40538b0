"""The command line offers what the three lists of settings have, and nothing else."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from impasto.cli.audio.options import Sounds
from impasto.cli.batch.options import Folders
from impasto.cli.commands import COMMANDS
from impasto.cli.options import PAINTINGS, POSITIONAL, flag, is_positional
from impasto.cli.program import command as made
from impasto.cli.serve.options import Service
from impasto.cli.sheets.options import Comparison, Gallery
from impasto.cli.video.options import Frames
from impasto.runtime import Engine, Files, Machine, Settings, describe

Program = Callable[..., Any]
KINDS: list[type[Any]] = [
    Settings,
    Machine,
    Files,
    Service,
    Folders,
    Gallery,
    Comparison,
    Sounds,
    Frames,
]
OWN = {"export", "inspect", "doctor", "presets"}
"""Commands that paint nothing: their options are their own."""

FIELDED = [name for name in COMMANDS if name not in OWN]


@pytest.mark.parametrize("command", FIELDED)
def test_a_command_has_the_fields_that_serve_it(command: str, impasto: Program) -> None:
    fields = {
        name: field
        for kind in KINDS
        for name, field in describe(kind).items()
        if command in field.about.commands
    }
    more = {PAINTINGS} & {*POSITIONAL.get(command, ())}
    assert {param.name for param in made(command).params} == {*fields} | more
    text = " ".join(impasto(command, "--help", COLUMNS=400).stdout.split())
    for name, field in fields.items():
        assert (name.upper() if is_positional(command, name) else flag(name)) in text
        assert field.about.help in text


def test_every_field_serves_a_command_that_there_is() -> None:
    for kind in KINDS:
        for name, field in describe(kind).items():
            assert {*field.about.commands} <= {*FIELDED}, name


def test_the_api_takes_every_field_and_nothing_else() -> None:
    taken = {*inspect.signature(Engine.start).parameters} - {"self", "given"}
    assert taken == {"content", "style", "init_image", "maps", "regions"}
    more = {*inspect.signature(Engine.stylize).parameters} - {"self", "given"} - taken
    assert more == {"on_step", "cancel"}
    assert taken - {"maps", "regions"} <= {*describe(Files)}  # --region names files


def test_settings_as_toml_are_read_again(impasto: Program, tmp_path: Path) -> None:
    options = ("--preset", "pastiche", "--style-weight", 0.1, "--weight", "style.conv1_1=3")
    done = impasto("settings", *options, "--iterations", 7, "--threads", 2, "--blend", "1,3")
    assert (done.returncode, done.stderr) == (0, "")
    found = tomllib.loads(done.stdout)
    assert found["machine"] == {"threads": 2}
    assert found["weights"] == {"style.conv1_1": 3.0}
    assert (found["preset"], found["style_weight"], found["blend"]) == ("pastiche", 0.1, [1, 3])
    assert {*found} - {"machine"} <= {*describe(Settings)}
    (tmp_path / "mine.toml").write_text(done.stdout)
    assert impasto("settings", "--config", "mine.toml").stdout == done.stdout


def test_options_win_over_a_configuration(
    impasto: Program, photo: Path, painting: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(
        'size = 48\nquality = "high"\nseed = 4\n[weights]\n"style.conv1_1" = 5\n'
        "[machine]\nthreads = 1\n"
    )
    done = impasto(
        *("stylize", photo, "--style", painting, "-o", "out.png", "--config", "mine.toml"),
        *("--iterations", 2, "--seed", 9, "--weight", "style.conv2_1=6"),
    )
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as image:
        text = image.text  # type: ignore[attr-defined]
    assert (text["size"], text["seed"], text["iterations"]) == ("48", "9", "2")
    assert text["weights"] == '{"style.conv1_1": 5.0, "style.conv2_1": 6.0}'


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("size = 5", "--size 5: give a whole number, 16 to 16384 pixels"),
        ('size = "5"', "--size 5: give"),
        ("sise = 48", "did you mean size?"),
        ("size =", "mine.toml: cannot be read: no TOML"),
        ("machine = 3", "[machine] must be a table"),
        ("[machine]\nthreads = 0", "--threads 0: give"),
        ("[machine]\nsize = 48", "no such setting"),
    ],
)
def test_a_configuration_with_a_mistake(
    impasto: Program, tmp_path: Path, text: str, part: str
) -> None:
    (tmp_path / "mine.toml").write_text(text)
    done = impasto("settings", "--config", "mine.toml")
    assert done.returncode in (1, 2)
    assert part in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_configuration_that_is_not_there(impasto: Program) -> None:
    done = impasto("settings", "--config", "gone.toml")
    assert (done.returncode, done.stderr) == (
        1,
        "impasto: gone.toml: cannot be read: No such file or directory\n",
    )
