"""`make bench`: what a step costs and where, against plain PyTorch. Reports; never a test.

The machine is shared: everything is measured in turns, and ratios of medians are what counts.
"""

from __future__ import annotations

import collections
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from impasto.runtime.bundle import Bundle
from impasto.runtime.manifest import WEIGHTS, fix, fix_side
from impasto.runtime.session import Device, Graphs

ROOT = Path(__file__).parents[2]
SIZES = [(256, 256), (384, 512), (512, 512)]
ROUNDS = 7


def main() -> None:
    """Print the tables of docs/performance.md."""
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    versions = f"Python {platform.python_version()}, ONNX Runtime {ort.__version__}"
    print(f"{threads} cores, {versions}, PyTorch {torch.__version__}\n")
    report_steps()
    report_profile()
    report_start()
    report_memory()


def report_steps() -> None:
    """Step, optimiser and PyTorch eager, in turns."""
    print("| size | pooling | PyTorch eager, s | step, s | step / eager | L-BFGS / step |")
    print("|---|---|---|---|---|---|")
    for height, width in SIZES:
        for pooling in ("avg", "max"):
            step, lbfgs = ours(pooling, height, width)
            medians = in_turns([eager(pooling, height, width), step, lbfgs])
            theirs, mine, optimiser = medians
            figures = f"{theirs:.2f} | {mine:.2f} | {mine / theirs:.2f} | {optimiser / mine:.3f}"
            print(f"| {width}x{height} | {pooling} | {figures} |", flush=True)
    print()


def in_turns(calls: list[Callable[[], Any]]) -> list[float]:
    """Median seconds of each."""
    seconds: list[list[float]] = [[] for _ in calls]
    for turn in range(ROUNDS + 1):
        for call, found in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            if turn:  # the first is for warming up
                found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in seconds]


def ours(pooling: str, height: int, width: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The step graph and the L-BFGS graph on noise, as the runtime runs them."""
    graphs = Graphs(Bundle("vgg19"), Device("cpu"), None)
    manifest = graphs.bundle.manifest
    calls = []
    for name in (manifest.poolings[pooling].step, manifest.optimisers.lbfgs):
        graph = graphs.get(name, height, width)
        feeds = noise(manifest.signatures[name].inputs, height, width)
        values = {key: graphs.device.upload(array) for key, array in feeds.items()}
        calls.append(lambda graph=graph, values=values: graph.run(values))
    return calls[0], calls[1]


def noise(shapes: dict[str, Any], height: int, width: int) -> dict[str, NDArray[np.float32]]:
    """Something for every input."""
    random = np.random.default_rng(0)
    return {
        name: random.random(fix(shape, height, width), np.float32) * np.float32(0.1)
        for name, shape in shapes.items()
    }


def eager(pooling: str, height: int, width: int) -> Callable[[], Any]:
    """Forward, losses and gradient by the tests' plain PyTorch reference."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tests" / "reference.py")
    assert spec
    assert spec.loader
    threads = torch.get_num_threads()
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.set_num_threads(threads)  # the tests want one
    random = np.random.default_rng(0)
    shape = (1, 3, height, width)
    reference = module.Reference(pooling, *(random.random(shape, np.float32) for _ in range(2)))
    image = torch.from_numpy(random.random(shape, np.float32)).requires_grad_()

    def step() -> None:
        loss = torch.stack(list(reference.evaluate(image).values())).sum()
        torch.autograd.grad(loss, image)

    return step


def report_profile(height: int = 512, width: int = 512) -> None:
    """Where ONNX Runtime spends a step's time."""
    bundle = Bundle("vgg19")
    name = bundle.manifest.poolings["avg"].step
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    options.enable_profiling = True
    options.profile_file_prefix = os.path.join(tempfile.mkdtemp(), "step")
    weights = bundle.files[WEIGHTS]
    options.add_external_initializers_from_files_in_memory([WEIGHTS], [weights], [len(weights)])
    shapes = bundle.manifest.signatures[name].inputs
    for shape in shapes.values():
        for side in shape:
            if isinstance(side, str):
                options.add_free_dimension_override_by_name(side, fix_side(side, height, width))
    session = ort.InferenceSession(bundle.files[name], options)
    feeds = noise(shapes, height, width)
    for _ in range(5):
        session.run(None, feeds)
    events = json.loads(Path(session.end_profiling()).read_text())
    spent: collections.Counter[str] = collections.Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    total = sum(spent.values())
    print(f"All nodes / Conv nodes at {width}x{height}: {total / spent['Conv']:.2f}\n")
    print("| operator | share of the step |\n|---|---|")
    for operator, microseconds in spent.most_common(9):
        print(f"| {operator} | {microseconds / total:.1%} |")
    print(flush=True)


def report_start() -> None:
    """From the command to the first iteration, and to the help."""
    example = ROOT / "models" / "example"
    paint = [sys.executable, "-m", "impasto.cli.app", "texture", str(example / "painting.jpg")]
    first = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            command = [*paint, "-o", f"{folder}/out.png", "--size", "256", "--iterations", "1"]
            start = time.perf_counter()
            with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE) as process:
                assert process.stdout
                process.stdout.readline()  # the event `start`
                process.stdout.readline()
                first.append(time.perf_counter() - start)
                process.stdout.read()
    help_ = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([*paint[:3], "--help"], stdout=subprocess.DEVNULL, check=True)
        help_.append(time.perf_counter() - start)
    until = statistics.median(first)
    print(f"From the command to the end of the first iteration at 256 pixels: {until:.2f} s")
    print(f"impasto --help: {statistics.median(help_):.2f} s\n", flush=True)


def report_memory() -> None:
    """Peak resident memory of a whole run, in a process of its own."""
    print("| size | peak resident memory of a run, GB |\n|---|---|")
    example = ROOT / "models" / "example"
    for size in (256, 512, 1024):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--run", str(example / "photo.jpg")]
            command += [str(example / "painting.jpg"), str(size), folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"| {done.stdout.strip()} |", flush=True)


def run_once(content: str, style: str, size: str, folder: str) -> None:
    """Two iterations at one scale, and what they took."""
    from impasto.runtime import Engine

    engine = Engine.load("vgg19", device="cpu")
    result = engine.stylize(content, style, size=int(size), iterations=2)
    result.save(Path(folder) / "out.png")
    height, width, _ = result.image.shape
    # Not getrusage: that counts the parent's memory before exec.
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
    print(f"{width}x{height} | {peak * 1024 / 1e9:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_once(*sys.argv[2:])
    else:
        main()
