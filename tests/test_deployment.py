"""The files to deploy by: linted, and what they run is what the command line knows."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from impasto.cli.commands import meant
from impasto.cli.options import fields_of, flag

FOLDER = Path(__file__).parents[1] / "docs" / "deployment"
DOCKERFILES = [FOLDER / "Dockerfile", FOLDER / "Dockerfile.cuda"]


def in_yaml(name: str) -> list[list[str]]:
    """Every list of words that a container of ours begins with."""
    found = []

    def visit(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("image") == "impasto":
                found.append(value.get("command") or value.get("args"))
            for item in value.values():
                visit(item)
        elif isinstance(value, list):
            for item in value:
                visit(item)

    for document in yaml.safe_load_all((FOLDER / name).read_text()):
        visit(document)
    return found


def commands() -> list[list[str]]:
    unit = re.findall(
        r"^ExecStart=\S+/impasto (.*)$", (FOLDER / "impasto.service").read_text(), re.M
    )
    images = [re.findall(r"^CMD (.*)$", path.read_text(), re.MULTILINE) for path in DOCKERFILES]
    found = [shlex.split(line) for line in unit] + [json.loads(line) for (line,) in images]
    return found + in_yaml("compose.yaml") + in_yaml("kubernetes.yaml")


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_what_they_run_is_there(words: list[str]) -> None:
    command, *rest = meant(words)
    known = {flag(name) for name in fields_of(command)} | {"-o"}
    assert {word for word in rest if word.startswith("-")} <= known


def test_all_of_them_were_found() -> None:
    assert len(commands()) == 7


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_the_images_keep_hadolints_rules(path: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_an_image_copies_is_in_the_repository(path: Path) -> None:
    lines = path.with_name(f"{path.name}.dockerignore").read_text().splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert all((FOLDER.parents[1] / name).exists() for name in kept)
    assert "constraints.txt" in kept


def test_the_unit_is_one(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    text = (FOLDER / "impasto.service").read_text()
    unit = tmp_path / "impasto.service"
    unit.write_text(re.sub("/opt/impasto/bin/impasto", "/bin/true", text))
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
