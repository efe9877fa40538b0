"""Winograd's convolutions in place of plain ones: the same function, as exactly, or left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from impasto.export import winograd
from impasto.export.tensors import Layout
from impasto.export.tracing import trace
from impasto.export.winograd import transform

INPUTS = {"image": (1, 3, "height", "width")}
OUTPUTS = {"loss": (), "gradient": (1, 3, "height", "width")}

Features = torch.Tensor
Head = Callable[[Features], torch.Tensor]


class Network(nn.Module):
    """Four 3x3 convolutions, the last three of many channels, with a pooling between; heads read
    the first and the last of those.
    """

    def __init__(self, pool: Callable[..., Features] = F.avg_pool2d, head: Head = torch.square):
        super().__init__()
        torch.manual_seed(1)
        channels = (3, 128, 128, 144, 160)
        self.layers = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in pairwise(channels))
        self.requires_grad_(False)
        self.pool, self.head = pool, head

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        first, second, third, fourth = self.layers
        x = F.relu(second(F.relu(first(image))))
        loss = self.head(x).mean()
        x = F.relu(fourth(F.relu(third(self.pool(x, 2)))))
        return (loss + 10 * self.head(x).mean(),)


class Pair:
    """The traced gradient as it is, and rewritten."""

    def __init__(self, module: nn.Module, tmp_path: Path) -> None:
        self.module = module.eval()
        plain = trace.trace_gradient(self.module, INPUTS, OUTPUTS)
        twin = plain.clone()
        self.rewritten = winograd.rewrite(twin)
        self.files = [tmp_path / "plain.onnx", tmp_path / "twin.onnx"]
        for file, model in zip(self.files, (plain, twin), strict=True):
            file.write_bytes(trace.finish(model, INPUTS, OUTPUTS, Layout({})))

    def kernels(self, twin: bool) -> Counter[tuple[int, ...]]:
        """How many convolutions have kernels of so many rows and columns, not depthwise."""
        model = onnx.shape_inference.infer_shapes(onnx.load(self.files[twin]))
        sizes = {
            value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
            for value in model.graph.value_info
        } | {value.name: tuple(value.dims) for value in model.graph.initializer}
        convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
        shapes = [sizes[node.input[1]] for node in convolutions]
        return Counter(shape[2:] for shape in shapes if shape[1] > 1)

    def errors(self, size: tuple[int, int], seed: int = 0) -> list[dict[str, float]]:
        """Of both, against PyTorch in float64: relative, by output."""
        image = np.random.default_rng(seed).random((1, 3, *size), np.float32)
        x = torch.tensor(image, dtype=torch.float64, requires_grad=True)
        (loss,) = self.module.double()(x)
        loss.backward()
        self.module.float()
        assert x.grad is not None
        expected = {"loss": loss.detach().numpy(), "gradient": x.grad.numpy()}
        found = []
        for file in self.files:
            session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
            outputs = dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"image": image}), strict=True))
            found.append({key: _error(outputs[key], expected[key]) for key in OUTPUTS})
        return found


def _error(ours: Any, theirs: Any) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


@pytest.fixture(scope="module", params=[F.avg_pool2d, F.max_pool2d], ids=["avg", "max"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(Network(request.param), tmp_path_factory.mktemp("pair"))


@pytest.mark.parametrize("size", [(16, 16), (32, 80), (64, 48)], ids=str)
def test_loss_and_gradient_are_as_exact(pair: Pair, size: tuple[int, int]) -> None:
    plain, twin = pair.errors(size)
    for output, error in twin.items():
        assert error <= max(4 * plain[output], 1e-6), output


def test_three_convolutions_and_their_gradients_become_sixteen_each(pair: Pair) -> None:
    assert pair.rewritten
    assert pair.kernels(twin=False) == {(3, 3): 9}  # the first twice: see lower.lay_out
    assert pair.kernels(twin=True) == {(3, 3): 3, (1, 1): 6 * 16}


def test_coefficients_that_are_wrong_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform, "G", transform.G * [[1], [1], [1.001], [1]])
    plain, twin = Pair(Network(), tmp_path).errors((32, 32))
    assert plain["gradient"] < 1e-6
    assert twin["gradient"] > 1e-4


HEADS: list[list[Head]] = [
    [
        lambda x: x[:, :, 1::2, ::2],
        lambda x: x[:, :, 2:5],
        lambda x: x[:, :, ::3, ::3],
        lambda x: x[:, :, 1:] - x[:, :, :-1],
        lambda x: x[:, :, ::2, 1::2] - x[:, :, 1::2, ::2],
        lambda x: x[:, :, :-1][:, :, 1::2, ::2],
        lambda x: F.pixel_unshuffle(x, 2),
        lambda x: x[:, :, 2::2, ::2],
        lambda x: F.pixel_shuffle(torch.cat([x[:, :16]] * 4, 1), 2),
        lambda x: F.pixel_shuffle(torch.cat([x[:, :16], x[:, :32], x[:, :64], x[:, :16]], 1), 2),
    ],
    [
        lambda x: x * x.detach().mean(1, keepdim=True),
        lambda x: x * torch.arange(x.shape[1]).reshape(1, -1, 1, 1),
        lambda x: x * 0.3 + 0.1,
        lambda x: x - x.detach().mean((2, 3), keepdim=True),
        lambda x: x.flatten(2)[0] @ x.flatten(2)[0].T / x.shape[2],
    ],
    [
        lambda x: x + F.interpolate(x, scale_factor=2, mode="nearest").detach()[:, :, 1::2, ::2],
        lambda x: x + F.interpolate(x, scale_factor=3, mode="nearest").detach()[:, :, 1::3, ::3],
        lambda x: F.avg_pool2d(x, 4).detach() + x[:, :, ::4, ::4],
    ],
]


@pytest.mark.parametrize("heads", HEADS, ids=["parts", "products", "other scales"])
def test_whatever_a_head_does_with_a_feature_map_stays_right(
    heads: list[Head], tmp_path: Path
) -> None:
    def every(x: Features) -> torch.Tensor:
        return torch.stack([head(x).square().mean() for head in heads])

    pair = Pair(Network(head=every), tmp_path)
    assert pair.rewritten
    plain, twin = pair.errors((48, 96))
    for output, error in twin.items():
        assert error <= max(4 * plain[output], 1e-6), output


class Alone(nn.Module):
    """One convolution at a quarter of the size."""

    def __init__(self, inputs: int = 128, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first, self.second = nn.Conv2d(3, inputs, 1), nn.Conv2d(inputs, 128, 3, **options)
        self.requires_grad_(False)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        x = self.first(F.avg_pool2d(image, 2).detach()).detach()
        return (self.second(x).square().mean() + image.square().mean(),)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 0},
        {"padding": 1, "stride": 2},
        {"padding": 2, "dilation": 2},
        {"padding": 1, "groups": 2},
        {"padding": 1, "inputs": 64},
        {"padding": 1, "inputs": 136},
    ],
    ids=str,
)
def test_other_convolutions_are_left_alone(options: dict[str, int], tmp_path: Path) -> None:
    pair = Pair(Alone(**options), tmp_path)
    assert not pair.rewritten
    assert pair.files[0].read_bytes() == pair.files[1].read_bytes()


def test_what_ships_has_no_plain_convolution_that_it_need_not_have() -> None:
    """conv1_1 twice, conv1_2, conv2_1 and conv5_1, whose size may be odd; and their gradients.

    Objectives without conv5_1 end with conv4_2.
    """
    from impasto.runtime.bundle.bundle import Bundle

    bundle = Bundle("vgg19")
    assert set(bundle.manifest.winograd) == {
        f"{name}-{objective}-{pooling}.onnx"
        for name in ("step", "statistics", "pullback")
        for objective, entry in bundle.manifest.objectives.items()
        for pooling in entry.poolings
    }
    for name, twin in bundle.manifest.winograd.items():
        plain = [node for node in _nodes(bundle, name) if _is_square(node)]
        left = [node for node in _nodes(bundle, twin) if _is_square(node)]
        fewer = (
            0
            if any(deep in name for deep in ("gatys-avg", "gatys-max", "spst", "crowsonkb"))
            else 3
        )
        own = "faithful" in name  # the Laplacian's
        if "statistics" in name:
            assert (len(plain), len(left)) == (13 - fewer + own, 4 - (fewer > 0) + own)
        else:
            expected = 27 - 2 * fewer + 2 * own, 9 - 2 * (fewer > 0) + 2 * own
            assert (len(plain), len(left)) == expected


def _nodes(bundle: Any, name: str) -> Any:
    return onnx.load_from_string(bundle.files[name]).graph.node


def _is_square(node: Any) -> bool:
    """A 3x3 convolution."""
    shapes = [list(a.ints) for a in node.attribute if a.name == "kernel_shape"]
    return node.op_type == "Conv" and shapes == [[3, 3]]
