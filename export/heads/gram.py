"""The style: Gram matrices."""

from __future__ import annotations

import torch

from .head import Head, masked


class Style(Head):
    """Squared difference of Gram matrices G = F F^T: sum (G - G*)^2 / (C^4 M^2).

    F is a (C, M) feature map, G* the style's Gram matrix. That is Gatys et al. 2016, eq. 4, times
    4 / C^2. The authors' code and neural-style compute the same, each with a weight of its own.
    """

    name, inputs = "style", {"target": "style"}

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(C, C): the Gram matrix."""
        flat = masked(features, mask).flatten(2).squeeze(0)
        return flat @ flat.T

    def loss(self, means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The scalar above; both arguments are Gram matrices divided by M."""
        squares = ((means - target) / means.shape[0]).square()
        return squares.mean(0).mean()  # in two stages: ONNX Runtime sums a large matrix naively
