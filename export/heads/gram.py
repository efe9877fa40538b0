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
        """(R, C, C): the Gram matrix of each region."""
        channels, flat = features.shape[1], features.flatten(2).squeeze(0)
        # One product for all regions, (R C, M) by (M, C): a batch would need F as often.
        own = flat if mask is None else masked(features, mask).flatten(2).flatten(0, 1)
        return (own @ flat.T).reshape(-1, channels, channels)

    def loss(self, means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(R,), the above for each region; both arguments are Gram matrices divided by M."""
        squares = ((means - target) / means.shape[1]).square()
        return squares.mean(1).mean(1)  # in two stages: ONNX Runtime sums a large matrix naively
