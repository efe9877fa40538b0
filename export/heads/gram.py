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
        return products(features, mask)

    def loss(self, means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(R,), the above for each region; both arguments are Gram matrices divided by M."""
        squares = ((means - target) / means.shape[1]).square()
        return squares.mean(1).mean(1)  # in two stages: ONNX Runtime sums a large matrix naively


def products(features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """(R, C, C): sums of F F^T over the positions, by the (R, 1, H, W) mask."""
    # Twice the root of the mask, instead of once the mask: of a product with itself the gradient
    # is one product, too (see export/tracing/lower.py).
    own = masked(features, None if mask is None else mask.sqrt()).flatten(2)
    return torch.bmm(own, own.transpose(1, 2))
