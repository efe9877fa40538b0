"""What a manifest says is possible, and what its graphs are."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.checks import check_manifest
from impasto.runtime.bundle.graph_checks import check_graph, check_ports
from impasto.runtime.bundle.manifest import FILE_NAME, Manifest
from impasto.runtime.errors import BundleError

SHIPPED = Path(str(resources.files("impasto.models") / "vgg19"))
RAW: dict[str, Any] = json.loads((SHIPPED / FILE_NAME).read_text(encoding="utf-8"))
MANIFEST = Bundle("vgg19").manifest
NAME, OBJECTIVE = next(iter(MANIFEST.objectives.items()))
GRAPHS = next(iter(OBJECTIVE.poolings.values()))
ADAM, LBFGS = MANIFEST.optimizers.adam, MANIFEST.optimizers.lbfgs
LAYER = next(iter(MANIFEST.encoder.layers))
Change = Callable[[dict[str, Any]], object]


def refusal(change: Change) -> str:
    """What is said of the shipped manifest with a change, at once."""
    raw = copy.deepcopy(RAW)
    change(raw)
    start = time.perf_counter()
    with pytest.raises(BundleError) as caught:
        check_manifest(Manifest.from_json(json.dumps(raw), "here"), Path("here"))
    assert time.perf_counter() - start < 1
    message = str(caught.value)
    assert message.startswith("here: ")
    assert "\n" not in message
    assert len(message) < 400
    return message


def objective(raw: dict[str, Any]) -> Any:
    return raw["objectives"][NAME]


def term(raw: dict[str, Any]) -> Any:
    return objective(raw)["terms"][0]


def signature(raw: dict[str, Any], file: str) -> Any:
    return raw["signatures"][file]


def settings(raw: dict[str, Any]) -> Any:
    return next(iter(raw["presets"].values()))["settings"]


def reversed_entries(entries: dict[str, Any]) -> None:
    items = list(entries.items())[::-1]
    entries.clear()
    entries.update(items)


HUGE = 10**15
CHANGES: list[tuple[str, Change]] = [
    ("alignment: (16, 1000000000)", lambda raw: raw["encoder"].update(alignment=[16, 10**9])),
    ("alignment: (0, 16)", lambda raw: raw["encoder"].update(alignment=[0, 16])),
    ("alignment: (-16, 16)", lambda raw: raw["encoder"].update(alignment=[-16, 16])),
    ("the stride 0 ", lambda raw: raw["encoder"]["layers"][LAYER].update(stride=[1, 0])),
    ("the stride -1 ", lambda raw: raw["encoder"]["layers"][LAYER].update(stride=[-1, 1])),
    ("the stride 3 ", lambda raw: raw["encoder"]["layers"][LAYER].update(stride=[3, 1])),
    ("channels", lambda raw: raw["encoder"]["layers"][LAYER].update(channels=0)),
    ("channels", lambda raw: raw["encoder"]["layers"][LAYER].update(channels=HUGE)),
    ("no such layer", lambda raw: raw["encoder"]["layers"].clear()),
    ("no such layer", lambda raw: term(raw).update(layer="conv9_9")),
    ("no channels, or no range", lambda raw: raw["canvas"].update(channels=0)),
    ("no channels, or no range", lambda raw: raw["canvas"].update(channels=HUGE)),
    ("no channels, or no range", lambda raw: raw["canvas"].update(low=1.0, high=1.0)),
    ("cannot have the shape", lambda raw: raw["canvas"].update(channels=4)),
    ("history_size: 1000000000 ", lambda raw: raw["optimizers"].update(history_size=10**9)),
    ("history_size: 0 ", lambda raw: raw["optimizers"].update(history_size=0)),
    ("of its inputs", lambda raw: raw["optimizers"].update(history_size=11)),
    ("its inputs must be", lambda raw: raw["optimizers"].update(history_size=9)),
    ("margin: -16 ", lambda raw: objective(raw).update(margin=[-16, 16])),
    ("margin: 17 ", lambda raw: objective(raw).update(margin=[16, 17])),
    ("margin: 1600000000 ", lambda raw: objective(raw).update(margin=[16 * 10**8, 16])),
    ("its statistics have the shape", lambda raw: term(raw).update(sums=[HUGE, HUGE])),
    ("its statistics have the shape", lambda raw: term(raw).update(sums=[0])),
    ("its statistics have the shape", lambda raw: term(raw).update(sums=[-1])),
    ("its statistics have the shape", lambda raw: term(raw).update(sums=[2] * 10**4)),
    ("must be", lambda raw: term(raw).update(sums=[1])),
    ("more than 100", lambda raw: objective(raw).update(terms=objective(raw)["terms"] * 50)),
    ("have one name", lambda raw: objective(raw).update(terms=objective(raw)["terms"] * 2)),
    ("must be", lambda raw: objective(raw)["terms"].reverse()),
    ("of its", lambda raw: objective(raw)["terms"].pop()),
    ("no such name", lambda raw: term(raw).update(name="a\nb")),
    ("no such name", lambda raw: term(raw).update(name="")),
    ("cannot have the shape", lambda raw: term(raw)["inputs"][0].update(shape=[1, 2, 3])),
    ("cannot have the shape", lambda raw: term(raw)["inputs"][0].update(shape=[])),
    ("cannot have the shape", lambda raw: term(raw)["inputs"][0].update(source="region")),
    ("cannot have the shape", lambda raw: term(raw)["inputs"][0].update(source="style")),
    ("'another' must be", lambda raw: term(raw)["inputs"][0].update(name="another")),
    ("no objective nothing", lambda raw: settings(raw).update(objective="nothing")),
    ("no objective", lambda raw: settings(raw).update(objective=[1])),
    ("no pooling median", lambda raw: settings(raw).update(pooling="median")),
    ("no pooling", lambda raw: settings(raw).update(pooling=None)),
    ("is too large", lambda raw: settings(raw).update(schedule=[10, 10**10])),
    ("is too large", lambda raw: settings(raw).update(schedule=[1] * 1000)),
    ("is too large", lambda raw: settings(raw).update(size=-(10**12))),
    ("is too large", lambda raw: settings(raw).update(weights={"style": 1e29})),
    ("preconditioner", lambda raw: settings(raw).update(preconditioner_pyramid=[1.0])),
    ("'next_image' must be", lambda raw: signature(raw, ADAM)["outputs"].pop("next_image")),
    ("in that order", lambda raw: reversed_entries(signature(raw, ADAM)["inputs"])),
    ("in that order", lambda raw: signature(raw, GRAPHS.step)["inputs"].update(more=[1])),
    ("'terms' must be", lambda raw: signature(raw, GRAPHS.step)["outputs"].update(terms=[HUGE])),
    ("'mask' must be", lambda raw: signature(raw, GRAPHS.pullback)["inputs"].pop("mask")),
    ("'sums' must be", lambda raw: signature(raw, GRAPHS.statistics)["outputs"].update(sums=[1])),
    ("'loss' must be", lambda raw: signature(raw, OBJECTIVE.loss)["outputs"].pop("loss")),
    ("its image has", lambda raw: signature(raw, GRAPHS.step)["inputs"].pop("image")),
    ("its image has", lambda raw: signature(raw, GRAPHS.step)["inputs"].update(image=[1, 3, 0, 1])),
    ("floats_per_pixel", lambda raw: signature(raw, GRAPHS.step).update(floats_per_pixel=1e12)),
    ("floats_per_pixel", lambda raw: signature(raw, GRAPHS.step).update(floats_per_pixel=-1)),
    ("floats_per_pixel", lambda raw: signature(raw, ADAM).update(floats_per_pixel=1e5)),
    ("floats_per_pixel", lambda raw: signature(raw, GRAPHS.describe).update(floats_per_pixel=1e5)),
    ("the graph takes ()", lambda raw: signature(raw, LBFGS)["inputs"].pop("preconditioner")),
    ("be named", lambda raw: raw["presets"].update({"\n": raw["presets"]["pastiche"]})),
    ("be named", lambda raw: raw["objectives"].update({"": raw["objectives"].pop(NAME)})),
    ("are more than", lambda raw: raw["files"][ADAM].update(size=10**12)),
    ("are more than", lambda raw: raw["files"]["weights.bin"].update(size=10**12)),
    ("no preset, objective, pooling", lambda raw: raw["objectives"].clear()),
    ("no preset, objective, pooling", lambda raw: objective(raw)["terms"].clear()),
    ("no preset, objective, pooling", lambda raw: objective(raw)["poolings"].clear()),
    ("no preset, objective, pooling", lambda raw: raw["presets"].clear()),
    ("does not describe", lambda raw: objective(raw).update(loss="other.onnx")),
    ("one file is several", lambda raw: objective(raw).update(loss=ADAM)),
    ("one file is several", lambda raw: raw["optimizers"].update(lbfgs=ADAM)),
    ("one file is several", lambda raw: raw["winograd"].update({GRAPHS.step: LBFGS})),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "change"), CHANGES, ids=[str(n) for n in range(len(CHANGES))])
def test_values_that_cannot_be_are_refused(reason: str, change: Change) -> None:
    assert reason in refusal(change)


def test_the_shipped_manifest_is_good() -> None:
    check_manifest(MANIFEST, Path("here"))
    assert Manifest.from_json(json.dumps(RAW), "here") == MANIFEST


@pytest.mark.parametrize("value", ["1" + 3000 * "0", "1e400", "NaN", "-Infinity", 20 * "9"])
@pytest.mark.parametrize("key", ['"size": 512', '"channels": 3', '"history_size": 10'])
def test_numbers_that_cannot_be_computed_with_are_refused_when_they_are_read(
    value: str, key: str
) -> None:
    text = json.dumps(RAW)
    assert key in text
    with pytest.raises(BundleError):
        Manifest.from_json(text.replace(key, key.partition(":")[0] + ": " + value), "here")


# The graphs


def ports(file: str, change: Callable[[Any], object]) -> str:
    """What is said of a graph with a change."""
    model = onnx.load(SHIPPED / file, load_external_data=False)
    change(model.graph)
    contents = check_graph(Path(file), model.SerializeToString())
    with pytest.raises(BundleError) as caught:
        check_ports(MANIFEST, file, contents, Path(file))
    return str(caught.value)


def side(port: Any, place: int, value: object) -> None:
    dim = port.type.tensor_type.shape.dim[place]
    dim.Clear()
    setattr(dim, "dim_param" if isinstance(value, str) else "dim_value", value)


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("'next_image' is missing", lambda graph: graph.output.pop(0)),
        ("'square' is missing", lambda graph: graph.input.pop()),
        ("another order", lambda graph: graph.input.reverse()),
        ("another order", lambda graph: graph.input.add().CopyFrom(renamed(graph.input[0]))),
        ("'image' is", lambda graph: side(graph.input[0], 2, 64)),
        ("'image' is", lambda graph: side(graph.input[0], 2, "rows")),
        ("'image' is", lambda graph: side(graph.input[0], 3, "height")),
        ("'image' is", lambda graph: side(graph.input[0], 1, 10**9)),
        (
            "image is not float32",
            lambda graph: setattr(graph.input[0].type.tensor_type, "elem_type", TensorProto.DOUBLE),
        ),
    ],
)
def test_a_graph_that_is_not_the_one_described_is_refused(
    reason: str, change: Callable[[Any], object]
) -> None:
    assert reason in ports(ADAM, change)


def renamed(port: Any) -> Any:
    copied = copy.deepcopy(port)
    copied.name = "more"
    return copied


@pytest.mark.parametrize("file", sorted(path.name for path in SHIPPED.glob("*.onnx")))
def test_the_shipped_graphs_are_those_described(file: str) -> None:
    """Winograd's too, which must take and give the same."""
    check_ports(MANIFEST, file, Bundle("vgg19").contents(file), Path(file))


def test_a_graph_with_too_many_nodes_is_refused() -> None:
    model = onnx.load(SHIPPED / ADAM)
    for n in range(20_001):
        model.graph.node.add(op_type="Relu", input=["rate"], output=[f"n{n}"])
    start = time.perf_counter()
    with pytest.raises(BundleError, match="at most 20000"):
        check_graph(Path("adam.onnx"), model.SerializeToString())
    assert time.perf_counter() - start < 2


def test_random_numbers_in_a_manifest_give_no_other_error() -> None:
    """Every number of it in turn becomes others."""
    random, refused, tried = np.random.default_rng(3), 0, 0
    places = list(numbers(RAW, ()))
    for place in [places[at] for at in random.permutation(len(places))[:40]]:
        for value in (-1, 7, 10**9, 0.5):
            raw = copy.deepcopy(RAW)
            inside: Any = raw
            for key in place[:-1]:
                inside = inside[key]
            inside[place[-1]] = value
            tried += 1
            try:
                check_manifest(Manifest.from_json(json.dumps(raw), "here"), Path("here"))
            except BundleError:
                refused += 1
    assert refused > 0.5 * tried


def numbers(value: Any, place: tuple[Any, ...]) -> Any:
    """Where there are numbers, but for the files' sizes."""
    if isinstance(value, dict | list) and place != ("files",):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from numbers(item, (*place, key))
    elif isinstance(value, int | float):
        yield place
