"""Encoders and heads of a user's own: they know torch and impasto.export alone."""

from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from impasto.export import Canvas, Encoder, Head, masked


class Plain(Encoder):
    """Two convolutions of pictures, with a mean over 2x2 between."""

    name, layers, alignment = "plain", ("first", "second"), (4, 4)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.one = nn.Conv2d(3, 8, 3, padding=1)
        self.two = nn.Conv2d(8, 6, 3, padding=1)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        first = self.one(image).relu()
        return {"first": first, "second": self.two(F.avg_pool2d(first, 2)).relu()}


class Sound(Encoder):
    """Of spectrograms: five frequency bins are channels, their height is 1."""

    name, layers = "sound", ("first", "second")
    canvas = Canvas(channels=5, low=-1.0, high=3.0)
    height, alignment = 1, (1, 8)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.one = nn.Conv2d(5, 8, (1, 5), padding=(0, 2))
        self.two = nn.Conv2d(8, 7, (1, 3), padding=(0, 1))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        first = self.one(image).relu()
        halved = first.reshape(1, 8, 1, -1, 2).mean(4)
        return {"first": first, "second": self.two(halved).relu()}


class Squeezed(Plain):
    """Every channel is weighed by the whole picture's mean of it: it cannot be cut in tiles."""

    name, tiled = "squeezed", False

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        features = super().forward(image)
        second = features["second"]
        return {**features, "second": second * second.mean((2, 3), keepdim=True).sigmoid()}


class Regional(Head):
    """Gram matrices of a region, over as many positions as it has."""

    name, count = "regional", "region"
    inputs: ClassVar[Any] = {"target": "style", "region": "region"}

    def statistics(
        self, features: torch.Tensor, mask: torch.Tensor | None, region: torch.Tensor
    ) -> torch.Tensor:
        own = masked(features * region, mask).flatten(2)
        return own @ features.flatten(2).transpose(1, 2)

    def loss(self, means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (means - target).square().mean((1, 2))


class Temporal(Head):
    """The picture is to stay as another one, where that is to be trusted."""

    name, layers = "temporal", ("image",)
    inputs: ClassVar[Any] = {"target": "given", "trust": "given"}
    channels: ClassVar[Any] = {"trust": 1}

    def statistics(
        self,
        features: torch.Tensor,
        mask: torch.Tensor | None,
        target: torch.Tensor,
        trust: torch.Tensor,
    ) -> torch.Tensor:
        return masked((features - target).square() * trust, mask).sum((0, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        return means.mean()


class Matched(Head):
    """Features are to be those that the caller chooses, anew between iterations."""

    name, layers, inputs = "matched", ("second",), {"target": "given"}

    def statistics(
        self, features: torch.Tensor, mask: torch.Tensor | None, target: torch.Tensor
    ) -> torch.Tensor:
        return masked(features - target, mask).square().sum((0, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        return means.mean()


class Mapped(Head):
    """Products of features and the style's at the same place."""

    name, layers, inputs = "mapped", ("first",), {"target": "style_map"}

    def statistics(
        self, features: torch.Tensor, mask: torch.Tensor | None, target: torch.Tensor
    ) -> torch.Tensor:
        return masked(features * target, mask).sum((0, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        return means.square().sum()


class Away(Head):
    """To be maximised: how far the features are from the content's."""

    name, layers, inputs = "away", ("second",), {"target": "content"}

    def statistics(
        self, features: torch.Tensor, mask: torch.Tensor | None, target: torch.Tensor
    ) -> torch.Tensor:
        return masked(features - target, mask).square().sum((0, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        return -means.mean()


class Curved(Head):
    """A position beside its two neighbours on the left and on the right."""

    name, layers, reach = "curved", ("first",), (0, 1)

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        kernel = torch.tensor([1.0, -2.0, 1.0]).reshape(1, 1, 1, 3)
        curvature = F.conv2d(features.transpose(0, 1), kernel, padding=(0, 1))
        return masked(curvature, mask).square().sum((1, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        return means.mean()
