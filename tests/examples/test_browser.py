"""The page in real Chromium, doing what a person does: from two files to a saved picture."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from .conftest import MODELS, PACKAGES

Node = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("Chromium is not installed")
    return found


@pytest.fixture(scope="module")
def address(examples: Path) -> Iterator[str]:
    command = ["node", "browser/serve.mjs", "--port", "0", "--bundle", str(MODELS / "vgg19")]
    command += ["--ort", str(PACKAGES / "onnxruntime-web" / "dist")]
    server = subprocess.Popen(command, cwd=examples, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    yield server.stdout.readline().strip()
    server.kill()
    server.wait()
    server.stdout.close()


def test_two_pictures_are_painted_and_saved(
    node: Node, chromium: str, address: str, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    (told,) = node("browser/try.mjs", chromium, address, *pictures, tmp_path, "--iterations", 3)
    assert (told["faults"], told["strangers"], told["isolated"]) == ([], [], True)
    assert told["status"].startswith("Painted in ")
    assert Image.open(tmp_path / "painted.png").size == (128, 86)
    for state in ("first", "painting", "done"):
        assert Image.open(tmp_path / f"{state}.png").width == 390


@pytest.mark.soak  # every day it runs in Node's WebAssembly
def test_the_conformance_file_in_the_page_s_worker(
    node: Node, chromium: str, address: str, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    only = "gatys-conv4, avg, 64"
    (told,) = node("browser/try.mjs", chromium, address, *pictures, tmp_path, "--verify", only)
    assert (told["faults"], told["strangers"]) == ([], [])
    assert told["threads"] >= 1
    assert {figure["kind"] for figure in told["figures"]} == {
        "loss",
        "gradient",
        "optimizer",
        "run",
    }
    assert [figure for figure in told["figures"] if not figure["passes"]] == []
