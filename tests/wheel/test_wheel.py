"""The built wheel in a venv of its own: the deployment machine. Run by `make wheel` alone."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import sysconfig
from importlib import metadata, resources
from pathlib import Path

import pytest

SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
EXAMPLE = Path(str(resources.files("impasto.models"))) / "example"
TEST_TOOLS = ("pytest", "_pytest", "pip", "setuptools", "pluggy", "iniconfig")
PAINT = """
import sys
from impasto.runtime import Engine
engine = Engine.load(device="cpu")
result = engine.stylize({photo!r}, {painting!r}, size=32, iterations=2)
assert result.image.shape[1] == 32
strangers = {{"torch", "onnx", "onnxscript", "typer", "impasto.export"}}
print(sorted(strangers & set(sys.modules)))
"""


def impasto(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("impasto")), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["torch", "onnx", "onnxscript", "h5py"])
def test_the_exporters_packages_are_not_installed(name: str) -> None:
    assert importlib.util.find_spec(name) is None


def test_the_package_comes_from_the_wheel() -> None:
    assert EXAMPLE.is_relative_to(SITE_PACKAGES)


def test_painting_imports_nothing_of_the_exporter(tmp_path: Path) -> None:
    code = PAINT.format(photo=str(EXAMPLE / "photo.jpg"), painting=str(EXAMPLE / "painting.jpg"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_picture_in_one_command(tmp_path: Path) -> None:
    painting = ("--style", EXAMPLE / "painting.jpg", "-o", "out.png")
    small = ("--size", 64, "--iterations", 2)
    done = impasto("stylize", EXAMPLE / "photo.jpg", *painting, *small, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_doctor_finds_nothing_wrong(tmp_path: Path) -> None:
    done = impasto("doctor", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    json.loads(done.stdout)


def test_export_says_what_to_install(tmp_path: Path) -> None:
    done = impasto("export", "-o", "bundle", folder=tmp_path)
    assert done.returncode == 1
    assert "pip install 'torch" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_licences_are_in_the_wheel() -> None:
    names = {path.name for path in metadata.files("impasto") or []}
    assert {"LICENSE", "NOTICE", "py.typed", "README.md"} <= names


def test_site_packages_stay_below_245_megabytes() -> None:
    size = sum(
        path.stat().st_size
        for path in SITE_PACKAGES.rglob("*")
        if path.is_file() and path.relative_to(SITE_PACKAGES).parts[0] not in TEST_TOOLS
    )
    assert size <= 245e6
