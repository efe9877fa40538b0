"""VGG19 and the losses of Gatys et al. 2016 in plain PyTorch, for the tests alone.

Written from the papers' equations; of the package it takes nothing but the arrays of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from impasto.export import load_weights

torch.set_num_threads(1)  # two pools of threads, ONNX Runtime's too, would wait for each other

# Simonyan & Zisserman 2015, table 1, column E, up to conv5_1
BLOCKS = (
    ("conv1_1", "conv1_2"),
    ("conv2_1", "conv2_2"),
    ("conv3_1", "conv3_2", "conv3_3", "conv3_4"),
    ("conv4_1", "conv4_2", "conv4_3", "conv4_4"),
    ("conv5_1",),
)
CONTENT, STYLE = "conv4_2", ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
POOLS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "avg": lambda x: F.avg_pool2d(x, 2),
    "max": lambda x: F.max_pool2d(x, 2),
    "max, ties to the last": lambda x: F.max_pool2d(x.flip(2, 3), 2).flip(2, 3),
    "max, ties shared": lambda x: windows(x).amax((3, 5)),
}


class Reference:
    """The terms of a picture that is compared with two others, all (1, 3, H, W) in [0, 1].

    ``factors`` are for kernels that are to be wrong.
    """

    def __init__(
        self,
        pooling: str,
        content: NDArray[Any],
        style: NDArray[Any],
        factors: Mapping[str, float] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.pool, self.dtype = POOLS[pooling], dtype
        self.kernels = {
            name: (
                torch.tensor(convolution.kernel, dtype=dtype) * (factors or {}).get(name, 1.0),
                torch.tensor(convolution.bias, dtype=dtype),
            )
            for name, convolution in load_weights("shipped").convolutions.items()
        }
        self.content = self.features(torch.tensor(content, dtype=dtype))[CONTENT]
        painted = self.features(torch.tensor(style, dtype=dtype))
        self.grams = {layer: gram(painted[layer]) for layer in STYLE}

    def features(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every layer after its ReLU. The Caffe network takes BGR, 0..255, minus the mean."""
        mean = torch.tensor([103.939, 116.779, 123.68], dtype=self.dtype).reshape(1, 3, 1, 1)
        x = image[:, [2, 1, 0]] * 255 - mean
        found = {}
        for number, block in enumerate(BLOCKS):
            x = self.pool(x) if number else x
            for name in block:
                kernel, bias = self.kernels[name]
                x = found[name] = F.conv2d(x, kernel, bias, padding=1).relu()
        return found

    def evaluate(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every term by its name in the manifest.

        Content: eq. 1 over C M / 2. Style: eq. 4 times 4 / C^2. Variation: in units of 1/255.
        """
        features = self.features(image)
        terms = {f"content.{CONTENT}": (features[CONTENT] - self.content).square().mean()}
        for layer, wanted in self.grams.items():
            difference = gram(features[layer]) - wanted
            terms[f"style.{layer}"] = difference.square().sum() / len(difference) ** 4
        pixels = 255 * image
        across, down = pixels.diff(dim=3).square().sum(), pixels.diff(dim=2).square().sum()
        return terms | {"tv": (across + down) / image.numel()}

    def terms(self, image: NDArray[Any]) -> dict[str, float]:
        """The values of the terms."""
        with torch.no_grad():
            values = self.evaluate(torch.tensor(image, dtype=self.dtype))
        return {name: value.item() for name, value in values.items()}

    def gradients(self, image: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The gradient of every term."""
        x = torch.tensor(image, dtype=self.dtype, requires_grad=True)
        return {
            name: torch.autograd.grad(term, x, retain_graph=True)[0].numpy()
            for name, term in self.evaluate(x).items()
        }


def windows(x: torch.Tensor) -> torch.Tensor:
    """(1, C, H, W) as (1, C, H / 2, 2, W / 2, 2)."""
    _, channels, height, width = x.shape
    return x.reshape(1, channels, height // 2, 2, width // 2, 2)


def gram(features: torch.Tensor) -> torch.Tensor:
    """F F^T / M of a (1, C, H, W) feature map: (C, C)."""
    flat = features.reshape(features.shape[1], -1)
    return flat @ flat.T / flat.shape[1]
