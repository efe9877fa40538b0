"""Edges: the Laplacian of the picture made small."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .head import Head

SIDE = 4
"""Pixels that become one, each way."""


class Laplacian(Head):
    """Mean squared difference of the Laplacians of the picture and the content's, made small.

    Both are averaged over blocks of 4x4; the Laplacian (4, -1 for each neighbour, summed over the
    channels) is that of Li, Xu, Nie & Liu 2017, in units of 1/255 of the range [0, 1]. They sum
    over the picture; with the mean, its balance with the rest does not depend on the size.
    """

    name, inputs, layers = "laplacian", {"target": "content"}, ("image",)
    reach, block, weight = SIDE, SIDE, 0.0

    kernel: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        kernel = torch.tensor([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]])
        self.register_buffer("kernel", 255 * kernel[None, None])

    def statistics(
        self, features: torch.Tensor, mask: torch.Tensor | None, target: torch.Tensor
    ) -> torch.Tensor:
        """(1,) squared differences, times the pixels of a block, summed over space.

        Blocks at the picture's border have no Laplacian.
        """
        small = F.avg_pool2d((features - target).sum(1, keepdim=True), SIDE)
        curved = F.conv2d(small, self.kernel).square()
        if mask is not None:
            curved = curved * mask[:, :, SIDE:-SIDE:SIDE, SIDE:-SIDE:SIDE]
        return SIDE**2 * curved.sum(3).sum(2).sum(1)

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        """The mean over positions."""
        return means.mean()
