"""One random convolution over a spectrogram (Ulyanov & Lebedev 2016, "Audio texture synthesis").

Frequency bins are channels, and time is the width: so a filter is a pattern of 11 frames in all
frequencies at once, and its Gram matrix over time tells which patterns go together, not when.
Ustyuzhaninov et al. 2017, "What does it take to generate natural textures?": such filters need not
be learned, but there must be many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from impasto.export.objective.encoder import Encoder
from impasto.export.tensors import Codebook, Stored
from impasto.runtime.bundle.manifest import Canvas, Preset, Spectrogram
from impasto.runtime.bundle.random import Random, make_index, make_table

FRAMES = 11
"""Width of a filter."""


def he(spectrogram: Spectrogram, filters: int, seed: int) -> Random:
    """Weights under which features are as large as what they are of: He et al. 2015, eq. 10."""
    bins = spectrogram.bins
    return Random(
        generator="philox4x64-10",
        seed=seed,
        shape=(filters, bins, 1, FRAMES),
        deviation=math.sqrt(2 / (bins * FRAMES)),
    )


class Sound(Encoder):
    """(1, bins, 1, frames) log-magnitudes in [0, 1]; ``filters`` is the layer after its ReLU.

    Beyond the ends of a sound is silence, which is 0: so there is a position for every frame.
    """

    name: ClassVar[str] = "sound"
    layers: ClassVar[tuple[str, ...]] = ("filters",)
    height: ClassVar[int | None] = 1
    alignment: ClassVar[tuple[int, int]] = (1, 1)
    spectrogram: ClassVar[Spectrogram] = Spectrogram(rate=22050, window=2048, hop=512)
    canvas = Canvas(channels=spectrogram.bins, low=0.0, high=1.0)
    random: ClassVar[Random] = he(spectrogram, 2048, 1)
    presets: ClassVar[Mapping[str, Preset] | None] = {
        "sound": Preset(
            about="The style's sounds in the content's order",
            settings={
                "objective": "gatys",
                "pooling": "own",
                "size": "original",
                "content_weight": 0.003,
                "style_weight": 1e9,
                "init": "content",
                "schedule": [100],
                "preconditioner_pyramid": [0.0],
                "preconditioner_channels": 1.0,
            },
        ),
    }
    source = "Made: random numbers of a fixed seed, see `random` in the manifest."
    licence = "None: they are nobody's work."

    def __init__(self) -> None:
        super().__init__()
        kernel = Codebook(make_index(self.random), make_table(self.random))
        filters, bins, *_ = kernel.index.shape
        self.filters = nn.Conv2d(bins, filters, (1, FRAMES), padding=(0, FRAMES // 2), bias=False)
        self.filters.weight.data = torch.from_numpy(kernel.values)
        self._kernel = kernel

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """See Encoder."""
        return {"filters": self.filters(image).relu()}

    def stored(self) -> dict[str, Stored]:
        """See Encoder: what ``random`` makes."""
        return {"filters.weight": self._kernel}
