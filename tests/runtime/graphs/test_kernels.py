"""Graphs whose kernels were unpacked beforehand, against those that ONNX Runtime opens itself."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.shapes import fix
from impasto.runtime.graphs import kernels, wire
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.pool import Graphs
from impasto.runtime.graphs.session import Graph

CPU = Device("cpu")
SIZES = [(96, 128), (16, 16), (176, 48)]
PLAIN = [
    "describe-gatys-avg.onnx",
    "step-gatys-avg.onnx",
    "step-gatys-max.onnx",
    "statistics-gatys-max.onnx",
]
TWINS = ["step-gatys-avg.onnx", "pullback-gatys-max.onnx"]
MANY = 10**9

Outputs = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle("vgg19")


def outputs(graph: Graph, bundle: Bundle, name: str, size: tuple[int, int]) -> Outputs:
    random = np.random.default_rng(5)
    shapes = bundle.manifest.signatures[name].inputs
    inputs = {
        key: CPU.upload(random.random(fix(s, *size), np.float32)) for key, s in shapes.items()
    }
    return {key: np.array(value.numpy()) for key, value in graph.run(inputs).items()}


@pytest.mark.parametrize(
    ("name", "convolutions"),
    [*((name, "plain") for name in PLAIN), *((name, "winograd") for name in TWINS)],
)
def test_the_same_at_every_size(bundle: Bundle, name: str, convolutions: str) -> None:
    """But for the order of sums: float32 has 6e-8."""
    graphs = Graphs(bundle, CPU, 2, convolutions)
    file = graphs.file(name, MANY)
    for size in SIZES:
        graph = graphs.get(name, *size, pixels=MANY)
        assert graph._prepared is not None
        found = outputs(graph, bundle, name, size)
        direct = Graph(bundle, name, *size, CPU, 2, file=file)
        for key, array in outputs(direct, bundle, name, size).items():
            error = np.linalg.norm(found[key] - array)
            assert error <= 1e-6 * np.linalg.norm(array), (key, size)


def test_what_comes_first_changes_nothing(bundle: Bundle) -> None:
    """Kernels are prepared at one size, whichever is opened."""
    name, found = "step-gatys-avg.onnx", []
    for sizes in (SIZES, SIZES[::-1]):
        graphs = Graphs(bundle, CPU, 2, "winograd")
        opened = {size: graphs.get(name, *size, pixels=MANY) for size in sizes}
        found.append({s: outputs(opened[s], bundle, name, s) for s in sizes})
    for size in SIZES:
        for key, array in found[0][size].items():
            np.testing.assert_array_equal(found[1][size][key], array)


def test_graphs_share_kernels_and_drop_what_nobody_uses(bundle: Bundle) -> None:
    graphs = Graphs(bundle, CPU, 2, "plain")
    describe = graphs.get("describe-gatys-avg.onnx", 48, 64)
    alone = graphs._store.size
    step = graphs.get("step-gatys-avg.onnx", 48, 64)
    both = graphs._store.size
    assert describe._prepared
    assert step._prepared
    assert alone == describe._prepared.size
    assert both < alone + 0.6 * step._prepared.size  # forward kernels are there already
    graphs.release(10**12)
    assert graphs._store.size == both  # they are used
    del step
    assert graphs._store.size == alone
    del describe
    assert graphs._store.size == 0


def test_without_room_for_temporary_files_graphs_are_opened_as_they_are(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    name, size = "describe-gatys-avg.onnx", (48, 64)
    graph = Graphs(bundle, CPU, 2).get(name, *size)
    assert graph._prepared is None
    expected = outputs(Graph(bundle, name, *size, CPU, 2), bundle, name, size)
    found = outputs(graph, bundle, name, size)
    np.testing.assert_array_equal(
        found["content.conv4_2.target"], expected["content.conv4_2.target"]
    )


def test_temporary_files_do_not_stay(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert Graphs(bundle, CPU, 2).get("describe-gatys-max.onnx", 32, 32)._prepared
    assert not list(tmp_path.iterdir())


def test_a_graph_without_weights_is_opened_as_it_is(bundle: Bundle) -> None:
    assert Graphs(bundle, CPU, 2).get("lbfgs.onnx", 32, 32)._prepared is None


@pytest.mark.parametrize(
    "name", ["step-gatys-max-winograd.onnx", "describe-gatys-avg.onnx", "lbfgs.onnx"]
)
def test_what_depends_on_weights_alone_is_found(bundle: Bundle, name: str) -> None:
    """The parts have all nodes, and nothing of the constant part comes from an input."""
    content = bundle.files[name]
    parts, model = kernels.split(content), onnx.load_from_string(content)
    assert len(parts.constant) + len(parts.rest) == len(model.graph.node)
    moved = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if moved.intersection(node.input):
            moved.update(node.output)
    constant = {
        output
        for field in parts.constant
        for output in onnx.NodeProto.FromString(kernels._bytes(field)).output
    }
    assert constant == {o for node in model.graph.node for o in node.output} - moved


@pytest.mark.parametrize(
    "name", ["step-gatys-avg-winograd.onnx", "describe-gatys-max.onnx", "adam.onnx"]
)
def test_messages_are_put_together_as_they_were(bundle: Bundle, name: str) -> None:
    content = bundle.files[name]
    fields = wire.decode(content)
    assert wire.encode(fields) == content
    graph = wire.values(fields, wire.MODEL_GRAPH)[0]
    assert wire.encode(wire.decode(graph)) == graph


def test_messages_are_those_of_onnx() -> None:
    large = 1 << 40
    field = wire.external("kernel", 1, (3, large), ("file.bin", 64, large))
    graph = onnx.GraphProto.FromString(wire.encode([field]))
    (tensor,) = graph.initializer
    assert (tensor.name, tensor.data_type, list(tensor.dims)) == ("kernel", 1, [3, large])
    assert tensor.data_location == onnx.TensorProto.EXTERNAL
    found = {entry.key: entry.value for entry in tensor.external_data}
    assert found == {"location": "file.bin", "offset": "64", "length": str(large)}
    assert wire.place_of(wire.decode(tensor.SerializeToString())) == ("file.bin", 64, large)
    packed = onnx.TensorProto(dims=[5, 300])
    assert wire.numbers(wire.decode(packed.SerializeToString()), wire.TENSOR_DIMS) == [5, 300]
    value = onnx.ValueInfoProto.FromString(wire.typed("x", 7, (1, 512)))
    expected = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.INT64, (1, 512))
    assert value == expected


@pytest.mark.skipif(sys.platform != "linux", reason="what is resident is measured on Linux")
def test_no_more_memory_than_a_graph_that_was_opened_directly() -> None:
    """Nodes in another order would need up to half as much again."""
    code = """
import sys
import numpy as np
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.shapes import fix
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.pool import Graphs
from impasto.runtime.graphs.session import Graph
from impasto.runtime.machine.memory import trim

def resident(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) * 1024

bundle, device, size, name = Bundle("vgg19"), Device("cpu"), (240, 784), "step-gatys-avg.onnx"
graphs = Graphs(bundle, device, 2, "winograd")
file = graphs.file(name, 10**9)
if sys.argv[1] == "direct":
    graph = Graph(bundle, name, *size, device, 2, file=file)
else:
    graph = graphs.get(name, *size, pixels=10**9)
shapes = bundle.manifest.signatures[name].inputs
inputs = {k: device.upload(np.zeros(fix(s, *size), np.float32)) for k, s in shapes.items()}
trim()
before = resident("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
graph.run(inputs)
print(resident("VmHWM") - before)
"""
    direct, shared = (
        int(subprocess.check_output([sys.executable, "-c", code, how])) for how in ("direct", "")
    )
    assert shared <= 1.25 * direct
