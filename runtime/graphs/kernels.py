"""Kernels unpacked once and shared: graphs that ONNX Runtime has optimised, ready for any size.

In a bundle's file a graph looks its kernels up in 8-bit codebooks, and transforms them for
Winograd's convolutions. To open it, ONNX Runtime computes all that and lays the kernels out in
blocks, which is most of the time and memory that it takes. So it is done once: what depends on
weights alone is computed, the rest is optimised at one size, and written to a temporary folder with
the kernels in blocks. What is read back has open sides, and every session shares its kernels.

Nothing of the sizes is folded in that: the operators that compute shapes are still there, and are
folded when the graph is opened. So it computes what one computes that was opened directly, but for
the order of some sums and products: about 1e-7 of the result.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.operators.values import KINDS

from . import wire
from .wire import Field

ONNX = {kind: number for number, kind in KINDS.items()}
TYPES = {
    "tensor(float)": 1,
    "tensor(int32)": 6,
    "tensor(int64)": 7,
    "tensor(bool)": 9,
    "tensor(double)": 11,
}
ALIGNED = 64
LEAST = 1024
"""Bytes of a constant that is shared: smaller ones stay in the graph."""
NOWHERE = "."
"""Where the bytes are of an initializer that comes with the session's options."""
MODEL, KERNELS, OPTIMISED, BLOCKS = "graph.onnx", "kernels.bin", "optimised.onnx", "blocks.bin"
CPU = ["CPUExecutionProvider"]
GRAPH_NAME = 2
SIDES = (wire.GRAPH_INPUT, wire.GRAPH_OUTPUT, wire.GRAPH_VALUE)
"""What has a size in it."""

Array = NDArray[Any]
Options = Callable[[], Any]
"""Makes onnxruntime.SessionOptions, with the sides at the size that is optimised for."""


@dataclass(frozen=True)
class Prepared:
    """A graph with open sides, optimised, and its kernels in blocks."""

    model: bytes
    kernels: dict[str, Any] = field(repr=False)
    """OrtValues, by the initializer's name. They view ``arrays``."""
    arrays: dict[str, Array] = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of the kernels."""
        return sum(array.nbytes for array in self.arrays.values())


class Store:
    """The kernels of a bundle that some graph uses, each of them once."""

    def __init__(self) -> None:
        self._arrays: WeakValueDictionary[tuple[object, ...], Array] = WeakValueDictionary()

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(array.nbytes for array in list(self._arrays.values()))

    def add(self, array: Array) -> Array:
        """The array, or one with the same content that is there already."""
        flat = array.reshape(-1)
        key = (array.dtype, array.shape, flat[:: len(flat) // 64 + 1].tobytes())
        known = self._arrays.setdefault(key, array)
        return known if known is array or np.array_equal(known, array) else array


@dataclass
class Parts:
    """A model in two parts: what depends on weights alone, and the rest."""

    model: list[Field]
    graph: list[Field]
    constant: list[Field] = field(default_factory=list)
    """Nodes."""
    rest: list[Field] = field(default_factory=list)
    """Nodes."""
    needed: list[str] = field(default_factory=list)
    """What the constant part hands to the rest."""
    results: set[str] = field(default_factory=set)
    """What the whole gives."""
    taken: set[str] = field(default_factory=set)
    """All that the rest takes."""

    def of(self, *kinds: int) -> list[Field]:
        """The graph's fields of some kinds."""
        return [f for f in self.graph if f[0] in kinds]

    def with_graph(self, fields: list[Field]) -> bytes:
        """The model with another graph."""
        graph = wire.named(wire.MODEL_GRAPH, wire.encode([*self.of(GRAPH_NAME), *fields]))
        return wire.encode([*[f for f in self.model if f[0] != wire.MODEL_GRAPH], graph])


def split(content: bytes) -> Parts:
    """Find the nodes whose results depend on weights alone, whatever their operators are."""
    model = wire.decode(content)
    parts = Parts(model, wire.decode(wire.values(model, wire.MODEL_GRAPH)[0]))
    known = {""} | {_name(tensor, wire.TENSOR_NAME) for tensor in parts.of(wire.GRAPH_INITIALIZER)}
    parts.results = {_name(output, wire.VALUE_NAME) for output in parts.of(wire.GRAPH_OUTPUT)}
    made: list[str] = []
    for node in parts.of(wire.GRAPH_NODE):
        fields = wire.decode(_bytes(node))
        inputs, outputs = wire.names(fields, wire.NODE_INPUT), wire.names(fields, wire.NODE_OUTPUT)
        if known.issuperset(inputs) and parts.results.isdisjoint(outputs):
            parts.constant.append(node)
            made += outputs
            known.update(outputs)
        else:
            parts.rest.append(node)
            parts.taken.update(inputs)
    parts.needed = [name for name in made if name in parts.taken]
    return parts


def prepare(
    content: bytes, files: Mapping[str, bytes], options: Options, module: Any, store: Store
) -> Prepared | None:
    """Optimise a graph; None where it computes nothing from its weights.

    Args:
        content: the model.
        files: of external data, by name.
        options: see Options.
        module: onnxruntime.
        store: where kernels are that other graphs have, too.
    """
    parts = split(content)
    if not parts.needed:
        return None
    with tempfile.TemporaryDirectory(prefix="impasto-") as name:
        folder = Path(name)
        constants = _constants(parts, files, module, folder / KERNELS)
        rest = [*parts.rest, *parts.of(wire.GRAPH_INPUT, wire.GRAPH_OUTPUT), *constants]
        shapes = _shapes(parts, rest, options(), folder, module)
        model = parts.with_graph([*rest, *shapes])
        optimised = _optimise(model, options(), folder, module, disabled=["ConstantFolding"])
        return _read(parts, optimised, folder / BLOCKS, module, store)


def _constants(parts: Parts, files: Mapping[str, bytes], module: Any, path: Path) -> list[Field]:
    """The initializers of the rest, large ones in a file: what depends on weights is computed."""
    outputs = [
        wire.named(wire.GRAPH_OUTPUT, wire.encode([wire.named(wire.VALUE_NAME, name)]))
        for name in parts.needed
    ]
    fields = [*parts.constant, *parts.of(wire.GRAPH_INITIALIZER), *outputs]
    options = module.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # what an operator needed goes back at once
    options.graph_optimization_level = module.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    contents = list(files.values())
    lengths = [len(data) for data in contents]
    options.add_external_initializers_from_files_in_memory(list(files), contents, lengths)
    session = module.InferenceSession(parts.with_graph(fields), options, providers=CPU)
    found = dict(zip(parts.needed, session.run_with_ort_values(parts.needed, {}), strict=True))
    del session
    initializers = []
    with path.open("wb") as file:

        def write(name: str, kind: int, shape: Sequence[int], data: Any, length: int) -> None:
            file.write(bytes(-file.tell() % ALIGNED))
            place = (path.name, file.tell(), length)
            file.write(data)
            initializers.append(wire.external(name, kind, shape, place))

        for tensor in parts.of(wire.GRAPH_INITIALIZER):
            fields = wire.decode(_bytes(tensor))
            name = wire.names(fields, wire.TENSOR_NAME)[0]
            if name not in parts.taken:
                continue
            place = wire.place_of(fields)
            if place is None:
                initializers.append(tensor)
                continue
            source, offset, length = place
            data = memoryview(files[source])[offset : offset + length]
            kind = wire.numbers(fields, wire.TENSOR_TYPE)[0]
            write(name, kind, wire.numbers(fields, wire.TENSOR_DIMS), data, length)
        for name in parts.needed:
            array = np.ascontiguousarray(found.pop(name).numpy())
            write(name, ONNX[array.dtype.type], array.shape, array.data, array.nbytes)
    return initializers


def _shapes(
    parts: Parts, rest: list[Field], options: Any, folder: Path, module: Any
) -> list[Field]:
    """Of all values at the options' size: operators of equal shapes can stay in blocks."""
    outputs = [
        wire.named(wire.GRAPH_OUTPUT, wire.encode([wire.named(wire.VALUE_NAME, name)]))
        for node in parts.rest
        for name in wire.names(wire.decode(_bytes(node)), wire.NODE_OUTPUT)
        if name and name not in parts.results
    ]
    (folder / MODEL).write_bytes(parts.with_graph([*rest, *outputs]))
    options.graph_optimization_level = module.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.disable_prepacking", "1")
    session = module.InferenceSession(str(folder / MODEL), options, providers=CPU)
    return [
        wire.named(wire.GRAPH_VALUE, wire.typed(value.name, TYPES[value.type], value.shape))
        for value in session.get_outputs()
        if value.name not in parts.results and all(isinstance(side, int) for side in value.shape)
    ]


def _optimise(
    model: bytes, options: Any, folder: Path, module: Any, disabled: Sequence[str] = ()
) -> list[Field]:
    """The optimised model's graph; its large initializers are in a file of the folder."""
    (folder / MODEL).write_bytes(model)
    options.optimized_model_filepath = str(folder / OPTIMISED)
    entries = {
        "session.optimized_model_external_initializers_file_name": BLOCKS,
        "session.optimized_model_external_initializers_min_size_in_bytes": str(LEAST),
        "session.disable_prepacking": "1",  # it is not going to run
    }
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    module.InferenceSession(
        str(folder / MODEL), options, providers=CPU, disabled_optimizers=list(disabled)
    )
    return wire.decode((folder / OPTIMISED).read_bytes())


def _read(parts: Parts, model: list[Field], path: Path, module: Any, store: Store) -> Prepared:
    """The optimised model with its sides open again, and its kernels from their file."""
    arrays: dict[str, Array] = {}
    graph = [f for f in _graph_of(model) if f[0] not in (*SIDES, wire.GRAPH_INITIALIZER)]
    graph += parts.of(wire.GRAPH_INPUT, wire.GRAPH_OUTPUT)
    with path.open("rb") as file:
        for tensor in _graph_of(model):
            if tensor[0] != wire.GRAPH_INITIALIZER:
                continue
            fields = wire.decode(_bytes(tensor))
            place = wire.place_of(fields)
            if place is None:
                graph.append(tensor)
                continue
            name = wire.names(fields, wire.TENSOR_NAME)[0]
            kind, shape = (
                wire.numbers(fields, wire.TENSOR_TYPE)[0],
                wire.numbers(fields, wire.TENSOR_DIMS),
            )
            array = np.empty(shape, KINDS[kind])
            file.seek(place[1])
            file.readinto(array.reshape(-1).view(np.uint8).data)
            arrays[name] = store.add(array)
            graph.append(wire.external(name, kind, shape, (NOWHERE, 0, array.nbytes)))
    new = module.OrtValue.ortvalue_from_numpy
    kernels = {name: new(array) for name, array in arrays.items()}
    content = [f for f in model if f[0] != wire.MODEL_GRAPH]
    content.append(wire.named(wire.MODEL_GRAPH, wire.encode(graph)))
    return Prepared(wire.encode(content), kernels, arrays)


def _graph_of(model: list[Field]) -> list[Field]:
    return wire.decode(wire.values(model, wire.MODEL_GRAPH)[0])


def _name(message: Field, number: int) -> str:
    return wire.names(wire.decode(_bytes(message)), number)[0]


def _bytes(message: Field) -> bytes:
    assert isinstance(message[2], bytes)
    return message[2]
