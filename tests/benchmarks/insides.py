"""All that the measurements know of the runtime's insides; the rest calls its public names."""

from __future__ import annotations

import collections
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.shapes import Shape, fix
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.installation import choose_device
from impasto.runtime.graphs.pool import Graphs
from impasto.runtime.graphs.session import add_weights, session_options

Call = Callable[[], Any]


def step_and_lbfgs(
    pooling: str, height: int, width: int, device: str, convolutions: str = "auto"
) -> tuple[Call, Call]:
    """The step graph and the L-BFGS graph on noise, as the runtime runs them."""
    bundle = Bundle("vgg19")
    graphs = Graphs(bundle, choose_device(device, bundle), None, convolutions)
    manifest = bundle.manifest
    step = manifest.objectives["gatys"].poolings[pooling].step
    lbfgs = manifest.optimizers.lbfgs
    return _graph(graphs, step, height, width), _graph(graphs, lbfgs, height, width)


def operators(pooling: str, height: int, width: int, runs: int = 5) -> collections.Counter[str]:
    """Microseconds that ONNX Runtime spends in each operator of a step on the CPU."""
    bundle, size = Bundle("vgg19"), (height, width)
    name = bundle.manifest.objectives["gatys"].poolings[pooling].step
    with tempfile.TemporaryDirectory() as folder:
        options = session_options(bundle, name, size, None)
        add_weights(options, bundle)
        options.enable_profiling = True
        options.profile_file_prefix = f"{folder}/step"
        content = bundle.files[Graphs(bundle, Device("cpu"), None).file(name, 10**9)]
        session = ort.InferenceSession(content, options)
        for _ in range(runs):
            session.run(None, _noise(bundle.manifest.signatures[name].inputs, height, width))
        events = json.loads(Path(session.end_profiling()).read_text())
    spent: collections.Counter[str] = collections.Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    return spent


def _graph(graphs: Graphs, name: str, height: int, width: int) -> Call:
    graph = graphs.get(name, height, width)
    feeds = _noise(graphs.bundle.manifest.signatures[name].inputs, height, width)
    values = {key: graphs.device.upload(array) for key, array in feeds.items()}
    return lambda: graph.run(values)


def _noise(shapes: dict[str, Shape], height: int, width: int) -> dict[str, NDArray[np.float32]]:
    """Something for every input."""
    random = np.random.default_rng(0)
    return {
        name: random.random(fix(shape, height, width), np.float32) * np.float32(0.1)
        for name, shape in shapes.items()
    }
