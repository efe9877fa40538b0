"""A bundle is refused, with one sentence, unless every byte is what it may be."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.checks import check_manifest
from impasto.runtime.bundle.graph_checks import check_graph
from impasto.runtime.bundle.manifest import SCHEMA, Manifest
from impasto.runtime.errors import BundleError

SHIPPED = Path(str(resources.files("impasto.models") / "vgg19"))
TEXT = (SHIPPED / "manifest.json").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "bundle"))


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        Bundle(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest."""
    raw = json.loads(TEXT)
    change(raw)
    (folder / "manifest.json").write_text(json.dumps(raw), encoding="utf-8")


def replace(folder: Path, name: str, content: bytes) -> None:
    """Change a file, and the manifest with it: hashes are no signature."""
    (folder / name).write_bytes(content)
    entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    edit(folder, lambda raw: raw["files"].update({name: entry}))


def test_a_copy_is_good(folder: Path) -> None:
    bundle = Bundle(folder)
    assert bundle.path == folder
    assert set(bundle.files) == {path.name for path in folder.iterdir()} - {
        "manifest.json",
        "conformance.json",
    }
    proto = onnx.ModelProto.FromString(bundle.files["step-gatys-avg.onnx"])
    assert bundle.operators("step-gatys-avg.onnx").total() == len(proto.graph.node)


def test_where_a_bundle_is_looked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Bundle().path == Bundle("vgg19").path == SHIPPED
    monkeypatch.setenv("IMPASTO_MODEL", str(folder))
    assert Bundle().path == folder
    assert Bundle("vgg19").path == SHIPPED


@pytest.mark.parametrize("name", ["", "nowhere", "vgg20", "../vgg19"])
def test_no_bundle_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    assert "no bundle here" in refusal(tmp_path / "empty" / name)


@pytest.mark.parametrize(
    "name", ["manifest.json", "weights.bin", "step-gatys-avg.onnx", "adam.onnx"]
)
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in refusal(folder)


@pytest.mark.parametrize("name", ["weights.bin", "step-gatys-max.onnx", "lbfgs.onnx"])
def test_a_changed_byte(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert f"{name}: its SHA-256 is not the manifest's" in refusal(folder)


@pytest.mark.parametrize("name", ["weights.bin", "step-gatys-avg.onnx"])
def test_a_file_of_another_size(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    assert f"{name}: {len(content) - 1} bytes, not {len(content)}" in refusal(folder)
    (folder / name).write_bytes(content + b"\0")
    assert f"{name}: more than {len(content)} bytes" in refusal(folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    assert f"{name}: missing, or no file" in refusal(folder)


@pytest.mark.parametrize("size", [-2, -1, 0, 1 << 40, 10**15])
def test_sizes_that_no_file_has(folder: Path, size: int) -> None:
    edit(folder, lambda raw: raw["files"]["adam.onnx"].update(size=size))
    assert "adam.onnx" in refusal(folder)


# Graphs


def graph(*nodes: onnx.NodeProto, opset: int = 18, domain: str = "") -> bytes:
    made = helper.make_graph(nodes, "graph", [], [])
    imports = [helper.make_opsetid(domain, opset)]
    return bytes(helper.make_model(made, opset_imports=imports).SerializeToString())


def branches() -> onnx.NodeProto:
    inner = helper.make_graph([], "inner", [], [])
    return helper.make_node("Relu", ["x"], ["y"], then_branch=inner)


def constant(location: str) -> onnx.NodeProto:
    tensor = onnx.TensorProto(data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return helper.make_node("Constant", [], ["c"], value=tensor)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (graph(helper.make_node("Loop", [], [])), "operators that a bundle cannot have: Loop"),
        (graph(helper.make_node("Relu", [], [], domain="my")), "cannot have: my.Relu"),
        (graph(helper.make_node("RandomNormal", [], [])), "cannot have: RandomNormal"),
        (graph(branches()), "more than operators and dense tensors: attribute field 6"),
        (graph(opset=22), "opsets {'': 22}, but a bundle's are 17 or 18"),
        (graph(opset=16), "opsets {'': 16}"),
        (graph(domain="com.microsoft"), "opsets {'com.microsoft': 18}"),
        (graph(constant("/etc/passwd")), "it refers to other files: /etc/passwd"),
        (graph(constant("../weights.bin")), "it refers to other files: ../weights.bin"),
        (graph(constant("")), "it refers to other files: "),
        (b"", "opsets {}"),
        (b"not a graph", "not an ONNX file"),
        (graph(branches())[:-1], "not an ONNX file: the file ends too early"),
    ],
)
def test_graphs_that_a_bundle_cannot_have(folder: Path, content: bytes, reason: str) -> None:
    replace(folder, "step-gatys-max.onnx", content)
    message = refusal(folder)
    assert message.startswith(f"{folder / 'step-gatys-max.onnx'}: ")
    assert reason in message


def test_a_plain_graph_with_data_in_the_weights_file_is_fine(folder: Path) -> None:
    model = onnx.load(SHIPPED / "adam.onnx")
    model.graph.node.append(constant("weights.bin"))
    model.opset_import[0].version = 17
    replace(folder, "adam.onnx", model.SerializeToString())
    Bundle(folder)


# Names


@pytest.mark.parametrize(
    "name",
    [
        *("../step.onnx", "/etc/passwd", "a/b.onnx", "a\\b.onnx", "..", "", ".onnx", "A.onnx"),
        *("weights.bin\n", "step.onnx\n", "other.bin", "x.so", "manifest.json", "nul\0.onnx"),
    ],
)
def test_names_that_a_bundle_cannot_hold(folder: Path, name: str) -> None:
    edit(folder, lambda raw: raw["files"].update({name: {"size": 1, "sha256": ""}}))
    assert f"a bundle cannot hold a file named {name!r}" in refusal(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw["files"].pop("weights.bin"),
        lambda raw: raw["files"].pop("adam.onnx"),
        lambda raw: raw["signatures"].pop("lbfgs.onnx"),
        lambda raw: raw["objectives"]["gatys"]["poolings"]["avg"].update(step="other.onnx"),
        lambda raw: raw["objectives"]["gatys"]["poolings"]["max"].update(describe="/etc/passwd"),
    ],
)
def test_graphs_that_are_not_described(folder: Path, change: Callable[[Any], object]) -> None:
    edit(folder, change)
    assert "it does not describe" in refusal(folder)


def test_a_graph_with_winograds_convolutions_must_be_there(folder: Path) -> None:
    edit(folder, lambda raw: raw["winograd"].update({"step-gatys-avg.onnx": "other.onnx"}))
    assert "does not describe other.onnx" in refusal(folder)


def rename(entries: dict[str, Any], old: str, new: str) -> None:
    entries[new] = entries.pop(old)


def test_it_must_stand_for_a_graph_of_the_bundle(folder: Path) -> None:
    edit(folder, lambda raw: rename(raw["winograd"], "step-gatys-avg.onnx", "other.onnx"))
    assert "other.onnx, which another stands for, is no graph of it" in refusal(folder)


# The manifest


@pytest.mark.parametrize("schema", [0, SCHEMA - 1, SCHEMA + 1, str(SCHEMA), None, True, 1.5, [[]]])
def test_another_schema(folder: Path, schema: object) -> None:
    edit(folder, lambda raw: raw.update(schema=schema))
    assert "schema" in refusal(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "schema: 1",
        "\0",
        TEXT[:-10],
        TEXT + TEXT,
        TEXT.replace('"schema": ', f'"schema": {SCHEMA}, "schema": '),
        TEXT.replace('"size": 512', '"size": ' + 5000 * "1"),
        *(depth * "[" for depth in (10, 10**5)),
        *(TEXT.replace('"vgg19"', depth * "[" + depth * "]") for depth in (10, 990, 2000, 10**5)),
        *(TEXT.replace(f": {SCHEMA},", ": " + depth * "[" + depth * "]", 1) for depth in (10, 990)),
        TEXT.replace("vgg19", "\udcff"),
        2 * (1 << 20) * " ",
    ],
)
def test_what_is_no_manifest(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert str(folder / "manifest.json") in refusal(folder)


def first_input(raw: dict[str, Any]) -> Any:
    return raw["objectives"]["gatys"]["terms"][0]["inputs"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.pop("encoder"),
        lambda raw: raw.update(more=1),
        lambda raw: raw["encoder"].update(alignment="16"),
        lambda raw: raw["encoder"].update(alignment=[16]),
        lambda raw: raw["encoder"].update(alignment=[16.0, 16.0]),
        lambda raw: raw["encoder"].update(alignment=[True, True]),
        lambda raw: raw["encoder"].update(alignment=None),
        lambda raw: raw["encoder"].update(layers=[]),
        lambda raw: raw["encoder"].update(tiled=1),
        lambda raw: raw["canvas"].update(low="0"),
        lambda raw: first_input(raw).update(source="both"),
        lambda raw: first_input(raw).update(shape=[1, 2.5]),
        lambda raw: first_input(raw).update(shape=[1, "height/0"]),
        lambda raw: first_input(raw).update(shape=[-1, "depth"]),
        lambda raw: raw["signatures"]["adam.onnx"]["inputs"].update(image=[0]),
        lambda raw: raw["presets"]["gatys2016"].update(settings=[]),
        lambda raw: raw["presets"]["gatys2016"]["settings"].update(size=float("nan")),
        lambda raw: raw["presets"]["gatys2016"]["settings"].update(size=float("inf")),
        lambda raw: raw["presets"]["gatys2016"]["settings"].update(size=10**400),
        lambda raw: raw["presets"]["gatys2016"]["settings"].update(size=[[1]]),
        lambda raw: raw["optimizers"].update(history_size=0),
    ],
)
def test_entries_that_do_not_belong(folder: Path, change: Callable[[Any], object]) -> None:
    edit(folder, change)
    assert str(folder / "manifest.json") in refusal(folder)


def test_the_manifest_survives_a_round_trip() -> None:
    manifest = Manifest.from_json(TEXT, "here")
    assert manifest.to_json() == TEXT
    assert Manifest.from_json(manifest.to_json(), "there") == manifest


# Noise


def test_a_manifest_with_changed_bytes_gives_no_other_error() -> None:
    content, random, refused = TEXT.encode(), np.random.default_rng(8), 0
    for _ in range(1500):
        changed = bytearray(content)
        for place in random.integers(len(changed), size=random.integers(1, 4)):
            changed[place] = random.integers(256)
        try:
            manifest = Manifest.from_json(bytes(changed), "here")
            check_manifest(manifest, Path("here"))
        except BundleError:
            refused += 1
    assert 750 < refused < 1500


@pytest.mark.parametrize("name", ["adam.onnx", "step-gatys-max.onnx"])
def test_a_graph_with_changed_bytes_gives_no_other_error(name: str) -> None:
    content, random, refused = (SHIPPED / name).read_bytes(), np.random.default_rng(9), 0
    for _ in range(300):
        changed = bytearray(content)
        for place in random.integers(len(changed), size=random.integers(1, 4)):
            changed[place] = random.integers(256)
        try:
            check_graph(Path(name), bytes(changed))
        except BundleError:
            refused += 1
    assert 30 < refused < 300


@pytest.mark.skipif(os.name != "posix", reason="needs named pipes")
def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    (folder / "adam.onnx").unlink()
    os.mkfifo(folder / "adam.onnx")
    assert "adam.onnx" in refusal(folder)
