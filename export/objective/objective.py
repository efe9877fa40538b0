"""The objective: an encoder, and terms that loss heads make of its feature maps.

``Objective`` takes a whole image. In tiles the loss is computed from the sums of all tiles'
statistics (``Statistics``, ``Loss``). Its gradient by those sums, the cotangents, goes back through
every tile's statistics (``Pullback``), and the tiles' gradients add up to the whole image's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from impasto.runtime.bundle.manifest import IMAGE
from impasto.runtime.bundle.shapes import REGIONS
from impasto.runtime.bundle.sources import MAPS, TARGETS, Source

from .encoder import Encoder
from .terms import Term, split

ALL: tuple[Source, ...] = (*MAPS, *TARGETS)
DESCRIBED: tuple[Source, ...] = ("content", "style_map", "matched", "style")
"""Sources of what a picture is described by."""


class Objective(nn.Module):
    """Weighted sum of the terms, and the terms."""

    def __init__(self, encoder: Encoder, terms: Sequence[Term], pooling: str) -> None:
        super().__init__()
        layers = {term.layer for term in terms} - {IMAGE}
        self.encoder = encoder.select(layers, pooling).eval().requires_grad_(False)
        self.terms = list(terms)
        self.heads = _heads(terms)

    def features(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every feature map that a term reads; the image is one."""
        return {IMAGE: image, **self.encoder(image)}

    def forward(
        self, image: torch.Tensor, weights: torch.Tensor, *inputs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss and (T,) terms of an image; all terms' inputs follow their (T,) weights."""
        features = self.features(image)
        losses = []
        for term, given in split(self.terms, inputs, ALL):
            at_layer = features[term.layer]
            maps = {name: given[name] for name in term.inputs(MAPS)}
            targets = {name: given[name] for name in term.inputs(TARGETS)}
            means = term.sums(at_layer, maps) / _positions(at_layer)
            losses.append(term.loss(means, targets))
        terms = torch.stack(losses)
        return (terms * weights).sum(), terms.detach()


class Describe(nn.Module):
    """A picture's own targets, in the order in which the objective takes them."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, image: torch.Tensor, *maps: torch.Tensor) -> list[torch.Tensor]:
        """Features and means of an image; ``maps`` are the terms' ``described_with``."""
        features, remaining, found = self.objective.features(image), iter(maps), []
        for term in self.objective.terms:
            at_layer = features[term.layer]
            own = {name: next(remaining) for name in term.described_with()}
            for value in term.inputs(DESCRIBED).values():
                if value.source == "style":
                    zeros = dict.fromkeys(term.inputs(MAPS), torch.zeros_like(at_layer))
                    found.append(term.sums(at_layer, zeros | own) / _positions(at_layer))
                else:
                    found.append(at_layer)
        return found


class Statistics(nn.Module):
    """All terms' statistics of a tile, in one vector: sums over the tile's own positions.

    The mask has the image's resolution and is constant on every position of the deepest layer, so
    that each layer's mask is the image's with every ``stride``-th row and column.
    """

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, image: torch.Tensor, mask: torch.Tensor, *maps: torch.Tensor) -> torch.Tensor:
        """(N,) sums of a tile with a (1, 1, H, W) mask, and its windows of the terms' maps.

        Of terms that are guided (R, N): see ``in_rows``.
        """
        features = self.objective.features(image)
        sums = []
        for term, given in split(self.objective.terms, maps, MAPS):
            rows, columns = term.at.stride
            own = mask[:, :, ::rows, ::columns]
            sums.append(term.sums(features[term.layer], given, own))
        return in_rows(self.objective.terms, sums)


class Pullback(nn.Module):
    """The sum of cotangents times statistics.

    Its gradient by the tile is what the tile adds to the image's gradient.
    """

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        self.statistics = statistics

    def forward(
        self,
        image: torch.Tensor,
        mask: torch.Tensor,
        cotangents: torch.Tensor,
        *maps: torch.Tensor,
    ) -> torch.Tensor:
        """A scalar; for the arguments see Statistics."""
        sums: torch.Tensor = self.statistics(image, mask, *maps)
        return (sums * cotangents).sum()


class Loss(nn.Module):
    """The objective as a function of the whole image's statistics."""

    def __init__(self, terms: Sequence[Term]) -> None:
        super().__init__()
        self.terms, self.heads = list(terms), _heads(terms)

    def forward(
        self, sums: torch.Tensor, pixels: torch.Tensor, weights: torch.Tensor, *styles: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss and (T,) terms of (N,) sums over an image of (1,) pixels, with style targets."""
        parts = torch.split(sums, [term.part for term in self.terms], dim=-1)
        losses = []
        pairs = zip(split(self.terms, styles, TARGETS), parts, strict=True)
        for (term, targets), part in pairs:
            own = part[0] if sums.dim() == 2 and not term.is_guided else part
            means = own.reshape([-1 if n == REGIONS else int(n) for n in term.sums_shape])
            means = means * (term.area / pixels)
            losses.append(term.loss(means, targets))
        terms = torch.stack(losses)
        return (terms * weights).sum(), terms.detach()


def in_rows(terms: Sequence[Term], sums: Sequence[torch.Tensor]) -> torch.Tensor:
    """All terms' sums, one after another: (N,); of terms that are guided (R, N), a row a region.

    There what is of no region stands in every row, and counts once.
    """
    guided = [found for term, found in zip(terms, sums, strict=True) if term.is_guided]
    if not guided:
        return torch.cat([found.flatten() for found in sums])
    rows = guided[0].shape[0]
    parts = zip(terms, sums, strict=True)
    return torch.cat(
        [s.flatten(1) if t.is_guided else s.reshape(1, -1).expand(rows, -1) for t, s in parts], 1
    )


def _heads(terms: Sequence[Term]) -> nn.ModuleList:
    """The terms' heads as submodules, so that tracing finds their buffers."""
    return nn.ModuleList(dict.fromkeys(term.head for term in terms)).eval()


def _positions(features: torch.Tensor) -> int:
    """How many a (1, C, H, W) feature map has."""
    return features.shape[2] * features.shape[3]
