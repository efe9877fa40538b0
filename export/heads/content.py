"""The content: features that stay as the photograph's."""

from __future__ import annotations

import torch

from .head import Head, masked


class Content(Head):
    """Mean squared difference of feature maps, of C channels and M positions.

    That is Gatys et al. 2016, eq. 1, divided by C M / 2: with the paper's sum the balance with the
    style would depend on the picture's size.
    """

    name, inputs = "content", {"target": "content"}

    def statistics(
        self, features: torch.Tensor, mask: torch.Tensor | None, target: torch.Tensor
    ) -> torch.Tensor:
        """(C,) squared differences, summed over space."""
        return masked(features - target, mask).square().sum((0, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        """Their mean over channels."""
        return means.mean()
