"""VGG19 (Simonyan & Zisserman, 2015) as an encoder.

A layer's name (``conv4_2``) means its feature map after the ReLU.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from impasto.export.objective.encoder import Encoder
from impasto.export.tensors import Stored

from .convolutions import CONVOLUTIONS, Weights

POOLED = ("conv1_2", "conv2_2", "conv3_4", "conv4_4")  # a pooling by 2 follows these


class VGG19(Encoder):
    """The feature maps of (1, 3, H, W) RGB pictures in [0, 1], up to the last of ``wanted``."""

    name = "vgg19"
    layers: ClassVar[tuple[str, ...]] = tuple(CONVOLUTIONS)
    poolings = ("avg", "max")

    mean: torch.Tensor

    def __init__(
        self, weights: Weights, wanted: Collection[str] | None = None, pooling: str = "avg"
    ) -> None:
        super().__init__()
        self.weights, self.pooling = weights, pooling
        self.source, self.licence = weights.source, weights.licence
        self.wanted = self.layers if wanted is None else wanted
        places = [self.layers.index(layer) for layer in self.wanted]
        self.names = self.layers[: 1 + max(places, default=-1)]
        for name in self.names:
            convolution = nn.Conv2d(*CONVOLUTIONS[name], kernel_size=3, padding=1)
            convolution.weight.data = torch.from_numpy(weights.convolutions[name].kernel)
            convolution.bias.data = torch.from_numpy(weights.convolutions[name].bias)  # type: ignore[union-attr]
            self.add_module(name, convolution)
        mean = torch.tensor(weights.mean).reshape(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """See Encoder."""
        pool = F.avg_pool2d if self.pooling == "avg" else F.max_pool2d
        x = (image * 255 - self.mean).flip(1)  # the Caffe weights want BGR
        features = {}
        for name in self.names:
            x = F.relu(self.get_submodule(name)(x))
            if name in self.wanted:
                features[name] = x
            if name in POOLED:
                x = pool(x, 2)
        return features

    def select(self, layers: Collection[str], pooling: str) -> VGG19:
        """See Encoder."""
        return VGG19(self.weights, layers, pooling)

    def stored(self) -> dict[str, Stored]:
        """See Encoder. Codebooks stay codebooks."""
        return self.weights.stored()
