"""What `export_bundle` writes, what it refuses, and that it leaves nothing half done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from impasto.export import VGG19, Head, Recipe, export_bundle, load_weights, masked
from impasto.export.bundle import Plan, _tracing
from impasto.export.graphs import Draft
from impasto.export.optimizer_graphs import add_optimizers
from impasto.export.tensors import Layout
from impasto.export.verify import verify
from impasto.runtime import Engine, verify_bundle
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.errors import ImpastoError, SettingError

SHIPPED = Path(str(resources.files("impasto.models") / "vgg19"))
ARTIFACTS = """
import sys
from impasto.export import VGG19, Layers, Recipe, bundle, export_bundle, load_weights
bundle.verify.verify = lambda *_: []  # other tests compare what ships with PyTorch
conv4 = Layers(["conv4_2"], ["conv1_1", "conv2_1", "conv3_1", "conv4_1"])
objectives = {"gatys-conv4": conv4} if len(sys.argv) > 2 else {}
if not objectives:
    bundle._add_conformance = lambda *_: None
recipe = Recipe(poolings=("avg", "max"), objectives=objectives)
export_bundle(sys.argv[1], VGG19(load_weights("shipped")), recipe)
"""


def export_again(folder: Path, *more: str) -> None:
    """In another process, where hashes fall in another order."""
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ARTIFACTS, str(folder), *more],
        env={**os.environ, "PYTHONHASHSEED": "4321"},
        check=True,
    )


def test_the_shipped_optimizers_are_what_the_code_exports(tmp_path: Path) -> None:
    """Byte for byte; an objective takes minutes, see the next test."""
    draft = Draft(tmp_path, VGG19(load_weights("shipped")).eval())
    with _tracing():
        made = add_optimizers(draft, 10)
    for name in (made.adam, made.lbfgs):
        assert (tmp_path / name).read_bytes() == (SHIPPED / name).read_bytes(), name


@pytest.mark.soak
def test_the_shipped_objective_is_what_the_code_exports(tmp_path: Path) -> None:
    """Byte for byte; the objective without conv5_1 takes as long again, see the next test."""
    export_again(tmp_path / "bundle")
    found = [path for path in (tmp_path / "bundle").iterdir() if path.name != "manifest.json"]
    assert len(found) > 15
    for path in found:
        assert path.read_bytes() == (SHIPPED / path.name).read_bytes(), path.name


@pytest.mark.soak
def test_the_shipped_bundle_is_what_the_code_exports(tmp_path: Path) -> None:
    """`make artifacts`, byte for byte."""
    folder = tmp_path / "bundle"
    export_again(folder, "all")
    assert sorted(os.listdir(folder)) == sorted(os.listdir(SHIPPED))
    for path in SHIPPED.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_an_export_is_a_bundle_and_replaces_an_older_one(exported: Any) -> None:
    bundle = Bundle(exported.folder)
    assert set(bundle.files) == {
        "adam.onnx",
        "describe-gatys-max.onnx",
        "lbfgs-part.onnx",
        "lbfgs-products.onnx",
        "lbfgs.onnx",
        "loss-gatys.onnx",
        "pullback-gatys-max.onnx",
        "statistics-gatys-max.onnx",
        "step-gatys-max.onnx",
        "weights.bin",
    }
    assert verify_bundle(bundle, device="cpu").passes
    assert {path.name for path in exported.folder.parent.iterdir()} == {"bundle"}
    assert bundle.manifest.optimizers.history_size == 3
    assert Engine.load(exported.folder, device="cpu").manifest == bundle.manifest


def test_the_report_has_every_graph_and_term_at_two_sizes(exported: Any) -> None:
    figures = {(figure.graph, figure.output) for figure in exported.report}
    tiles = [figure for figure in exported.report if figure.output.startswith("tiles/")]
    assert len(exported.report) - len(tiles) == 2 * (len(figures) - len(tiles))
    terms = [term.name for term in Plan(exported.encoder, exported.recipe).objectives["gatys"]]
    assert [figure.output for figure in tiles] == [f"tiles/{name}" for name in terms]
    assert {graph for graph, _ in figures} == set(os.listdir(exported.folder)) - {
        "weights.bin",
        "manifest.json",
        "conformance.json",
    }
    names = {f"terms/{name}" for name in terms} | {"loss", "gradient"}
    assert {name for graph, name in figures if graph == "step-gatys-max.onnx"} == names
    assert max(figure.error for figure in exported.report) <= 1e-4


# Verification


@pytest.fixture
def copy(exported: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported.folder, tmp_path / "copy"))


def check(folder: Path, exported: Any) -> None:
    verify(folder, exported.encoder, Plan(exported.encoder, exported.recipe).objectives)


@pytest.mark.parametrize("layer", ["conv1_1", "conv2_1"])
def test_a_changed_weight_is_found(copy: Path, exported: Any, layer: str) -> None:
    content = bytearray((copy / "weights.bin").read_bytes())
    offset = Layout(exported.encoder.stored()).offsets[f"{layer}.weight.table"]
    table = np.frombuffer(content, np.float32, 256, offset)
    table[abs(table).argmax()] *= 1.01  # one of a codebook's 256 values
    (copy / "weights.bin").write_bytes(content)
    with pytest.raises(ImpastoError, match=r"differs from PyTorch's .* the bundle was not written"):
        check(copy, exported)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "step-gatys-max.onnx",
            "describe-gatys-max.onnx",
            "statistics-gatys-max.onnx",
            "pullback-gatys-max.onnx",
        ),
        *("loss-gatys.onnx", "adam.onnx", "lbfgs.onnx", "lbfgs-products.onnx", "lbfgs-part.onnx"),
    ],
)
def test_a_changed_graph_is_found(copy: Path, exported: Any, name: str) -> None:
    """The last output becomes a thousandth too large."""
    model = onnx.load(copy / name, load_external_data=False)
    factor = numpy_helper.from_array(np.array(1.001, np.float32), "factor")
    model.graph.initializer.append(factor)
    output = model.graph.output[-1].name
    for node in model.graph.node:
        node.output[:] = ["spoilt" if found == output else found for found in node.output]
        node.input[:] = ["spoilt" if found == output else found for found in node.input]
    model.graph.node.append(onnx.helper.make_node("Mul", ["spoilt", "factor"], [output]))
    onnx.save(model, copy / name)
    with pytest.raises(ImpastoError, match=rf"{name}: at \(64, 96\) {output}(/\S+)? differs"):
        check(copy, exported)


# Failures leave everything as it was


class Picture(Head):
    """What the heads below have in common: they read the picture."""

    layers = ("image",)

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        return means.mean()


class Untraceable(Picture):
    name = "untraceable"

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return masked(features, mask).sum((2, 3)) * (1 if features.sum() > 0 else -1)


class Strided(Picture):
    name = "strided"

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        kernel = torch.ones(1, 3, 2, 2)
        halved = torch.nn.functional.conv2d(features, kernel, stride=2)
        return masked(halved, mask).square().sum((2, 3))


class Unlike(Picture):
    """Small, and traced as something else than it computes."""

    name = "unlike"

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return masked(features, mask).square().sum((2, 3)) * (
            1.0 if torch.compiler.is_exporting() else 1.001
        )


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (Untraceable, "a head or the encoder cannot be exported: "),
        (Strided, "head 'strided': its statistics of tiles add up to something else"),
        (Unlike, "step-gatys-avg.onnx: .* differs from PyTorch's"),
    ],
)
def test_a_failed_export_leaves_the_older_bundle_alone(
    copy: Path, head: type[Head], reason: str
) -> None:
    before = contents(copy)
    with pytest.raises(ImpastoError, match=reason):
        export(copy, heads=[head()], overwrite=True)
    assert os.listdir(copy.parent) == [copy.name]
    assert contents(copy) == before


def test_a_failed_export_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ImpastoError):
        export(tmp_path / "new", heads=[Untraceable()])
    assert os.listdir(tmp_path) == []


def test_what_exists_is_not_overwritten(copy: Path) -> None:
    before = contents(copy)
    with pytest.raises(ImpastoError, match="exists already; choose another folder or pass"):
        export(copy)
    (copy / "manifest.json").rename(copy / "other.json")
    with pytest.raises(ImpastoError, match="not a bundle, so not overwritten"):
        export(copy, overwrite=True)
    (copy / "other.json").rename(copy / "manifest.json")
    assert contents(copy) == before


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImpastoError, match="new: cannot be written: File exists"):
        export(tmp_path / "file" / "new")


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (Recipe(content_layers=["conv6_1"]), "layer='conv6_1': vgg19 has conv1_1 to"),
        (Recipe(style_layers=["relu1_1"]), "layer='relu1_1'"),
        (Recipe(heads=[Unlike(), Unlike()]), "a name is taken, by another"),
        (Recipe(heads=[type("Clash", (Unlike,), {"name": "gradient"})()]), "a name is taken"),
        (Recipe(content_layers=[], style_layers=[]), "layer='none': name a content"),
    ],
)
def test_recipes_that_make_no_sense(tmp_path: Path, recipe: Recipe, reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        export_bundle(tmp_path / "new", VGG19(load_weights("shipped")), recipe)
    assert os.listdir(tmp_path) == []


def export(folder: Path, heads: list[Head] | None = None, overwrite: bool = False) -> None:
    recipe = Recipe(["conv1_1"], [], heads or [], history_size=2)
    export_bundle(folder, VGG19(load_weights("shipped")), recipe, overwrite)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
