"""Calls that are ended, processes that are forked, memory that runs out."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from impasto.runtime import BundleError, DeviceError, ImpastoError, OutOfMemoryError
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.shapes import fix
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.pool import Graphs
from impasto.runtime.graphs.session import Graph, Terminated, Termination, _typed_errors, opening

CPU = Device("cpu")
STEP = "step-gatys-avg.onnx"
LARGE = (512, 512)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle("vgg19")


def noise(bundle: Bundle, name: str, size: tuple[int, int]) -> dict[str, Any]:
    random, shapes = np.random.default_rng(7), bundle.manifest.signatures[name].inputs
    return {key: CPU.upload(random.random(fix(s, *size), np.float32)) for key, s in shapes.items()}


def test_a_call_ends_at_its_next_node_and_the_graph_stays_good(bundle: Bundle) -> None:
    graph = Graphs(bundle, CPU, None, "plain").get(STEP, *LARGE)
    inputs, ended = noise(bundle, STEP, LARGE), Termination()
    started = time.perf_counter()
    whole = {key: np.array(v.numpy()) for key, v in graph.run(inputs).items()}
    seconds = time.perf_counter() - started
    asked: list[float] = []

    def end() -> None:
        asked.append(time.perf_counter())
        ended.terminate()

    timer = threading.Timer(0.3 * seconds, end)
    timer.start()
    with pytest.raises(Terminated):
        graph.run(inputs, termination=ended)
    assert time.perf_counter() - asked[0] < 0.35 * seconds  # the largest node is a tenth of it
    with pytest.raises(Terminated):
        graph.run(inputs, termination=ended)
    again = graph.run(inputs, termination=Termination())
    for key, array in whole.items():
        np.testing.assert_array_equal(again[key].numpy(), array)


def test_the_calls_of_other_jobs_go_on(bundle: Bundle) -> None:
    size = (256, 256)
    graph = Graphs(bundle, CPU, 1, "plain").get(STEP, *size)
    inputs, ended, other = noise(bundle, STEP, size), Termination(), Termination()
    expected = np.array(graph.run(inputs)["gradient"].numpy())
    found: list[Any] = []

    def run_for(job: Termination | None) -> None:
        found.append(graph.run(inputs, termination=job))

    def run_until_ended() -> None:
        while True:
            graph.run(inputs, termination=ended)

    threads = [threading.Thread(target=run_for, args=(job,)) for job in (other, None)]
    for thread in threads:
        thread.start()
    threading.Timer(0.05, ended.terminate).start()
    with pytest.raises(Terminated):
        run_until_ended()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    for outputs in found:
        np.testing.assert_array_equal(outputs["gradient"].numpy(), expected)
    assert not other.ended


fork_only = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is not here")


def in_child(work: Callable[[], bool], seconds: float = 60) -> int:
    """The exit code of a forked child: 0 where the work is true."""
    child = os.fork()
    if not child:
        code = 1
        try:
            code = int(not work())
        finally:
            os._exit(code)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


@fork_only
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_graphs_of_before_a_fork_work_in_the_child(bundle: Bundle) -> None:
    size = (64, 64)
    graphs = Graphs(bundle, CPU, 2, "plain")
    graph, inputs = graphs.get(STEP, *size), noise(bundle, STEP, size)
    expected = np.array(graph.run(inputs)["gradient"].numpy())

    def work() -> bool:
        nonlocal graph, graphs
        found = np.array(graph.run(inputs)["gradient"].numpy())
        new = graphs.get("lbfgs.onnx", *size)
        graphs.release(10**12)
        del new, graph, graphs  # what closes in the child must not wait for the parent's threads
        return np.array_equal(found, expected)

    assert in_child(work) == 0
    np.testing.assert_array_equal(graph.run(inputs)["gradient"].numpy(), expected)


@fork_only
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_while_another_thread_opens_graphs(bundle: Bundle) -> None:
    """Ten forks while it opens one after the other."""
    stop = threading.Event()

    def open_graphs() -> None:
        while not stop.is_set():
            Graphs(bundle, CPU, 1, "plain").get("lbfgs.onnx", 32, 32)

    thread = threading.Thread(target=open_graphs)
    thread.start()
    graphs = Graphs(bundle, CPU, 1, "plain")
    try:
        codes = [in_child(lambda: bool(graphs.get("adam.onnx", 32, 32))) for _ in range(10)]
    finally:
        stop.set()
        thread.join()
    assert codes == [0] * 10


@fork_only
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_while_another_thread_holds_a_pool(bundle: Bundle) -> None:
    graphs, held, stop = Graphs(bundle, CPU, 1), threading.Event(), threading.Event()

    def hold() -> None:
        with graphs._lock, graphs._cache._lock:
            held.set()
            stop.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        assert in_child(lambda: bool(graphs.get("adam.onnx", 32, 32))) == 0
    finally:
        stop.set()
        thread.join()


POOL = """
import multiprocessing, sys
import numpy as np
from impasto.runtime import Engine

engine = Engine.load(device="cpu", threads=2)
image = np.random.default_rng(0).random((32, 32, 3), np.float32)

def paint(seed):
    return engine.stylize(image, image[::-1].copy(), size=32, iterations=2).loss

if __name__ == "__main__":
    expected = paint(0)
    with multiprocessing.get_context("fork").Pool(2) as workers:
        print(set(workers.map(paint, range(4))) == {expected})
"""


@fork_only
def test_an_engine_of_before_a_fork_paints_in_workers() -> None:
    command = [sys.executable, "-W", "ignore", "-c", POOL]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "True"


def test_opening_is_for_one_at_a_time() -> None:
    entered: list[int] = []

    def enter(number: int) -> None:
        with opening():
            entered.append(number)
            time.sleep(0.01)
            entered.append(number)

    threads = [threading.Thread(target=enter, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entered[::2] == entered[1::2]


@pytest.mark.parametrize(
    "error", [MemoryError("std::bad_alloc"), RuntimeError("Failed to allocate memory for 9 bytes")]
)
def test_memory_that_runs_out_is_an_error_of_ours(bundle: Bundle, error: Exception) -> None:
    refused = pytest.raises(OutOfMemoryError, match=f"memory ran out in {STEP}")
    with refused as caught, _typed_errors(bundle, STEP, CPU):
        raise error
    assert isinstance(caught.value, ImpastoError)
    assert isinstance(caught.value, MemoryError)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), OutOfMemoryError)


def test_a_signature_with_an_allocator_is_no_lack_of_memory(bundle: Bundle) -> None:
    """So OpenVINO tells that it cannot compile a graph, in a thousand characters."""
    text = "Exception in CompileModel(std::__cxx11::basic_string<char, std::allocator<char> >&)"
    openvino = Device("openvino", provider="OpenVINOExecutionProvider")
    with pytest.raises(DeviceError) as caught, _typed_errors(bundle, STEP, openvino):
        raise RuntimeError(text + 1000 * "." + "\nand more")
    told = str(caught.value)
    assert told.startswith(f"openvino failed at {STEP} ({text}")
    assert told.endswith("...): try --device cpu")
    assert len(told) < 300


def test_memory_that_runs_out_in_a_graph() -> None:
    """With 400 MB of address space above what the process has, a large step cannot run."""
    code = """
import resource
import numpy as np
from impasto.runtime import OutOfMemoryError
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.shapes import fix
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.pool import Graphs
bundle, device, size = Bundle("vgg19"), Device("cpu"), (1024, 1024)
graph = Graphs(bundle, device, 1, "plain").get("step-gatys-avg.onnx", *size)
shapes = bundle.manifest.signatures["step-gatys-avg.onnx"].inputs
inputs = {k: device.upload(np.zeros(fix(s, *size), np.float32)) for k, s in shapes.items()}
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 400_000_000,) * 2)
try:
    graph.run(inputs)
except OutOfMemoryError as error:
    print("refused:", error)
"""
    if sys.platform != "linux":
        pytest.skip("address space is limited on Linux")
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.startswith("refused: memory ran out in step-gatys-avg.onnx")


def test_a_graph_that_onnx_runtime_refuses_is_the_bundles_fault(bundle: Bundle) -> None:
    broken = Bundle("vgg19")
    broken.files = dict(broken.files)
    broken.files["lbfgs.onnx"] = broken.files["lbfgs.onnx"][:-200]
    with pytest.raises(BundleError, match="ONNX Runtime refuses it"):
        Graphs(broken, CPU, 1).get("lbfgs.onnx", 32, 32)
    with pytest.raises(BundleError, match="ONNX Runtime refuses it"):
        Graph(broken, "lbfgs.onnx", 32, 32, CPU)
