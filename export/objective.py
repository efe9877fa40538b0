"""The objective: an encoder, and terms that loss heads make of its feature maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from .convolutions import Weights
from .heads import Head
from .vgg import LAYERS, VGG19, Pooling

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
        self.targeted = [term.head.target is not None for term in terms]

    def features(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every feature map that a term reads; the image is one."""
        return {IMAGE: image, **self.encoder(image)}

    def forward(
        self, image: torch.Tensor, weights: torch.Tensor, *targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss and (T,) terms of a (1, 3, H, W) image; a target for each term that has one."""
        features = self.features(image)
        remaining = iter(targets)
        losses = [
            term.head.term(features[term.layer], next(remaining) if targeted else None)
            for term, targeted in zip(self.terms, self.targeted, strict=True)
        ]
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
