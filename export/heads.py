"""Loss heads: what a term of the objective measures, and how.

A head is additive statistics and a loss of them::

    sums = head.statistics(features, mask, ...)   # sums over the positions where the mask is 1
    term = head.loss(sums / positions, ...)       # positions: how many pixels the features have

so an image can be cut into tiles, each masked to its own positions, and still have its exact loss
and gradient. What it is compared with are its inputs, each with a source::

    content, style_map, region, given   maps, which `statistics` takes by name
    style                               means of the style's statistics, which `loss` takes by name

Any differentiable torch code will do; the backward pass is traced. A head of one's own::

    class ChannelMeans(Head):
        name, inputs = "means", {"target": "style"}

        def statistics(self, features, mask):
            return masked(features, mask).sum((2, 3))

        def loss(self, means, target):
            return (means - target).square().mean()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from impasto.runtime.bundle.manifest import Source


class Head(nn.Module):
    """The protocol; see the module's text. Features are (1, C, H, W), float32."""

    name: ClassVar[str]
    """Prefix of the names of its terms, and the key of its weight."""
    inputs: ClassVar[Mapping[str, Source]] = {}
    """Name -> source. A content, style_map or given input is a map of the features' size; a region
    is a (1, 1, H, W) mask in [0, 1]; a style's are the means of its ``statistics``, for which the
    maps of content and style_map are zeros, and the others those that come with the style."""
    channels: ClassVar[Mapping[str, int]] = {}
    """Of given inputs; one that is missing has as many as the features."""
    layers: ClassVar[tuple[str, ...] | None] = None
    """Layers it reads; ``("image",)``: the picture itself, in the canvas's range; None: the content
    layers given at export where an input's source is content, else the style layers."""
    reach: ClassVar[int | tuple[int, int]] = 0
    """How many positions a position's share looks beyond itself, on every side (rows, columns)."""
    count: ClassVar[str | None] = None
    """Means are over all positions; or over the sum of this input, a mask. Of several styles, each
    then counts as much as there is of its mask."""
    weight: ClassVar[float] = 1.0
    """Default weight of each of its terms."""

    statistics: Callable[..., torch.Tensor]
    """Sums over space, of any shape that does not depend on the picture's size. For ``mask`` see
    ``masked``."""
    loss: Callable[..., torch.Tensor]
    """The term, a scalar of either sign, from the statistics' means."""


def masked(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """(N, C, h, w) ``values`` where the (1, 1, H, W) mask is 1, else 0; no mask keeps all.

    h and w may be smaller than the mask's, as where neighbours are compared.
    """
    return values if mask is None else values * mask[:, :, : values.shape[2], : values.shape[3]]


class Content(Head):
    """Mean squared difference of feature maps: Gatys et al. 2016, eq. 1, over C M / 2.

    The mean, not the paper's sum, so that the balance with the style is the same at every size.
    """

    name, inputs = "content", {"target": "content"}

    def statistics(
        self, features: torch.Tensor, mask: torch.Tensor | None, target: torch.Tensor
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

    name, inputs = "style", {"target": "style"}

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(C, C): the Gram matrix."""
        flat = masked(features, mask).flatten(2).squeeze(0)
        return flat @ flat.T

    def loss(self, means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The scalar above; both arguments are Gram matrices over M."""
        squares = ((means - target) / means.shape[0]).square()
        return squares.mean(0).mean()  # in two stages: ONNX Runtime sums a large matrix naively


class TotalVariation(Head):
    """Mean squared difference of neighbouring pixels, in units of 1/255 of the range [0, 1]."""

    name, layers = "tv", ("image",)
    reach, weight = 1, 0.0

    kernel: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.tensor([-255.0, 255.0]))

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(C,) squared differences to the right and lower neighbours, summed over space."""
        planes = features.transpose(0, 1)
        across = masked(F.conv2d(planes, self.kernel.reshape(1, 1, 1, 2)), mask)
        if features.shape[2] == 1:
            return across.square().sum((1, 2, 3))
        down = masked(F.conv2d(planes, self.kernel.reshape(1, 1, 2, 1)), mask)
        return across.square().sum((1, 2, 3)) + down.square().sum((1, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        """Their mean over channels."""
        return means.mean()
