"""The examples in a folder of their own, beside what `make .venv/node/ready` installs."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / ".venv" / "node" / "node_modules"
MODELS = Path(str(resources.files("impasto.models")))
LIMIT = 1800
"""Seconds: all figures of the shipped bundle take minutes, more beside other work."""


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("node"):
        pytest.skip("Node is not installed")
    if not PACKAGES.is_dir():
        pytest.skip("its packages are not installed: make .venv/node/ready")
    folder = tmp_path_factory.mktemp("examples") / "examples"
    shutil.copytree(ROOT / "docs" / "examples", folder, ignore=lambda *_: ["node_modules"])
    (folder / "node_modules").symlink_to(PACKAGES)
    return folder


@pytest.fixture(scope="session")
def node(examples: Path) -> Callable[..., list[Any]]:
    """``node("node/verify.mjs", "--json")``: the JSON values that a script prints, by line."""

    def run(script: str, *arguments: object) -> list[Any]:
        command = ["node", str(examples / script), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A photograph and a painting, as PNG: decoders of JPEG differ."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, size in (("photo", (160, 107)), ("painting", (120, 150))):
        picture = Image.open(MODELS / "example" / f"{name}.jpg").convert("RGB")
        picture.resize(size).save(folder / f"{name}.png")
    return folder / "photo.png", folder / "painting.png"
