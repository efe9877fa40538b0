"""Loss heads: what a term of the objective measures, and how.

A head has two parts: statistics, which are sums over positions, and a loss of their means::

    sums = head.statistics(features, mask, ...)   # sums over the positions where the mask is 1
    term = head.loss(sums / positions, ...)       # positions: how many pixels the features have

Because statistics are sums, an image can be cut into tiles, each masked to its own positions: the
sums of all tiles give the whole image's loss and gradient, exactly. Whatever else a head needs is
an input. An input has a name and a source, and is passed by its name::

    content, style_map, region, given   a map, passed to `statistics`
    style                               means of the style's statistics, passed to `loss`
    style_factor                        made of these means (see Source), passed to `loss`

A head that is compared with a style can be guided by R regions without knowing of it: its mask is
(R, 1, H, W), and its statistics have the regions first, (R, ...); without a mask R is 1. They are
linear in the mask, which may be soft: for each region the sum over positions p of mask(p) s(F, p).
Its loss takes (R, ...) means and targets, and gives (R,) losses, whose mean is the term.

A head that is compared with a style can be guided by R regions without knowing of it: its mask is
(R, 1, H, W), and its statistics have the regions first, (R, ...); without a mask R is 1. They are
linear in the mask, which may be soft: for each region the sum over positions p of mask(p) s(F, p).
Its loss takes (R, ...) means and targets, and gives (R,) losses, whose mean is the term.

Any differentiable torch code will do; the backward pass is traced. A head of one's own::

    class ChannelMeans(Head):
        name, inputs = "means", {"target": "style"}

        def statistics(self, features, mask):
            return masked(features, mask).sum((2, 3))

        def loss(self, means, target):
            return (means - target).square().mean(1)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import nn

from impasto.runtime.bundle.sources import Source


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
    block: ClassVar[int] = 1
    """Positions, each way, that it makes one of: the sides of pictures and tiles are multiples."""
    count: ClassVar[str | None] = None
    """The input, a mask, by whose sum the statistics are divided; None: by the number of positions.
    Of several styles, one with more of its mask then counts more."""
    weight: ClassVar[float] = 1.0
    """Default weight of each of its terms."""

    statistics: Callable[..., torch.Tensor]
    """Sums over space, of any shape that does not depend on the picture's size; where there is a
    ``style`` input, (R, ...) of R regions. For ``mask`` see ``masked``."""
    loss: Callable[..., torch.Tensor]
    """The term, of either sign, from the statistics' means: a scalar, or (R,), one a region."""


def masked(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """(N, C, h, w) ``values`` where the (1, 1, H, W) mask is 1, else 0; no mask keeps all.

    Of (1, C, h, w) values and an (R, 1, H, W) mask it makes (R, C, h, w). h and w may be smaller
    than H and W: differences of neighbours have a row or column less.
    """
    return values if mask is None else values * mask[:, :, : values.shape[2], : values.shape[3]]
