"""Square roots of matrices: one operator of our own, and its ONNX form.

Written in torch's operators it would be a hundred nodes, of which tracing takes long for each.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .forms import number, op

ITERATIONS = 12
LEAST = 1e-3
"""Root of the smallest eigenvalue whose root is found in so many."""


def scales() -> list[float]:
    """Of the steps: each brings singular values of [least, 1] into [next, 1]. Chen & Chow 2014."""
    least, found = LEAST, []
    for _ in range(ITERATIONS):
        scale = math.sqrt(3 / (1 + least + least**2))
        found.append(scale)
        least = 0.5 * scale * least * (3 - scale**2 * least**2)
    return found


@torch.library.custom_op("impasto::roots", mutates_args=())
def roots(matrices: torch.Tensor, identity: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A^1/2 and A^-1/2 of positive (R, K, K) matrices whose eigenvalues are in [0, 1].

    By the coupled Newton-Schulz iteration (Higham 2008, eq. 6.35), each step scaled so that the
    least singular value grows most. It has no gradient: none is needed, see ``Wasserstein``.
    """
    root, inverse = matrices, identity.expand_as(matrices)
    for scale in scales():
        step = 1.5 * scale * identity - 0.5 * scale**3 * (inverse @ root)
        root, inverse = root @ step, step @ inverse
    return root.clone(), inverse.clone()


@roots.register_fake
def _(matrices: torch.Tensor, identity: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.empty_like(matrices), torch.empty_like(matrices)


def form(matrices: Any, identity: Any) -> Any:
    """The same in ONNX; the first step's inverse is the identity."""
    root, inverse = matrices, None
    for scale in scales():
        product = root if inverse is None else op.MatMul(inverse, root)
        straight = op.Mul(identity, number(1.5 * scale))
        step = op.Sub(straight, op.Mul(product, number(0.5 * scale**3)))
        root = op.MatMul(root, step)
        inverse = step if inverse is None else op.MatMul(step, inverse)
    return root, inverse
