"""Loss heads: what a term of the objective measures, and how.

A head is additive statistics and a loss of them::

    sums = head.statistics(features, mask)   # sums over the positions where the mask is 1
    term = head.loss(sums / positions, ...)  # positions: how many pixels the features have

so an image can be cut into tiles, each masked to its own positions, and still have its exact loss
and gradient. A head declares what it is compared with:

    target = None       nothing:                statistics(features, mask)          loss(means)
    target = "content"  the content's features: statistics(features, target, mask)  loss(means)
    target = "style"    the style's means:      statistics(features, mask)   loss(means, target)

Any differentiable torch code will do; the backward pass is traced. A head of one's own::

    class ChannelMeans(Head):
        name, target = "means", "style"

        def statistics(self, features, mask):
            return masked(features, mask).sum((2, 3))

        def loss(self, means, target):
            return (means - target).square().mean()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional as F


class Head(nn.Module):
    """The protocol; see the module's text. Features are (1, C, H, W), float32."""

    name: ClassVar[str]
    """Prefix of the names of its terms, and the key of its weight."""
    target: ClassVar[Literal["content", "style"] | None]
    layers: ClassVar[tuple[str, ...] | None] = None
    """Layers it reads; None: the content or style layers given at export; ``("image",)``: the
    picture itself, in [0, 1]."""
    weight: ClassVar[float] = 1.0
    """Default weight of each of its terms."""

    statistics: Callable[..., torch.Tensor]
    """Sums over space, of any shape that does not depend on the picture's size. A position's share
    may depend on its right and lower neighbours too. For ``mask`` see ``masked``."""
    loss: Callable[..., torch.Tensor]
    """The term, a scalar, from the statistics' means over all positions."""

    def sums(
        self, features: torch.Tensor, target: torch.Tensor | None, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The statistics; ``target`` counts where it is the content's features."""
        mapped = (target,) if self.target == "content" else ()
        return self.statistics(features, *mapped, mask)

    def term(self, means: torch.Tensor, target: torch.Tensor | None) -> torch.Tensor:
        """The term, from the statistics over positions; ``target`` counts where it is a style's."""
        return self.loss(means, *((target,) if self.target == "style" else ()))

    def describe(self, features: torch.Tensor) -> torch.Tensor:
        """What a picture's features are as this head's target."""
        if self.target == "content":
            return features
        return self.sums(features, None) / positions(features)


def positions(features: torch.Tensor) -> int:
    """How many positions a (1, C, H, W) feature map has."""
    return features.shape[2] * features.shape[3]


def masked(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """(N, C, h, w) ``values`` where the (1, 1, H, W) mask is 1, else 0; no mask keeps all.

    h and w may be smaller than the mask's, as where neighbours are compared.
    """
    return values if mask is None else values * mask[:, :, : values.shape[2], : values.shape[3]]


class Content(Head):
    """Mean squared difference of feature maps: Gatys et al. 2016, eq. 1, over C M / 2.

    The mean, not the paper's sum, so that the balance with the style is the same at every size.
    """

    name = "content"
    target = "content"

    def statistics(
        self, features: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(C,) squared differences, summed over space."""
        return masked(features - target, mask).square().sum((0, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        """Their mean over channels."""
        return means.mean()


class Style(Head):
    """Squared difference of Gram matrices G = F F^T: sum (G - G*)^2 / (C^4 M^2).

    Gatys et al. 2016, eq. 4, times 4 / C^2: the functional of the authors' code and of
    neural-style, which differ in its weight alone.
    """

    name = "style"
    target = "style"

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(C, C): the Gram matrix."""
        flat = masked(features, mask).flatten(2).squeeze(0)
        return flat @ flat.T

    def loss(self, means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The scalar above; both arguments are Gram matrices over M."""
        squares = ((means - target) / means.shape[0]).square()
        return squares.mean(0).mean()  # in two stages: ONNX Runtime sums a large matrix naively


class TotalVariation(Head):
    """Mean squared difference of neighbouring pixels, in units of 1/255."""

    name = "tv"
    target = None
    layers = ("image",)
    weight = 0.0

    kernel: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.tensor([-255.0, 255.0]))

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(3,) squared differences to the right and lower neighbours, summed over space."""
        planes = features.transpose(0, 1)
        across = masked(F.conv2d(planes, self.kernel.reshape(1, 1, 1, 2)), mask)
        down = masked(F.conv2d(planes, self.kernel.reshape(1, 1, 2, 1)), mask)
        return across.square().sum((1, 2, 3)) + down.square().sum((1, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        """Their mean over channels."""
        return means.mean()
