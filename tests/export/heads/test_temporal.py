"""The temporal head: its formula in loops, its gradient, its tiles, and folded references."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from impasto.export import Head, Temporal
from impasto.export.additive import check_additive
from impasto.export.objective.terms import Term
from impasto.runtime.bundle.manifest import IMAGE, Layer
from impasto.runtime.errors import ImpastoError

SIZE = (5, 7)


def drawn(seed: int, channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((1, channels, *SIZE)))


def loss(image: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    head = Temporal()
    found: torch.Tensor = head.loss(head.statistics(image, None, target, weight) / np.prod(SIZE))
    return found


def test_it_is_the_mean_of_weighed_squares_in_units_of_8_bits() -> None:
    image, target, weight = drawn(0), drawn(1), drawn(2, 1)
    x, w, c = image.numpy()[0], target.numpy()[0], weight.numpy()[0, 0]
    total, gradient = 0.0, np.zeros_like(x)
    for k, i, j in product(range(3), range(5), range(7)):
        total += c[i, j] * (255 * (x[k, i, j] - w[k, i, j])) ** 2
        gradient[k, i, j] = 2 * c[i, j] * 255**2 * (x[k, i, j] - w[k, i, j]) / (3 * 35)
    image.requires_grad_()
    found = loss(image, target, weight)
    assert found.item() == pytest.approx(total / (3 * 35))
    (slope,) = torch.autograd.grad(found, image)
    np.testing.assert_allclose(slope.numpy()[0], gradient)
    assert loss(image, target, weight.sqrt()).item() != pytest.approx(found.item(), rel=1e-2)


def test_references_are_folded_into_one_of_the_same_gradient() -> None:
    image, targets = drawn(3).requires_grad_(), [drawn(4), drawn(5)]
    first = drawn(6, 1)
    weights = [first, drawn(7, 1) * (1 - first)]
    several = sum(loss(image, w, c) for w, c in zip(targets, weights, strict=True))
    whole = weights[0] + weights[1]
    folded = sum(c * w for w, c in zip(targets, weights, strict=True)) / whole
    (expected,) = torch.autograd.grad(several, image)
    (found,) = torch.autograd.grad(loss(image, folded, whole), image)
    torch.testing.assert_close(found, expected)


def test_statistics_of_tiles_add_up() -> None:
    check_additive(term(Temporal()))

    class Unmasked(Temporal):
        def statistics(
            self,
            features: torch.Tensor,
            mask: torch.Tensor | None,
            target: torch.Tensor,
            weight: torch.Tensor,
        ) -> torch.Tensor:
            return super().statistics(features, None, target, weight)

    with pytest.raises(ImpastoError, match="use `masked`"):
        check_additive(term(Unmasked()))


def term(head: Head) -> Term:
    return Term(head, IMAGE, Layer(channels=3, stride=(1, 1)))
