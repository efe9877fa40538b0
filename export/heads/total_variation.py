"""The picture itself: how much neighbouring pixels differ."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .head import Head, masked


class TotalVariation(Head):
    """Mean squared difference of neighbouring pixels, in units of 1/255 of the range [0, 1]."""

    name, layers = "tv", ("image",)
    reach, weight = 1, 0.0

    kernel: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.tensor([-255.0, 255.0]))

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(C,) squared differences to the right and lower neighbours, summed over space."""
        planes = features.transpose(0, 1)
        across = masked(F.conv2d(planes, self.kernel.reshape(1, 1, 1, 2)), mask)
        if features.shape[2] == 1:
            return across.square().sum((1, 2, 3))
        down = masked(F.conv2d(planes, self.kernel.reshape(1, 1, 2, 1)), mask)
        return across.square().sum((1, 2, 3)) + down.square().sum((1, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        """Their mean over channels."""
        return means.mean()
