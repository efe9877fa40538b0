"""The style: Gaussians of features, and how far one has to be moved to become the other."""

from __future__ import annotations

import torch

from impasto.export.tracing.roots import roots

from .gram import products
from .head import Head
from .moments import sums

TINY = torch.finfo(torch.float32).tiny
FEW = 1e-30
"""Of a black picture and a black style; its root, and the inverse of that, are numbers."""
FLOOR = 1e-6
"""Of the style's own size: what is no smaller keeps the gradient of a flat picture finite."""
NOISE = 1e-6
"""Of the size of what the matrix is the difference of: more than float32's rounding does to it."""


class Wasserstein(Head):
    """Squared 2-Wasserstein distance of the Gaussians of features, over C.

    With means m and covariances S, of C channels: (|m - m*|^2 + tr S + tr S* - 2 tr (S*^1/2 S
    S*^1/2)^1/2) / C. Raw moments are described, so that blends of styles stay linear.

    S* is told by V (C, K), V V^T its K largest eigenvalues and their vectors: then the trace of the
    root is tr (V^T S V)^1/2, of a K x K matrix. Where C is more than K, what is not in V's span is
    compared by its trace alone, (tr^1/2 - tr*^1/2)^2: so the whole is a lower bound of the
    distance, and 0 where S is S*.

    Where there are fewer positions than channels V^T S V has eigenvalues of 0, up to rounding: of
    these roots have no gradient. So the root is that of V^T S V + d, with d of ``NOISE``; and what
    this adds where S is S* is taken off again.
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
        raw = within + torch.bmm(factor.transpose(1, 2), mean[:, :, None]).square()
        size = (raw * _identity(within)).sum(2).sum(1) + values.square().sum(1)
        least = (NOISE * size + FEW)[:, None]
        root = _trace_of_root(within + least[:, :, None] * _identity(within))
        root = root - ((values.square() + least).sqrt() - values).sum(1)
        distance = (mean - goal).square().sum(1) + trace + wanted - 2 * root
        if rank < channels:
            seen = (within / values.clamp(min=FLOOR)[:, None] * _identity(within)).sum(2).sum(1)
            rest, other = (trace - seen).clamp(min=0), (wanted - values.sum(1)).clamp(min=0)
            floor = FLOOR * wanted
            distance = distance - 2 * ((rest * other + floor.square() + TINY).sqrt() - floor)
        found: torch.Tensor = distance / channels
        return found


def _gaussian(means: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Covariance (R, C, C), mean (R, C) and the covariance's trace (R,), of raw moments."""
    products, mean, squares = torch.split(means, [means.shape[2], 1, 1], 1)
    trace = squares.sum((1, 2)) - mean.square().sum((1, 2))
    return products - mean.transpose(1, 2) * mean, mean.squeeze(1), trace


def _identity(matrices: torch.Tensor) -> torch.Tensor:
    return torch.eye(matrices.shape[-1], dtype=matrices.dtype)


def _trace_of_root(matrices: torch.Tensor) -> torch.Tensor:
    """(R,), tr A^1/2 of positive (R, K, K) A, with its gradient, 1/2 A^-1/2."""
    a, identity = matrices.detach(), _identity(matrices)
    norm = (a * identity).sum((1, 2), keepdim=True)
    root, inverse = roots(a / norm, identity)
    trace: torch.Tensor = (root * norm.sqrt() * identity).sum(2).sum(1)
    slope: torch.Tensor = 0.5 * (inverse / norm.sqrt() * (matrices - a)).sum(2).sum(1)
    return trace + slope
