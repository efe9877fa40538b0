"""The real program, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

MODELS = Path(str(resources.files("impasto.models")))


@pytest.fixture(autouse=True, scope="session")
def hangups() -> None:
    """Programs begin with what terminals do, also where the tests run under nohup."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def photo() -> Path:
    return MODELS / "example" / "photo.jpg"


@pytest.fixture
def painting() -> Path:
    return MODELS / "example" / "painting.jpg"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``start("inspect", IMPASTO_MODEL=...)``: a process in tmp_path; it does not outlive the test.

    Keywords are Popen's if small, environment variables if capital.
    """
    processes: list[subprocess.Popen[str]] = []

    def run(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        environment = {name: str(options.pop(name)) for name in list(options) if name.isupper()}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [sys.executable, "-m", "impasto.cli", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | environment,
            text=True,
            **pipes | options,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def impasto(
    start: Callable[..., subprocess.Popen[str]],
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """As ``start``, but waits for the end."""

    def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Path]:
    """``bundle(min_size=32)``: the packaged one with other numbers in its presets, as a folder."""

    def copy(**changes: object) -> Path:
        folder = tmp_path / "bundle"
        folder.mkdir()
        for file in (MODELS / "vgg19").iterdir():
            if file.name != "manifest.json":
                (folder / file.name).symlink_to(file)
        manifest = json.loads((MODELS / "vgg19" / "manifest.json").read_text())
        for preset in manifest["presets"].values():
            preset["settings"].update(changes)
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return copy
