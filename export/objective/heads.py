"""Loss heads: what a term of the objective measures, and how.

A head has two parts: statistics, which are sums over positions, and a loss of their means::

    sums = head.statistics(features, mask, ...)   # sums over the positions where the mask is 1
    term = head.loss(sums / positions, ...)       # positions: how many pixels the features have

Because statistics are sums, an image can be cut into tiles, each masked to its own positions: the
sums of all tiles give the whole image's loss and gradient, exactly. Whatever else a head needs is
an input. An input has a name and a source, and is passed by its name::

    content, style_map, region, given   a map, passed to `statistics`
    style                               means of the style's statistics, passed to `loss`

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
    """Name -> source. ``content``, ``style_map`` and ``given`` are maps of the features' size,
    ``region`` is a (1, 1, H, W) mask in [0, 1], ``style`` is the means of the style's own
    ``statistics``. For these, the style's own regions and given maps are passed, and zeros as
    ``content`` and ``style_map``."""
    channels: ClassVar[Mapping[str, int]] = {}
    """Channels of ``given`` inputs, by name; one that is not named has as many as the features."""
    layers: ClassVar[tuple[str, ...] | None] = None
    """Layers it reads; ``("image",)``: the picture itself, in the canvas's range; None: the content
    layers given at export where an input's source is content, else the style layers."""
    reach: ClassVar[int | tuple[int, int]] = 0
    """How far, in positions, what one position adds to the sums depends on its neighbours, on
    every side: one number, or (rows, columns)."""
    count: ClassVar[str | None] = None
    """The input, a mask, by whose sum the statistics are divided; None: by the number of positions.
    Of several styles, one with more of its mask then counts more."""
    weight: ClassVar[float] = 1.0
    """Default weight of each of its terms."""

    statistics: Callable[..., torch.Tensor]
    """Sums over space, of any shape that does not depend on the picture's size. For ``mask`` see
    ``masked``."""
    loss: Callable[..., torch.Tensor]
    """The term, a scalar of either sign, from the statistics' means."""


def masked(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """(N, C, h, w) ``values`` where the (1, 1, H, W) mask is 1, else 0; no mask keeps all.

    h and w may be smaller than H and W: differences of neighbours have a row or column less.
    """
    return values if mask is None else values * mask[:, :, : values.shape[2], : values.shape[3]]


class Content(Head):
    """Mean squared difference of feature maps, of C channels and M positions.

    That is Gatys et al. 2016, eq. 1, divided by C M / 2: with the paper's sum the balance with the
    style would depend on the picture's size.
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

    F is a (C, M) feature map, G* the style's Gram matrix. That is Gatys et al. 2016, eq. 4, times
    4 / C^2. The authors' code and neural-style compute the same, each with a weight of its own.
    """

    name, inputs = "style", {"target": "style"}

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(C, C): the Gram matrix."""
        flat = masked(features, mask).flatten(2).squeeze(0)
        return flat @ flat.T

    def loss(self, means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The scalar above; both arguments are Gram matrices divided by M."""
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
