"""VGG19 (Simonyan & Zisserman, 2015) as a torch module whose layers have names.

A layer's name (``conv4_2``) means its feature map after the ReLU.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from .convolutions import CONVOLUTIONS, Weights

Pooling = Literal["avg", "max"]

ALIGNMENT = 16  # four poolings by 2: sides are multiples of this
POOLED = ("conv1_2", "conv2_2", "conv3_4", "conv4_4")  # a pooling follows these
LAYERS = tuple(CONVOLUTIONS)


class VGG19(nn.Module):
    """The feature maps of the named layers of a (1, 3, H, W) RGB picture in [0, 1]."""

    mean: torch.Tensor

    def __init__(self, weights: Weights, layers: Iterable[str], pooling: Pooling = "avg") -> None:
        super().__init__()
        self.wanted = frozenset(layers)
        self.pooling = pooling
        self.names = LAYERS[: 1 + max((LAYERS.index(layer) for layer in self.wanted), default=-1)]
        for name in self.names:
            convolution = nn.Conv2d(*CONVOLUTIONS[name], kernel_size=3, padding=1)
            convolution.weight.data = torch.from_numpy(weights.convolutions[name].kernel)
            convolution.bias.data = torch.from_numpy(weights.convolutions[name].bias)  # type: ignore[union-attr]
            self.add_module(name, convolution)
        self.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(weights.mean).reshape(1, 3, 1, 1))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Name -> (1, C, H / stride, W / stride)."""
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


def stride(layer: str) -> int:
    """How many pixels lie between two positions of the layer's feature map."""
    return 1 << sum(LAYERS.index(pooled) < LAYERS.index(layer) for pooled in POOLED)
