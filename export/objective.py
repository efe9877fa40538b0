"""The objective: an encoder, and terms that loss heads make of its feature maps.

Of a whole image (Objective), or of tiles: L = phi(sum of the tiles' statistics), so its gradient is
the sum of what each tile's statistics pull back of phi's own gradient, the cotangents.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from .convolutions import Weights
from .heads import Head, positions
from .vgg import LAYERS, VGG19, Pooling, stride

IMAGE = "image"


@dataclass(frozen=True)
class Term:
    """A head at a layer (or at the image itself)."""

    head: Head
    layer: str

    @property
    def name(self) -> str:
        """``style.conv1_1``, or the head's name alone where it reads the image."""
        return self.head.name if self.layer == IMAGE else f"{self.head.name}.{self.layer}"

    @property
    def stride(self) -> int:
        """Pixels from one position of its features to the next."""
        return 1 if self.layer == IMAGE else stride(self.layer)


def make_terms(heads: Iterable[Head], content: Sequence[str], style: Sequence[str]) -> list[Term]:
    """Every head at its own layers, else at the content or style layers, in network order."""
    terms = []
    for head in heads:
        layers = head.layers or (content if head.target == "content" else style)
        terms += [Term(head, layer) for layer in sorted(set(layers), key=(IMAGE, *LAYERS).index)]
    return terms


class Objective(nn.Module):
    """Weighted sum of the terms, and the terms."""

    def __init__(self, weights: Weights, terms: Sequence[Term], pooling: Pooling = "avg") -> None:
        super().__init__()
        self.encoder = VGG19(weights, {t.layer for t in terms} - {IMAGE}, pooling)
        self.terms = list(terms)
        self.heads = nn.ModuleList(dict.fromkeys(term.head for term in terms))

    def features(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every feature map that a term reads; the image is one."""
        return {IMAGE: image, **self.encoder(image)}

    def forward(
        self, image: torch.Tensor, weights: torch.Tensor, *targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss and (T,) terms of a (1, 3, H, W) image; a target for each term that has one."""
        features = self.features(image)
        losses = []
        for term, target in _paired(self.terms, targets, ("content", "style")):
            at_layer = features[term.layer]
            means = term.head.sums(at_layer, target) / positions(at_layer)
            losses.append(term.head.term(means, target))
        terms = torch.stack(losses)
        return (terms * weights).sum(), terms.detach()


class Describe(nn.Module):
    """A picture's own targets, in the order in which the objective takes them."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Content features and style means of a (1, 3, H, W) image."""
        features = self.objective.features(image)
        return [
            term.head.describe(features[term.layer])
            for term in self.objective.terms
            if term.head.target
        ]


class Statistics(nn.Module):
    """A tile's share of all statistics, as one vector: sums over the positions of its own.

    The mask, at the image's resolution, is 1 on whole positions of the deepest layer.
    """

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(
        self, image: torch.Tensor, mask: torch.Tensor, *contents: torch.Tensor
    ) -> torch.Tensor:
        """(N,) sums of a (1, 3, H, W) tile with a (1, 1, H, W) mask, and its content targets."""
        features = self.objective.features(image)
        sums = []
        for term, target in _paired(self.objective.terms, contents, ("content",)):
            at_layer = features[term.layer]
            own = mask[:, :, :: term.stride, :: term.stride]
            sums.append(term.head.sums(at_layer, target, own).flatten())
        return torch.cat(sums)


class Pullback(nn.Module):
    """What the gradient of a tile is the gradient of: cotangents times statistics."""

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        self.statistics = statistics

    def forward(
        self,
        image: torch.Tensor,
        mask: torch.Tensor,
        cotangents: torch.Tensor,
        *contents: torch.Tensor,
    ) -> torch.Tensor:
        """A scalar; for the arguments see Statistics."""
        sums: torch.Tensor = self.statistics(image, mask, *contents)
        return (sums * cotangents).sum()


class Loss(nn.Module):
    """The objective as a function of the whole image's statistics."""

    def __init__(self, terms: Sequence[Term], shapes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.terms, self.shapes = list(terms), list(shapes)
        self.heads = nn.ModuleList(dict.fromkeys(term.head for term in terms))

    def forward(
        self, sums: torch.Tensor, pixels: torch.Tensor, weights: torch.Tensor, *styles: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss and (T,) terms of (N,) sums over an image of (1,) pixels, with style targets."""
        split = torch.split(sums, [math.prod(shape) for shape in self.shapes])
        losses = []
        pairs = _paired(self.terms, styles, ("style",))
        for (term, target), part, shape in zip(pairs, split, self.shapes, strict=True):
            means = part.reshape(tuple(shape)) * (term.stride**2 / pixels)
            losses.append(term.head.term(means, target))
        terms = torch.stack(losses)
        return (terms * weights).sum(), terms.detach()


def _paired(
    terms: Iterable[Term], targets: Iterable[torch.Tensor], kinds: Container[str | None]
) -> Iterator[tuple[Term, torch.Tensor | None]]:
    """Every term, with the next target where it has one of these kinds."""
    remaining = iter(targets)
    for term in terms:
        yield term, next(remaining) if term.head.target in kinds else None
