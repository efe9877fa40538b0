"""The conformance file: its figures are right, and what computes something else does not pass."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from impasto.runtime import Bundle, BundleError, Verification, verify_bundle
from impasto.runtime.conformance.probes import IMAGE, STREAMS, picture, sketch
from impasto.runtime.conformance.verify import read_conformance

PLAIN = Path(__file__).parents[2] / "data" / "plain"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PLAIN, tmp_path / "bundle"))


def replace(folder: Path, name: str, content: bytes) -> None:
    """A file, and what the manifest says of it."""
    (folder / name).write_bytes(content)
    path = folder / "manifest.json"
    raw = json.loads(path.read_text())
    entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if name == "conformance.json":
        raw["conformance"] = entry
    else:
        raw["files"][name] = entry
    path.write_text(json.dumps(raw))


def scaled(content: bytes, output: str, factor: float) -> bytes:
    """A graph whose output is multiplied."""
    model = onnx.ModelProto.FromString(content)
    for node in model.graph.node:
        for k, name in enumerate(node.output):
            if name == output:
                node.output[k] = f"{output}_before"
        for k, name in enumerate(node.input):
            if name == output:
                node.input[k] = f"{output}_before"
    model.graph.initializer.append(numpy_helper.from_array(np.float32(factor), "factor"))
    model.graph.node.append(helper.make_node("Mul", [f"{output}_before", "factor"], [output]))
    return model.SerializeToString()


def wrong(found: Verification) -> set[str]:
    return {figure.kind for figure in found.figures if not figure.passes}


def test_a_bundle_is_computed_as_it_should_be() -> None:
    found = verify_bundle(PLAIN, device="cpu")
    assert found.passes
    assert wrong(found) == set()
    assert found.device == "cpu"
    assert set(found.worst) == {"loss", "gradient", "optimizer", "run"}
    assert sum("tiles" in figure.what for figure in found.figures) > 5


@pytest.mark.parametrize(
    ("file", "output", "kinds"),
    [
        ("step-gatys-own.onnx", "gradient", {"gradient"}),
        ("pullback-gatys-own.onnx", "gradient", {"gradient"}),
        ("loss-gatys.onnx", "cotangents", {"gradient"}),
        ("step-gatys-own.onnx", "loss", {"loss", "run"}),
        ("describe-gatys-own.onnx", "style.second.target", {"loss", "gradient", "run"}),
        ("lbfgs.onnx", "rho", {"optimizer"}),
        ("lbfgs.onnx", "next_image", {"optimizer", "run"}),
        ("adam.onnx", "next_square", {"optimizer"}),
    ],
)
def test_an_output_that_is_a_thousandth_off(
    copy: Path, file: str, output: str, kinds: set[str]
) -> None:
    """A gradient that is wrong by a factor leaves the loss as it is, and a run nearly so."""
    replace(copy, file, scaled((copy / file).read_bytes(), output, 1.001))
    found = verify_bundle(copy, device="cpu")
    assert not found.passes
    assert wrong(found) >= kinds
    if kinds == {"gradient"}:
        assert found.worst["gradient"].error == pytest.approx(1e-3, rel=0.3)
        assert wrong(found) <= {"gradient", "run"}


def test_it_is_in_the_manifest_and_not_in_the_digest(copy: Path) -> None:
    """Pictures that were painted before a bundle had the file, or another, can be replayed."""
    before, path = Bundle(copy), copy / "manifest.json"
    raw = json.loads(path.read_text())
    assert raw["conformance"]["size"] == (copy / "conformance.json").stat().st_size
    del raw["conformance"]
    path.write_text(json.dumps(raw, indent=1) + "\n")
    (copy / "conformance.json").unlink()
    without = Bundle(copy)
    assert without.digest == before.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(
        BundleError, match=r"conformance\.json: the bundle has none: export it again"
    ):
        verify_bundle(without, device="cpu")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda raw: raw.update(schema=3), "schema 3, but this version of impasto reads schema 2"),
        (lambda raw: raw.pop("adam"), "missing or unknown entries: adam"),
        (lambda raw: raw["cases"][0].update(objective="other"), "the bundle has no other, own"),
        (lambda raw: raw["cases"][0].update(size=[48, 63]), "its weights or its size do not fit"),
        (lambda raw: raw["run"]["weights"].pop(), "its weights or its size do not fit"),
    ],
)
def test_a_file_that_does_not_fit(
    copy: Path, change: Callable[[dict[str, Any]], object], part: str
) -> None:
    raw = json.loads((copy / "conformance.json").read_text())
    change(raw)
    replace(copy, "conformance.json", json.dumps(raw).encode())
    with pytest.raises(BundleError, match=part):
        verify_bundle(copy, device="cpu")


def test_a_file_that_was_changed(copy: Path) -> None:
    with (copy / "conformance.json").open("a") as file:
        file.write(" ")
    with pytest.raises(BundleError, match=r"conformance\.json"):
        Bundle(copy)


def test_the_shipped_figures_are_those_of_the_papers(reference: Any) -> None:
    """Of one objective with each pooling, by a network and losses that share no code with it."""
    bundle = Bundle("vgg19")
    for case in read_conformance(bundle).cases:
        if case.objective != "gatys" or case.window is not None:
            continue
        first = case.seed * STREAMS
        image, content, style = (
            picture(bundle.manifest.canvas, case.size, first + IMAGE + k) for k in range(3)
        )
        net = reference.Reference(case.pooling, content, style, dtype=reference.torch.float64)
        terms = bundle.manifest.objectives["gatys"].terms
        weights = dict(zip((term.name for term in terms), case.weights, strict=True))
        found, gradients = net.terms(image), net.gradients(image)
        for term, value in zip(terms, case.terms, strict=True):
            assert value == pytest.approx(found[term.name], rel=1e-6), term.name
        gradient = sum(weights[name] * part for name, part in gradients.items())
        error = np.linalg.norm(np.subtract(sketch(gradient), case.gradient))
        assert error < 1e-6 * np.linalg.norm(case.gradient)
        loss = sum(weights[name] * value for name, value in found.items())
        assert case.loss == pytest.approx(loss, rel=1e-6)


def test_the_shipped_bundle_has_all_that_a_runtime_needs() -> None:
    bundle = Bundle("vgg19")
    expected = read_conformance(bundle)
    kinds = [(case.objective, case.pooling, case.size[::-1]) for case in expected.cases]
    margins = {name: entry.margin[1] for name, entry in bundle.manifest.objectives.items()}
    assert margins["gatys"] == 80
    assert kinds == [
        (name, pooling, size)
        for name, entry in bundle.manifest.objectives.items()
        for pooling in entry.poolings
        for size in ((64, 48), (2 * margins[name] + 48, 64))
    ]
    assert [call.pairs for call in expected.lbfgs.calls] == [0, 9]
    assert len(expected.adam.images) == 3
    assert expected.run is not None
    assert len(expected.run.losses) == 9
    assert vars(expected.tolerance) == {
        "loss": 1e-5, "run": 1e-5, "gradient": 1e-4, "optimizer": 1e-5
    }  # fmt: skip


@pytest.mark.soak
def test_the_shipped_bundle_is_computed_as_it_should_be() -> None:
    """All of it takes minutes; other languages run parts of it in every test."""
    found = verify_bundle("vgg19", device="cpu")
    assert found.passes
    for way in ("plain", "winograd", "plain, tiles", "winograd, tiles"):
        assert any(f", {way}: gradient" in figure.what for figure in found.figures)
