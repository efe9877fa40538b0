"""Moving pictures: a frame stays as the ones before it, where they can be seen in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from impasto.runtime.bundle.sources import Source

from .head import Head, masked


class Temporal(Head):
    """Mean of c (255 (x - w))^2: x is the picture, w the target, c in [0, 1] its weight.

    That is Ruder, Dosovitskiy & Brox 2016, eq. 7, in units of 1/255 of the range [0, 1]. Several
    targets w_j of weights c_j are one, of the weight c = sum c_j and w = sum c_j w_j / c: the
    gradient is the same, and the loss differs by a constant.
    """

    name, layers, weight = "temporal", ("image",), 0.0
    inputs: ClassVar[Mapping[str, Source]] = {"target": "given", "weight": "given"}
    channels: ClassVar[Mapping[str, int]] = {"weight": 1}

    def statistics(
        self,
        features: torch.Tensor,
        mask: torch.Tensor | None,
        target: torch.Tensor,
        weight: torch.Tensor,
    ) -> torch.Tensor:
        """(C,) weighed squared differences, summed over space."""
        squares = (255 * (features - target)).square() * weight
        return masked(squares, mask).sum((0, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        """Their mean over channels."""
        return means.mean()
