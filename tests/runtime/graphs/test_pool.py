"""What an engine keeps for the next run: bounded, counted, the first to go."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from impasto.runtime import Engine, SettingError
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.graphs import pool
from impasto.runtime.graphs.cache import Cache
from impasto.runtime.graphs.convolutions import PROCESSORS, choose_convolutions, processor
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.pool import Graphs

CPU = Device("cpu")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle("vgg19")


def test_the_oldest_goes_first() -> None:
    cache = Cache(10)
    for name, size in (("a", 4), ("b", 3), ("c", 3)):
        cache.put(name, name.upper(), size)
    assert cache.size == 10
    assert cache.get("a") == "A"
    cache.put("d", "D", 2)
    assert [cache.get(name) for name in "abcd"] == ["A", None, "C", "D"]
    cache.put("huge", "HUGE", 11)
    assert cache.get("huge") is None
    assert cache.size == 9
    cache.put("a", "again", 1)
    assert cache.size == 6
    cache.release(1)
    assert cache.get("c") is None
    cache.release(100)
    assert cache.size == 0


def test_two_pictures_prepare_kernels_once(monkeypatch: pytest.MonkeyPatch, photo: Any) -> None:
    prepared: list[int] = []
    prepare = pool.prepare

    def counted(content: bytes, *rest: Any) -> Any:
        prepared.append(len(content))
        return prepare(content, *rest)

    monkeypatch.setattr(pool, "prepare", counted)
    engine = Engine.load("vgg19", device="cpu")
    style = photo("coffee", 64, 64)
    for name in ("chelsea", "astronaut"):
        engine.stylize(photo(name, 48, 64), style, size=64, iterations=1)
    assert len(prepared) == len(set(prepared))


def test_content_and_style_of_one_shape_open_one_graph(bundle: Bundle) -> None:
    graphs = Graphs(bundle, CPU, 2)
    first = graphs.get("describe-gatys-avg.onnx", 48, 64)
    assert graphs.get("describe-gatys-avg.onnx", 48, 64) is first
    assert graphs.get("describe-gatys-avg.onnx", 64, 48) is not first


def test_idle_graphs_are_kept_counted_and_dropped(bundle: Bundle) -> None:
    graphs = Graphs(bundle, CPU, 2)
    kept = id(graphs.get("lbfgs.onnx", 32, 32)._session)
    held = graphs.held
    assert 0 < held < 10_000_000
    assert id(graphs.get("lbfgs.onnx", 32, 32)._session) == kept
    assert graphs.held == held
    graphs.release(1)
    assert graphs.held == 0
    assert not graphs._graphs


def test_an_optimizers_graph_is_counted_for_what_its_arena_holds(bundle: Bundle) -> None:
    """A large one was kept for its few kernels, with all the memory of its scale: 1.3 GB at 2048
    pixels."""
    graphs = Graphs(bundle, CPU, 2)
    graphs.get("lbfgs.onnx", 64, 64)
    outputs = 3 * 3 * 64 * 64 * 4
    assert graphs.held > pool.SESSION + outputs
    before = graphs.held
    graph = graphs.get("lbfgs.onnx", 512, 512)
    assert graph.outputs
    del graph
    assert graphs.held == before
    assert len(graphs._graphs) == 1


def test_what_may_be_kept_is_bounded(bundle: Bundle) -> None:
    graphs = Graphs(bundle, CPU, 2, kept=0)
    graphs.get("describe-gatys-avg.onnx", 32, 32)
    assert graphs.held == 0
    assert graphs._store.size == 0


def test_targets_are_computed_once(bundle: Bundle) -> None:
    graphs, calls = Graphs(bundle, CPU, 2), []

    def compute() -> dict[str, Any]:
        calls.append(1)
        return {"style": np.zeros(1000, np.float32)}

    first = graphs.targets(("picture", 1), compute)
    assert graphs.targets(("picture", 1), compute) is first
    assert graphs.held == 4000
    graphs.targets(("picture", 2), compute)
    assert len(calls) == 2
    graphs.release(4000)
    graphs.targets(("picture", 1), compute)
    assert len(calls) == 3


def test_threads_get_the_same_graphs(bundle: Bundle) -> None:
    graphs, found = Graphs(bundle, CPU, 1, kept=10_000_000), []

    def work() -> None:
        for n in range(20):
            graph = graphs.get("lbfgs.onnx", 16 * (1 + n % 5), 16)
            found.append(graph.outputs)
            graphs.release(n * 100_000)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert graphs.held <= 10_000_000


def test_a_style_that_was_described_gives_the_same_picture(photo: Any) -> None:
    engine = Engine.load("vgg19", device="cpu")
    pair = photo("chelsea", 48, 64), photo("coffee", 64, 64)
    found = [engine.stylize(*pair, size=64, iterations=3).image for _ in range(2)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("name", "wanted", "device", "pixels", "expected"),
    [
        ("step-gatys-avg.onnx", "winograd", "cpu", 400_000, "step-gatys-avg-winograd.onnx"),
        ("pullback-gatys-max.onnx", "winograd", "cpu", 10**9, "pullback-gatys-max-winograd.onnx"),
        ("step-gatys-avg.onnx", "winograd", "cpu", 399_999, "step-gatys-avg.onnx"),
        ("describe-gatys-avg.onnx", "winograd", "cpu", 10**9, "describe-gatys-avg.onnx"),
        ("step-gatys-avg.onnx", "plain", "cpu", 10**9, "step-gatys-avg.onnx"),
        ("step-gatys-avg.onnx", "winograd", "cuda", 10**9, "step-gatys-avg.onnx"),
    ],
)
def test_which_file_is_opened(
    bundle: Bundle, name: str, wanted: str, device: str, pixels: int, expected: str
) -> None:
    assert Graphs(bundle, Device(device), None, wanted).file(name, pixels) == expected


def test_the_processor_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "impasto.runtime.graphs.convolutions"
    for name, (kind, reason) in PROCESSORS.items():
        monkeypatch.setattr(f"{module}.processor", lambda name=name: name)
        found = choose_convolutions("auto", Device("cpu"))
        assert (found.kind, str(found)) == (kind, f"{kind} ({name}: {reason})")
    monkeypatch.setattr(f"{module}.processor", lambda: "riscv64")
    assert choose_convolutions("auto", Device("cpu")).kind == "plain"
    assert choose_convolutions("auto", Device("cuda")).kind == "plain"


@pytest.mark.parametrize(
    ("machine", "avx512", "expected"),
    [
        ("x86_64", True, "x86-64 with AVX-512"),
        ("AMD64", False, "x86-64"),
        ("aarch64", False, "arm64"),
        ("", False, "an unknown processor"),
    ],
)
def test_processors(
    monkeypatch: pytest.MonkeyPatch, machine: str, avx512: bool, expected: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("impasto.runtime.graphs.convolutions._has_avx512", lambda: avx512)
    assert processor() == expected


def test_avx512_is_seen_where_linux_sees_it() -> None:
    try:
        with open("/proc/cpuinfo") as file:
            flags = file.read().split()
    except OSError:
        pytest.skip("no /proc/cpuinfo")
    if "flags" not in flags:
        pytest.skip("no flags of x86 in /proc/cpuinfo")
    assert (processor() == "x86-64 with AVX-512") == ("avx512f" in flags)


def test_other_convolutions_are_refused() -> None:
    with pytest.raises(SettingError, match="convolutions='fft': give one of auto, plain, winograd"):
        Engine.load("vgg19", device="cpu", convolutions="fft")
