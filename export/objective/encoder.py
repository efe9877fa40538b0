"""An encoder: a torch module whose named feature maps the terms read.

One of a user's own says its layers, and computes them::

    class Sound(Encoder):
        name, layers = "sound", ("conv1", "conv2")
        canvas = Canvas(channels=257, low=0.0, high=8.0)   # frequency bins are channels
        height, alignment = 1, (1, 16)

        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a = nn.Conv2d(257, 64, (1, 11), stride=(1, 2), padding=(0, 5))
            self.b = nn.Conv2d(64, 64, (1, 11), padding=(0, 5))

        def forward(self, image):
            conv1 = self.a(image).relu()
            return {"conv1": conv1, "conv2": self.b(conv1).relu()}

Channels, strides and reach are found by running it.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from impasto.export.tensors import Stored
from impasto.runtime.bundle.manifest import IMAGE, Canvas, Layer, Preset, Spectrogram
from impasto.runtime.bundle.random import Random
from impasto.runtime.bundle.shapes import Pair
from impasto.runtime.errors import ImpastoError, SettingError

MOST_PIXELS = 4096
"""Longest picture that is tried to find out how far an encoder looks."""


class Encoder(nn.Module, ABC):
    """The protocol; see the module's text. Its tensors become the bundle's weights."""

    name: ClassVar[str]
    layers: ClassVar[tuple[str, ...]]
    """Names of its feature maps, in the order in which they are computed."""
    canvas: ClassVar[Canvas] = Canvas(channels=3, low=0.0, high=1.0)
    """Of the images that it takes."""
    height: ClassVar[int | None] = None
    """Of its images, in rows; None: any."""
    alignment: ClassVar[Pair] = (16, 16)
    """Sides are multiples of this: so every stride divides it."""
    tiled: ClassVar[bool] = True
    """False: it looks at the whole image at once, as by global pooling; it is never tiled."""
    poolings: ClassVar[tuple[str, ...]] = ("own",)
    """Kinds of pooling between which ``select`` chooses."""
    spectrogram: ClassVar[Spectrogram | None] = None
    """Of sounds: what its canvas is."""
    random: ClassVar[Random | None] = None
    """How its one kernel is made, where no file is to hold it; see ``stored``."""
    presets: ClassVar[Mapping[str, Preset] | None] = None
    """Its own; None: those of pictures."""
    source: str = "Not known."
    """A sentence: where its weights come from."""
    licence: str = "Not known: whatever its author allows."
    """A sentence: that of its weights."""

    @abstractmethod
    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """(1, C, H / stride, W / stride) by layer, of a (1, channels, H, W) image."""

    def select(self, layers: Collection[str], pooling: str) -> Encoder:
        """The encoder with a pooling, as far as these layers need it; itself, if it has one."""
        return self

    def stored(self) -> Mapping[str, Stored]:
        """What ``weights.bin`` holds: its floating-point tensors by their names in it, in order."""
        return {
            name: tensor.detach().float().contiguous().numpy()
            for name, tensor in self.state_dict().items()
            if tensor.is_floating_point()
        }


def check_layers(encoder: type[Encoder] | Encoder, names: Collection[str]) -> None:
    """Raises SettingError where a name is neither a layer of the encoder nor the image."""
    for name in names:
        if name not in (*encoder.layers, IMAGE):
            there = f"{encoder.layers[0]} to {encoder.layers[-1]}"
            raise SettingError("layer", name, f"{encoder.name} has {there}")


@dataclass(frozen=True)
class Geometry:
    """What an encoder's layers are, the image among them, and how far they look."""

    layers: Mapping[str, Layer]
    reach: Mapping[str, Pair]
    """By layer, in pixels: features that lie so far inside a window are those of the whole image,
    if the window begins at a multiple of the alignment."""


def measure(encoder: Encoder) -> Geometry:
    """The geometry of an encoder.

    Raises:
        ImpastoError: its feature maps are not what its declarations say.
    """
    layers = _layers(encoder)
    reach = dict.fromkeys(layers, (0, 0))
    if encoder.tiled:
        double = copy.deepcopy(encoder).double()
        along = [_reach(double, layers, axis) for axis in (0, 1)]
        reach |= {name: (along[0][name], along[1][name]) for name in along[0]}
    return Geometry(layers, reach)


def _layers(encoder: Encoder) -> dict[str, Layer]:
    layers = {IMAGE: Layer(channels=encoder.canvas.channels, stride=(1, 1))}
    found = [_features(encoder, torch.zeros(1, 1, *_size(encoder, n))) for n in (4, 6)]
    for name in encoder.layers:
        if any(name not in features for features in found):
            continue  # one that was not selected
        shapes = [tuple(features[name].shape) for features in found]
        sizes = [_size(encoder, n) for n in (4, 6)]
        stride = (sizes[0][0] // (shapes[0][2] or 1), sizes[0][1] // (shapes[0][3] or 1))
        for shape, size in zip(shapes, sizes, strict=True):
            expected = (1, shapes[0][1], *(a // s for a, s in zip(size, stride, strict=True)))
            if len(shape) != 4 or shape != expected or any(map(_rest, encoder.alignment, stride)):
                raise ImpastoError(
                    f"layer {name!r} of {encoder.name} has the shape {shape} for an image of "
                    f"{size}: pad so that its sides are the image's over a stride that divides "
                    f"the alignment {encoder.alignment}"
                )
        layers[name] = Layer(channels=shapes[0][1], stride=stride)
    return layers


def _rest(alignment: int, stride: int) -> int:
    return alignment % stride


def _size(encoder: Encoder, times: int) -> Pair:
    """(height, width), so many times the alignment, where the height is not fixed."""
    rows, columns = encoder.alignment
    return encoder.height or times * rows, times * columns


def _features(encoder: Encoder, image: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        channels = encoder.canvas.channels
        features: dict[str, torch.Tensor] = encoder(image.expand(-1, channels, -1, -1))
    return features


def _reach(encoder: Encoder, layers: Mapping[str, Layer], axis: int) -> dict[str, int]:
    """How far every layer looks along an axis, found with a picture that is NaN but for its middle.

    NaN spreads to every position that looks at it. In float64, since PyTorch may
    compute float32 convolutions by transforms of tiles, which spread it further.
    """
    names = [name for name in layers if name != IMAGE]
    if axis == 0 and encoder.height:
        return dict.fromkeys(names, 0)
    unit, middle = encoder.alignment[axis], 2
    while middle * unit <= MOST_PIXELS:
        size = [*_size(encoder, 1)]
        size[axis] = 3 * middle * unit
        image = torch.full((1, 1, *size), math.nan, dtype=torch.float64)
        image.narrow(2 + axis, middle * unit, middle * unit).fill_(0.5)
        features = _features(encoder, image)
        sound = [features[name].isfinite().all(1)[0].all(1 - axis).nonzero() for name in names]
        if all(len(positions) for positions in sound):
            strides = [layers[name].stride[axis] for name in names]
            return {
                name: max(
                    int(found[0]) * stride - middle * unit,
                    2 * middle * unit - (int(found[-1]) + 1) * stride,
                )
                for name, found, stride in zip(names, sound, strides, strict=True)
            }
        middle *= 2
    raise ImpastoError(
        f"{encoder.name} looks at the whole image at once, however large: it cannot be cut in "
        "tiles, so say `tiled = False` in its class"
    )
