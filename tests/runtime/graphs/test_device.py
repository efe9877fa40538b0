"""What is said where ONNX Runtime is missing, too old or broken. Each in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from impasto.runtime import BundleError, DeviceError, Engine
from impasto.runtime.graphs.device import MINIMUM, not_installed

GPU = r"pip install onnxruntime, or .* 'onnxruntime-gpu\[cuda"
ROOT = Path(__file__).parents[3]
PLAIN = ROOT / "tests" / "data" / "plain"
TWO = PLAIN.with_name("moving")
"""A bundle with two objectives, ``gatys`` and ``video``."""
REAL = Path(onnxruntime.__file__).parent
LOAD = """
from impasto.runtime import Engine, ImpastoError
try:
    Engine.load(device="cpu")
except ImpastoError as error:
    print(error)
"""


def said(folder: Path) -> str:
    """By an engine that finds a folder's packages first; nothing else is printed."""
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    return done.stdout.strip()


def broken(folder: Path, library: bytes) -> Path:
    """ONNX Runtime as it is installed, but for the library that does the work."""
    for source in REAL.rglob("*"):
        copy = folder / "onnxruntime" / source.relative_to(REAL)
        if source.name.startswith("onnxruntime_pybind11_state") and source.suffix in (
            ".so",
            ".pyd",
        ):
            copy.write_bytes(library)
        elif source.is_dir():
            copy.mkdir(parents=True)
        elif source.suffix != ".pyc":
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(source)
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("library", [b"", b"\x7fELF" + bytes(200), b"MZ of another system" * 99])
def test_a_broken_library(tmp_path: Path, library: bytes) -> None:
    sentence = said(broken(tmp_path, library))
    assert re.match(r"ONNX Runtime is installed but does not start \(.+\): pip install", sentence)
    assert sentence.endswith(": pip install --force-reinstall onnxruntime")


def test_what_windows_says_without_the_visual_c_runtime(tmp_path: Path) -> None:
    text = "DLL load failed while importing onnxruntime_pybind11_state: not found."
    (tmp_path / "onnxruntime.py").write_text(f"raise ImportError({text!r})")
    sentence = said(tmp_path)
    assert f"({text}): install the latest Microsoft Visual C++ Redistributable" in sentence


@pytest.mark.parametrize("source", ["raise AttributeError('module x has no y\\nmore')", "1 / 0"])
def test_half_of_it_is_there(tmp_path: Path, source: str) -> None:
    (tmp_path / "onnxruntime.py").write_text(source)
    assert "does not start (" in said(tmp_path)


def test_what_uninstalling_one_of_two_builds_leaves(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").touch()
    sentence = said(tmp_path)
    assert sentence == "ONNX Runtime is incomplete: pip install --force-reinstall onnxruntime"


@pytest.mark.parametrize("version", ["1.17.3", "1.23.2", "0.9"])
@pytest.mark.parametrize("name", ["onnxruntime", "onnxruntime-gpu"])
def test_an_old_one(tmp_path: Path, name: str, version: str) -> None:
    folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(text)
    assert said(tmp_path) == (
        f"{name} {version} is too old, 1.24 is needed: pip install --upgrade {name}"
    )


def test_an_old_one_that_no_installer_brought(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("__version__ = '1.9.0'\nInferenceSession = object")
    assert "onnxruntime 1.9.0 is too old" in said(tmp_path)


def test_the_least_version_is_what_the_package_asks_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least = ".".join(map(str, MINIMUM))
    asked = [text for name in ("cpu", "gpu") for text in extras["optional-dependencies"][name]]
    assert [text.partition(">=")[2] for text in asked if "onnxruntime" in text] == [least, least]


@pytest.mark.parametrize(
    ("machine", "mend"),
    [
        (
            ("linux", "x86_64", "x86_64-linux-gnu"),
            GPU,
        ),
        (
            ("win32", "AMD64", "cp312-win_amd64"),
            GPU,
        ),
        (("darwin", "arm64", ""), r"pip install onnxruntime$"),
        (("darwin", "x86_64", ""), r"no build for Macs with Intel processors: use another"),
        (
            ("linux", "x86_64", "x86_64-linux-musl"),
            r"no build for musl: use a system with glibc",
        ),
    ],
)
def test_where_there_is_none(machine: tuple[str, str, str], mend: str) -> None:
    assert re.search(mend, not_installed(*machine))


def test_an_experimental_device_is_taken_by_name(photo: Callable[..., Any]) -> None:
    """Azure's is in every CPU build and takes no node: so all of it is asked for, and computed."""
    engine = Engine.load(PLAIN, device="azure")
    assert engine.device == "azure"
    picture = photo("chelsea", 32, 48)
    plain = Engine.load(PLAIN, device="cpu", convolutions="plain")
    found, expected = (e.stylize(picture, picture, size=48, iterations=2) for e in (engine, plain))
    assert engine.convolutions == "plain (azure chooses its own)"
    assert found.loss == pytest.approx(expected.loss, rel=1e-4)


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of the bundle whose conformance file says something that nothing computes."""
    shutil.copytree(TWO, folder)
    path, manifest = folder / "conformance.json", folder / "manifest.json"
    raw, entries = json.loads(path.read_text()), json.loads(manifest.read_text())
    change(raw)
    content = json.dumps(raw).encode()
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    entries["conformance"] = {"size": len(content), "sha256": digest}
    manifest.write_text(json.dumps(entries))
    return folder


def scaled_gradients(objective: str) -> Callable[[dict[str, Any]], None]:
    """Of its cases, as OpenVINO's own precision has them off."""

    def change(raw: dict[str, Any]) -> None:
        for case in raw["cases"]:
            if case["objective"] == objective:
                case["gradient"] = [1.046 * value for value in case["gradient"]]

    return change


WRONG = r"azure computes .*plain: gradient is off by 4\.4e-02, and 1e-04 is allowed: take another"


def test_an_experimental_device_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    """For the CPU itself the figures are not asked."""
    folder = changed(tmp_path / "bundle", scaled_gradients("gatys"))
    with pytest.raises(DeviceError, match=WRONG):
        Engine.load(folder, device="azure")
    assert Engine.load(folder, device="cpu").device == "cpu"
    manifest = folder / "manifest.json"
    entries = json.loads(manifest.read_text())
    del entries["conformance"]
    manifest.write_text(json.dumps(entries))
    with pytest.raises(BundleError, match="the bundle has none: export it again"):
        Engine.load(folder, device="azure")


def test_an_objective_is_checked_when_it_is_first_asked_for(
    tmp_path: Path, photo: Callable[..., Any]
) -> None:
    folder = changed(tmp_path / "bundle", scaled_gradients("video"))
    engine, picture = Engine.load(folder, device="azure"), photo("chelsea", 32, 48)
    for _ in range(2):
        with pytest.raises(DeviceError, match=WRONG):
            engine.start(picture, picture, objective="video")
    assert engine.stylize(picture, picture, size=48, iterations=2).iterations == 2


def test_an_objective_of_which_the_file_says_nothing(
    tmp_path: Path, photo: Callable[..., Any]
) -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["cases"] = [case for case in raw["cases"] if case["objective"] != "video"]

    engine = Engine.load(changed(tmp_path / "bundle", change), device="azure")
    with pytest.raises(DeviceError, match=r"has nothing of video with .* pooling to check it by"):
        engine.start(photo("chelsea", 32, 48), photo("chelsea", 32, 48), objective="video")
