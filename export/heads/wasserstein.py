"""The style: Gaussians of features, and how far one has to be moved to become the other."""

from __future__ import annotations

import torch

from impasto.export.tracing.roots import roots

from .gram import products
from .head import Head
from .moments import sums

TINY = torch.finfo(torch.float32).tiny
FLOOR = 1e-6
"""Of the style's own size: what is no smaller keeps the gradient of a flat picture finite."""


class Wasserstein(Head):
    """Squared 2-Wasserstein distance of the Gaussians of features, over C.

    With means m and covariances S, of C channels: (|m - m*|^2 + tr S + tr S* - 2 tr (S*^1/2 S
    S*^1/2)^1/2) / C. Raw moments are described, so that blends of styles stay linear.

    S* is told by V (C, K), V V^T its K largest eigenvalues and their vectors: then the trace of the
    root is tr (V^T S V)^1/2, of a K x K matrix. Where C is more than K, what is not in V's span is
    compared by its trace alone, (tr^1/2 - tr*^1/2)^2: so the whole is a lower bound of the
    distance, and 0 where S is S*.
    """

    name = "wasserstein"
    inputs = {"target": "style", "factor": "style_factor"}  # noqa: RUF012

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(R, C + 2, C): sums of F F^T, then of F, then of its square."""
        return torch.cat([products(features, mask), sums(features, mask)], 1)

    def loss(self, means: torch.Tensor, target: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        """(R,), the above for each region; ``factor`` is V, (R, C, K)."""
        channels, rank = factor.shape[1:]
        covariance, mean, trace = _gaussian(means)
        _, goal, wanted = _gaussian(target)
        wanted = wanted.clamp(min=0)
        within = torch.bmm(torch.bmm(factor.transpose(1, 2), covariance), factor)
        values = factor.square().sum(1)  # S*'s eigenvalues
        distance = (
            (mean - goal).square().sum(1) + trace + wanted - 2 * _trace_of_root(within, values)
        )
        if rank < channels:
            seen = (within / values.clamp(min=FLOOR)[:, None] * _identity(within)).sum(2).sum(1)
            rest, other = (trace - seen).clamp(min=0), (wanted - values.sum(1)).clamp(min=0)
            least = FLOOR * wanted
            distance = distance - 2 * ((rest * other + least.square() + TINY).sqrt() - least)
        found: torch.Tensor = distance / channels
        return found


def _gaussian(means: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Covariance (R, C, C), mean (R, C) and the covariance's trace (R,), of raw moments."""
    products, mean, squares = torch.split(means, [means.shape[2], 1, 1], 1)
    trace = squares.sum((1, 2)) - mean.square().sum((1, 2))
    return products - mean.transpose(1, 2) * mean, mean.squeeze(1), trace


def _identity(matrices: torch.Tensor) -> torch.Tensor:
    return torch.eye(matrices.shape[-1], dtype=matrices.dtype)


def _trace_of_root(matrices: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """(R,), tr A^1/2 of positive (R, K, K) A, with its gradient, 1/2 A^-1/2.

    ``values`` are S*'s eigenvalues: their squares are A's where S is S*.
    """
    a, identity = matrices.detach(), _identity(matrices)
    norm = a.square().sum((1, 2), keepdim=True).sqrt()
    norm = norm + FLOOR * values.square().sum(1)[:, None, None] + TINY
    root, inverse = roots(a / norm, identity)
    trace: torch.Tensor = (root * norm.sqrt() * identity).sum(2).sum(1)
    slope: torch.Tensor = 0.5 * (inverse / norm.sqrt() * (matrices - a)).sum(2).sum(1)
    return trace + slope
