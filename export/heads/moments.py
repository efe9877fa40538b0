"""Mean and standard deviation of every channel."""

from __future__ import annotations

import torch

from .head import Head

ROUNDING = 1e-6
"""Of a channel's mean square: what a variance is too small to be told from 0 in float32."""


class Moments(Head):
    """Mean squared differences of means and of standard deviations, of C channels.

    That is what Galerne, Raad, Lezama & Morel 2022 (Scaling Painting Style Transfer) add to Gram
    matrices, with a weight of 1e4 for each layer where a Gram term's is 1000.
    """

    name, inputs = "moments", {"target": "style"}

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(R, 2, C): sums of F and of its square."""
        return sums(features, mask)

    def loss(self, means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(R,), the above for each region; both arguments are sums divided by M."""
        (mean, deviation), (goal, wanted) = _both(means), _both(target)
        return (mean - goal).square().mean((1, 2)) + (deviation - wanted).square().mean((1, 2))


def sums(features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """(R, 2, C): sums over the positions of features and of their squares, by rows: see ``Style``.

    In two stages: ONNX Runtime sums a large array naively.
    """
    both = torch.stack([features, features.square()], 1).squeeze(0)
    weighed = both if mask is None else both * mask.unsqueeze(1)
    return weighed.sum(-1).sum(-1).reshape(-1, 2, features.shape[1])


def _both(means: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and standard deviations, (R, 1, C), of (R, 2, C) means of F and its square."""
    mean, square = torch.split(means, 1, 1)
    variance = (square - mean.square()).clamp(min=0)
    return mean, (variance + ROUNDING * square + torch.finfo(torch.float32).tiny).sqrt()
