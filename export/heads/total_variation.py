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


class NinePoint(Head):
    """Total variation over all eight neighbours: style-transfer-pytorch's, of a range [0, 1].

    Twice the sum of mean squared differences, a third of each across and down, a twelfth of each
    along the diagonals. Theirs repeats the border, which adds a share of one over the side.
    """

    name, layers = "tv9", ("image",)
    reach, weight = 1, 0.0

    straight: torch.Tensor
    diagonal: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("straight", (2 / 3) ** 0.5 * torch.tensor([-1.0, 1.0]))
        diagonal = torch.tensor([[[-1.0, 0.0], [0.0, 1.0]], [[0.0, -1.0], [1.0, 0.0]]])
        self.register_buffer("diagonal", (1 / 6) ** 0.5 * diagonal[:, None])

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(C,) weighed squared differences to those right of it and below, summed over space."""
        planes = features.transpose(0, 1)
        kernels = [self.straight.reshape(1, 1, 1, 2)]
        if features.shape[2] > 1:
            kernels += [self.straight.reshape(1, 1, 2, 1), self.diagonal]
        found = [masked(F.conv2d(planes, kernel).square(), mask) for kernel in kernels]
        return torch.stack([squares.sum(3).sum(2).sum(1) for squares in found]).sum(0)

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        """Their mean over channels."""
        return means.mean()
