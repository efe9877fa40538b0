from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from impasto.cli.commands import COMMANDS
from impasto.runtime import read_manifest
from impasto.runtime.bundle.bundle import Bundle

Program = Callable[..., Any]


def test_version(impasto: Program) -> None:
    assert impasto("--version").stdout == f"impasto {metadata.version('impasto')}\n"


def test_no_arguments_are_a_call_for_help(impasto: Program) -> None:
    done = impasto()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == impasto("--help").stdout
    assert len(COMMANDS) == 20
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


def test_help_loads_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "impasto.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "impasto.cli.commands" in loaded
    assert not loaded & {"typer", "numpy", "onnxruntime", "PIL", "psutil", "rich", "torch"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_shows_every_command(name: str) -> None:
    assert f"impasto {name}" in Path(__file__).parents[2].joinpath("README.md").read_text()


PLAIN = Path(__file__).parents[1] / "data" / "plain"


def test_inspect_verifies(impasto: Program) -> None:
    done = impasto("inspect", PLAIN, "--verify", "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{PLAIN} on cpu: as it should be; ")
    for kind in ("loss", "gradient", "optimizer", "run"):
        assert re.search(rf"(?m)^  {kind}: \d\.\de-\d\d, at most 1e-0\d \(", done.stdout)


def test_inspect_says_what_is_wrong(impasto: Program, tmp_path: Path) -> None:
    """With figures that nothing computes: as if a graph were wrong."""
    folder = Path(shutil.copytree(PLAIN, tmp_path / "bundle"))
    path, manifest = folder / "conformance.json", folder / "manifest.json"
    raw, entries = json.loads(path.read_text()), json.loads(manifest.read_text())
    raw["cases"][0]["gradient"] = [1.01 * value for value in raw["cases"][0]["gradient"]]
    path.write_text(json.dumps(raw))
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    entries["conformance"] = {"size": len(content), "sha256": digest}
    manifest.write_text(json.dumps(entries))
    done = impasto("inspect", folder, "--verify", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr, found["passes"]) == (1, "", False)
    assert found["worst"]["gradient"] == pytest.approx(0.0099, abs=1e-4)
    wrong = [f["what"] for f in found["figures"] if f["error"] > f["tolerance"]]
    assert wrong == ["gatys, own, 64 x 48, plain: gradient"]
    done = impasto("inspect", folder, "--verify")
    assert done.returncode == 1
    assert f"\nwrong: {wrong[0]}: 9.9e-03, at most 1e-04\n" in done.stdout


def test_inspect_as_text(impasto: Program) -> None:
    done = impasto("inspect")
    bundle = Bundle()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{bundle.path}: vgg19, complete and unaltered\n")
    manifest = bundle.manifest
    for word in (
        *manifest.objectives["gatys"].poolings,
        *(term.name for term in manifest.objectives["gatys"].terms),
        *manifest.presets,
        *manifest.files,
        *(file.sha256 for file in manifest.files.values()),
        *(str(file.size) for file in manifest.files.values()),
        *(name for graph in manifest.signatures.values() for name in graph.inputs | graph.outputs),
        *(
            f"schedule {' '.join(map(str, p.settings['schedule']))}"
            for p in manifest.presets.values()
        ),
        f"step-gatys-avg.onnx: {bundle.operators('step-gatys-avg.onnx').total()} operators",
        "CC BY 4.0",
    ):
        assert word in " ".join(done.stdout.split())


def test_presets_are_explained(impasto: Program) -> None:
    done = impasto("presets")
    manifest = read_manifest()
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    for name, preset in manifest.presets.items():
        assert f"{name}: {preset.about}" in text
    assert "style of conv1_1, conv2_1, conv3_1, conv4_1; tv of image" in text
    assert "content_weight 2, style_weight 1000, tv_weight 0, init style, optimizer lbfgs" in text
    told = [json.loads(line) for line in impasto("presets", "--json").stdout.splitlines()]
    assert [line["preset"] for line in told] == list(manifest.presets)
    assert told[0]["settings"] == manifest.presets["paint"].settings


def test_inspect_as_json(impasto: Program, bundle: Callable[..., Path]) -> None:
    folder = bundle(size=300)
    for done in (
        impasto("inspect", "bundle", "--json"),
        impasto("inspect", "--json", IMPASTO_MODEL=folder),
    ):
        found = json.loads(done.stdout)
        operators = found.pop("operators")
        assert Path(found.pop("path")).name == "bundle"
        assert found == json.loads((folder / "manifest.json").read_text())
        assert operators["step-gatys-avg.onnx"]["Conv"] > 20


def test_doctor_is_content_with_this_installation(impasto: Program) -> None:
    done = impasto("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nall is well\n")
    found = json.loads(impasto("doctor", "--json").stdout)
    for name in ("impasto", "numpy", "pillow"):
        assert found[name] == metadata.version(name)
    assert "CPUExecutionProvider" in found["providers"]
    assert found["device"] in ("cpu", "cuda:0")
    assert found["device"] == "cuda:0" or "CUDA" in found["cuda"]
    assert found["run"]["iterations"] == 3
    assert found["problems"] == []


def test_onnx_runtime_is_kept_from_calling_home(impasto: Program, tmp_path: Path) -> None:
    """Its telemetry starts with two files, unless it sees that it runs in a CI service."""
    places = {"TMPDIR": tmp_path, "HOME": tmp_path, "XDG_CACHE_HOME": tmp_path, "CI": ""}
    assert impasto("doctor", **places).returncode == 0
    assert not list(tmp_path.iterdir())
    impasto("doctor", **places, ORT_DISABLE_TELEMETRY=0)  # whoever wants it may have it
    assert list(tmp_path.iterdir())


def diagnosis(impasto: Program, **environment: object) -> str:
    done = impasto("doctor", **environment)
    [problem] = [line for line in done.stdout.splitlines() if line.startswith("problem: ")]
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith("\nproblems: 1\n")
    found = impasto("doctor", "--json", **environment)
    assert found.returncode == 1
    assert [f"problem: {text}" for text in json.loads(found.stdout)["problems"]] == [problem]
    return problem


def test_doctor_finds_two_builds_of_onnx_runtime(impasto: Program, tmp_path: Path) -> None:
    other = tmp_path / "onnxruntime_gpu-1.24.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.24.0\n"
    )
    problem = diagnosis(impasto, PYTHONPATH=tmp_path)
    assert "onnxruntime and onnxruntime-gpu are both installed" in problem
    assert "pip uninstall onnxruntime onnxruntime-gpu" in problem


def test_doctor_finds_that_onnx_runtime_does_not_start(impasto: Program, tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libfoo.so.1: cannot open')")
    problem = diagnosis(impasto, PYTHONPATH=tmp_path)
    assert "does not start (libfoo.so.1: cannot open)" in problem


def test_doctor_finds_that_the_bundle_is_gone(impasto: Program, tmp_path: Path) -> None:
    assert "no bundle here" in diagnosis(impasto, IMPASTO_MODEL=tmp_path)


def test_an_estimate(impasto: Program, photo: Path) -> None:
    command = ("estimate", photo, "--size", 640, "--iterations", 5)
    done = impasto(*command, "--memory", "800MB", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    *coarser, scale = found["scales"]
    assert [whole["size"] for whole in coarser] == [[80, 53], [160, 107], [320, 213]]
    assert scale["size"] == [640, 426]
    assert scale["iterations"] == 5
    assert scale["tile_pixels"] < 640 * 426
    assert found["memory"] <= 8e8
    assert found["seconds"] > 1
    tight = impasto(*command, "--memory", "800MB").stdout
    times = re.search(r"in tiles of [\d,]+ pixels: (\d\.\d) times a whole's time", tight)
    assert times
    assert float(times[1]) > 1.5
    text = impasto(*command).stdout
    assert re.match(
        r"640 x 426 pixels: about \d.* and \d.* of memory; convolutions: (plain|winograd) ", text
    )
    assert "5 iterations at 640 x 426: lbfgs, history 10\n" in text
