"""Gradients of a user's own layers: each against PyTorch's, in float64."""

from __future__ import annotations

from collections.abc import Callable
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
from impasto.export.objective.encoder import measure
from impasto.export.tensors import Layout
from impasto.export.tracing import trace
from impasto.runtime.errors import ImpastoError

EMPTY = Layout({})
SIZES = [(32, 48), (80, 16)]
LIMIT = 2e-6

Layer = Callable[[torch.Tensor], torch.Tensor]


def conv(inputs: int, outputs: int, size: Any = 3, **options: Any) -> nn.Conv2d:
    torch.manual_seed(1)
    return nn.Conv2d(inputs, outputs, size, **options)


def chain(*layers: Any) -> nn.Sequential:
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """Two convolutions beside their input."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = chain(conv(8, 8, padding=1), nn.ReLU(), conv(8, 8, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.inner(x))


def norm(channels: int) -> nn.BatchNorm2d:
    torch.manual_seed(2)
    layer = nn.BatchNorm2d(channels)
    for values in (layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var):
        assert values is not None
        values.uniform_(0.5, 1.5)
    return layer


class Lambda(nn.Module):
    def __init__(self, function: Layer) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


CONVOLUTIONS: dict[str, nn.Module] = {
    "stride 2": conv(3, 5, stride=2, padding=1),
    "stride 2, 5x5": conv(3, 5, 5, stride=2, padding=2),
    "stride 2, 4x4": conv(3, 5, 4, stride=2, padding=1),
    "stride 2, no padding": conv(3, 5, stride=2),
    "stride 2, 1x1": conv(3, 5, 1, stride=2),
    "stride 4, 7x5": conv(3, 5, (7, 5), stride=4, padding=(3, 1)),
    "stride (1, 2)": conv(3, 5, (1, 3), stride=(1, 2), padding=(0, 1)),
    "stride 2 of odd sides": chain(Lambda(lambda x: x[:, :, 1:, 3:]), conv(3, 5, 3, stride=2)),
    "stride 3": conv(3, 5, 3, stride=3, padding=1),
    "more padding than kernel": conv(3, 5, 1, padding=2),
    "more padding than kernel, stride 2": conv(3, 5, 3, stride=2, padding=4),
    "dilation": conv(3, 5, dilation=2, padding=2),
    "dilation and stride": conv(3, 5, dilation=(2, 3), stride=2, padding=1),
    "groups": chain(conv(3, 6, 1), conv(6, 4, groups=2, padding=1)),
    "depthwise": chain(conv(3, 6, 1), conv(6, 6, groups=6, padding=1)),
    "depthwise, stride 2": chain(conv(3, 6, 1), conv(6, 12, 5, groups=6, stride=2, padding=2)),
    "transposed": nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1),
    "transposed, groups": chain(conv(3, 4, 1), nn.ConvTranspose2d(4, 6, 4, groups=2, dilation=2)),
    "zero padded": chain(nn.ZeroPad2d((0, 1, 0, 1)), conv(3, 5, stride=2)),
}

POOLINGS: dict[str, nn.Module] = {
    "max 3x3, stride 2": nn.MaxPool2d(3, 2, 1),
    "max 3x3, stride 1": nn.MaxPool2d(3, 1, 1),
    "max 3x2, stride 2": nn.MaxPool2d((3, 2), 2),
    "max 2x2": nn.MaxPool2d(2),
    "max 2x2 of odd sides": chain(Lambda(lambda x: x[:, :, 1:, 3:]), nn.MaxPool2d(2)),
    "max 2x2, dilation": nn.MaxPool2d(2, 2, dilation=2),
    "max 3x3": chain(conv(3, 5, padding=1), nn.ReLU(), nn.MaxPool2d(3)),
    "avg 3x3, stride 2": nn.AvgPool2d(3, 2, 1),
    "avg 3x3, stride 2, pads not counted": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "avg 3x3, stride 1": nn.AvgPool2d(3, 1, 1),
    "avg 2x2": nn.AvgPool2d(2),
    "avg 2x2 of odd sides": chain(Lambda(lambda x: x[:, :, 1:, 3:]), nn.AvgPool2d(2)),
    "avg (1, 4), divisor": nn.AvgPool2d((1, 4), divisor_override=3),
    "adaptive": nn.AdaptiveAvgPool2d((3, 5)),
    "global": nn.AdaptiveAvgPool2d(1),
}

OTHERS: dict[str, nn.Module] = {
    "relu6": chain(conv(3, 5, padding=1), Lambda(lambda x: 6 * x), nn.ReLU6()),
    "hardtanh": nn.Hardtanh(0.25, 0.75),
    "silu": chain(conv(3, 5), nn.SiLU()),
    "sigmoid": chain(conv(3, 5), nn.Sigmoid()),
    "leaky relu": chain(conv(3, 5), nn.LeakyReLU(0.1)),
    "threshold": nn.Threshold(0.4, 0.1),
    "batch norm": chain(conv(3, 5), norm(5), nn.ReLU()),
    "residual": chain(conv(3, 8, padding=1), Residual(), Residual()),
    "squeeze and excite": Lambda(lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True))),
    "reflected": chain(nn.ReflectionPad2d(1), conv(3, 5)),
    "bilinear": Lambda(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")),
}

FIRST_LAYERS: dict[str, nn.Module] = {
    "no padding": chain(conv(3, 32), nn.ReLU(), conv(32, 4), nn.ReLU()),
    "stride 2": chain(conv(3, 32, stride=2, padding=1), nn.ReLU(), conv(32, 4)),
    "5x5": chain(conv(3, 80, 5, padding=2), nn.ReLU(), conv(80, 4), nn.ReLU()),
}


class Loss(nn.Module):
    """Of the features of every layer; each reads three channels of its own."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers).eval().requires_grad_(False)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        loss = image.new_zeros(())
        for layer, channels in zip(self.layers, image.split(3, 1), strict=True):
            features = layer(channels)
            loss = loss + (features.square() + features).sum()
        return (loss,)


def export(module: nn.Module, file: Path, channels: int = 3, layout: Layout = EMPTY) -> Any:
    image = (1, channels, "height", "width")
    inputs, outputs = {"image": image}, {"loss": (), "gradient": image}
    model = trace.trace_gradient(module, inputs, outputs)
    file.write_bytes(trace.finish(model, inputs, outputs, layout))
    return ort.InferenceSession(file, providers=["CPUExecutionProvider"])


def errors(session: Any, module: nn.Module, image: Any) -> list[float]:
    """Of the gradients for three channels each: relative, against PyTorch in float64."""
    x = torch.tensor(image, dtype=torch.float64, requires_grad=True)
    module.double()(x)[0].backward()
    module.float()
    assert x.grad is not None
    ours = session.run(["gradient"], {"image": image})[0]
    pairs = zip(*(np.split(g, image.shape[1] // 3, 1) for g in (ours, x.grad.numpy())), strict=True)
    return [float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs]


@pytest.mark.parametrize("layers", [CONVOLUTIONS, POOLINGS, OTHERS], ids=["conv", "pool", "others"])
def test_a_gradient_is_pytorchs(layers: dict[str, nn.Module], tmp_path: Path) -> None:
    """Of noise, and where a picture has ties and flat regions."""
    module, random = Loss(*layers.values()), np.random.default_rng(3)
    session = export(module, tmp_path / "gradient.onnx", 3 * len(layers))
    for size in SIZES:
        noise = random.random((1, 3 * len(layers), *size), np.float32)
        levels = np.floor(3 * noise) / np.float32(4)
        for image in (noise, levels) if layers is POOLINGS else (noise,):
            found = dict(zip(layers, errors(session, module, image), strict=True))
            assert not {name: error for name, error in found.items() if not error <= LIMIT}


@pytest.mark.parametrize("name", FIRST_LAYERS)
def test_a_first_layer_that_is_computed_again_is_the_same(name: str, tmp_path: Path) -> None:
    module, random = Loss(FIRST_LAYERS[name]), np.random.default_rng(4)
    file = tmp_path / "gradient.onnx"
    session = export(module, file)
    assert (
        max(max(errors(session, module, random.random((1, 3, *s), np.float32))) for s in SIZES)
        <= LIMIT
    )
    again = [
        a for node in onnx.load(file).graph.node for a in node.attribute if a.s == b"SAME_UPPER"
    ]
    assert len(again) == (name == "5x5")


class Image(nn.Module):
    """As many channels as a Winograd convolution takes, so that the gradient comes from one."""

    def __init__(self) -> None:
        super().__init__()
        self.first = conv(128, 128, padding=1)
        self.requires_grad_(False)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        return (F.relu(self.first(image)).square().mean(),)


def test_a_gradient_that_winograd_makes_is_whole(tmp_path: Path) -> None:
    image = (1, 128, "height", "width")
    inputs, outputs = {"image": image}, {"loss": (), "gradient": image}
    model = trace.trace_gradient(Image(), inputs, outputs)
    twin = model.clone()
    assert winograd.rewrite(twin)
    found = []
    feeds = {"image": np.random.default_rng(5).random((1, 128, 16, 32), np.float32)}
    for graph in (model, twin):
        data = trace.finish(graph, inputs, outputs, EMPTY)
        found.append(ort.InferenceSession(data).run(["gradient"], feeds)[0])
    assert np.linalg.norm(found[1] - found[0]) <= 1e-6 * np.linalg.norm(found[0])


@pytest.mark.parametrize(
    ("layer", "operator"),
    [
        (nn.AdaptiveMaxPool2d((2, 3)), "adaptive_max_pool2d"),
        (nn.ReplicationPad2d(1), "replication_pad2d"),
        (nn.MaxPool2d(3, 2, ceil_mode=True), "max_pool2d"),
        (nn.AvgPool2d(3, 2, ceil_mode=True), "avg_pool2d"),
    ],
    ids=str,
)
def test_what_has_no_form_is_named(layer: nn.Module, operator: str, tmp_path: Path) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        export(Loss(layer), tmp_path / "gradient.onnx")
    cause: BaseException = caught.value
    while cause.__cause__ and not isinstance(cause, ImpastoError):
        cause = cause.__cause__
    assert isinstance(cause, ImpastoError)
    assert f"the gradient of {operator} " in str(cause)


class Shifted(nn.Module):
    """An encoder whose tensors have names that the graph has too."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        for name in ("image", "loss", "gradient", "mean"):
            self.encoder.register_buffer(name, torch.rand(1, 3, 1, 1))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        x = image
        for buffer in self.encoder.buffers():
            x = (x + buffer).square()
        return (x.mean(),)


def test_tensors_may_have_the_names_of_inputs_outputs_and_values(tmp_path: Path) -> None:
    module = Shifted()
    layout = Layout({name: buffer.numpy() for name, buffer in module.encoder.named_buffers()})
    (tmp_path / "weights.bin").write_bytes(layout.pack())
    session = export(module, tmp_path / "gradient.onnx", layout=layout)
    image = np.random.default_rng(6).random((1, 3, 16, 32), np.float32)
    assert max(errors(session, module, image)) <= LIMIT


class Every(nn.Module):
    """All features of an encoder, end to end."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.inner = encoder

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([features.flatten() for features in self.inner(image).values()])


def test_the_encoder_in_the_docs(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "encoders.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "docs"}
    exec(text.partition("```python")[2].partition("```")[0], names)
    encoder = names["Small"]()
    strides = {name: layer.stride[0] for name, layer in measure(encoder).layers.items()}
    assert strides == {"image": 1, "stem": 2, "wide": 4, "deep": 4}

    module = Loss(Every(encoder))
    session = export(module, tmp_path / "gradient.onnx")
    image = np.random.default_rng(7).random((1, 3, 32, 48), np.float32)
    assert max(errors(session, module, image)) <= LIMIT
