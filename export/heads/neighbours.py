"""Nearest neighbours: features that are to become those of the style which they resemble most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import nn

from impasto.runtime.bundle.sources import Source

from .content import Content

TINY = torch.finfo(torch.float32).tiny


class Neighbours(Content):
    """Mean squared difference to the features of each position's neighbour, of C channels.

    The neighbour is the style's position with the largest cosine, both sides centred (Kolkin et al.
    2022, Neural Neighbor Style Transfer). It is found when a scale starts, and anew within it.
    """

    name = "neighbours"
    inputs: ClassVar[dict[str, Source]] = {"target": "matched"}

    def __init__(self, layers: Sequence[str] = ("conv3_1", "conv4_1")) -> None:
        super().__init__()
        self.layers = tuple(layers)  # type: ignore[misc]


class Match(nn.Module):
    """The neighbours themselves: products, and where the largest is."""

    def forward(
        self,
        queries: torch.Tensor,
        candidates: torch.Tensor,
        query_mean: torch.Tensor,
        candidate_mean: torch.Tensor,
    ) -> torch.Tensor:
        """(P,) places among N candidates, as float32, of P queries.

        Features are (C, P) and (C, N), their means (C, 1). A query's length changes no order.
        """
        centred = candidates - candidate_mean
        length = (centred.square().sum(0, keepdim=True) + TINY).sqrt()
        scores = (queries - query_mean).T @ (centred / length)
        return scores.argmax(1).float()
