"""The manifest: the only contract between export and runtime.

``manifest.json`` beside the files it names; its fields are the dataclasses below.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from impasto.runtime import records
from impasto.runtime.errors import BundleError

from .random import Random
from .shapes import REGIONS, Pair, Shape
from .sources import Source

SCHEMA = 6
FILE_NAME = "manifest.json"
WEIGHTS = "weights.bin"
"""The one file of external data that the graphs share."""
CONFORMANCE = "conformance.json"
"""Figures by which a runtime can tell whether it computes what it should."""
IMAGE = "image"
"""The layer that is the image itself."""
OPTIONAL = ("matching", "lbfgs_parts", "random", "spectrogram", "conformance")
"""Entries of the manifest that are missing where there is nothing to say."""


def with_regions(objective: str) -> str:
    """The name of an objective's variant whose styles are guided by regions."""
    return f"{objective}-{REGIONS}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Canvas:
    """Images are (1, channels, height, width), their values ``low`` to ``high``."""

    channels: int
    low: float
    high: float

    @property
    def is_rgb(self) -> bool:
        """Whether it holds pictures."""
        return (self.channels, self.low, self.high) == (3, 0.0, 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spectrogram:
    """Of sounds, where they are the images: a channel for each bin below half the rate."""

    rate: int
    """Samples a second."""
    window: int
    """Samples, of a periodic Hann window."""
    hop: int
    """Samples from one frame, which is a column, to the next."""

    @property
    def bins(self) -> int:
        """Half the window: that at half the rate is left out, where no resampled sound is."""
        return self.window // 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """``channels`` of its feature map; ``stride``: pixels from one position to the next."""

    channels: int
    stride: Pair


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoder:
    """The network whose feature maps are compared."""

    name: str
    alignment: Pair
    """Images' sides are padded to multiples of this."""
    tiled: bool
    """False: it looks at the whole image at once, and cannot be evaluated in tiles."""
    layers: dict[str, Layer]
    """Those that terms read; the image is not among them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Input:
    """What a term is compared with, or weighed by: an input of the graphs."""

    name: str
    """As the graphs name it: ``content.conv4_2.target``."""
    source: Source
    shape: Shape


@dataclasses.dataclass(frozen=True, kw_only=True)
class Term:
    """One term of the loss: a head at a layer, its inputs, its default weight."""

    name: str
    head: str
    layer: str
    inputs: tuple[Input, ...]
    sums: Shape
    """Shape of its statistics. A style's begin with the regions, 1 or ``regions``, and its means
    are these over the number of the layer's positions."""
    weight: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Graphs:
    """The graphs of one pooling, by file name: of a whole picture, and of a tile."""

    describe: str
    step: str
    statistics: str
    pullback: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective:
    """A set of terms, with graphs of its own."""

    terms: tuple[Term, ...]
    margin: Pair
    """How far, in pixels, a tile reaches beyond the positions that are its own."""
    poolings: dict[str, Graphs]
    """The first is the default."""
    loss: str
    """The graph from the statistics of a whole picture to the loss."""

    @property
    def is_guided(self) -> bool:
        """Whether its styles' statistics are of regions, however many."""
        return any(REGIONS in term.sums for term in self.terms)

    @property
    def parts(self) -> tuple[int, ...]:
        """Places of each term in ``sums``."""
        return tuple(math.prod(n for n in term.sums if isinstance(n, int)) for term in self.terms)

    @property
    def sums(self) -> Shape:
        """Of all terms' statistics, one after another: (N,), or (regions, N) of a guided one.

        There what is of no region stands in the first row alone.
        """
        return (REGIONS, sum(self.parts)) if self.is_guided else (sum(self.parts),)


Number = int | float
Setting = str | bool | int | float | None | list[Number] | dict[str, Number]
"""What a preset can hold."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings under a name: a value for every one, in JSON's types."""

    about: str
    settings: dict[str, Setting]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizers:
    """The optimizers' graphs, by file name."""

    adam: str
    lbfgs: str
    history_size: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class LBFGSParts:
    """The graphs of L-BFGS with one pair, of an image in parts: its products, then its step."""

    products: str
    step: str
    margin: Pair
    """How far, in pixels, a part reaches beyond the positions that are its own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
    """A graph's inputs and outputs, in order; all are float32."""

    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    floats_per_pixel: float
    """The most float32 values between inputs and outputs that are in memory at the same time, for
    each pixel; with one region, where it has regions."""
    floats_per_region: float
    """So many more for each further region."""

    def live(self, regions: int = 1) -> float:
        """Floats for each pixel with so many regions."""
        return self.floats_per_pixel + (regions - 1) * self.floats_per_region


@dataclasses.dataclass(frozen=True, kw_only=True)
class File:
    """Size in bytes and SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the weights come from and what made the graphs."""

    weights: str
    licence: str
    versions: dict[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that the runtime knows of a bundle before it opens a graph."""

    schema: int
    canvas: Canvas
    encoder: Encoder
    objectives: dict[str, Objective]
    """The first is the default."""
    presets: dict[str, Preset]
    """The first is the default."""
    optimizers: Optimizers
    signatures: dict[str, Signature]
    winograd: dict[str, str]
    """For CPUs, by a graph's file name: the same with Winograd's convolutions."""
    files: dict[str, File]
    provenance: Provenance
    matching: dict[str, str] = dataclasses.field(default_factory=dict)
    """By layer, the graph that finds neighbours among its features."""
    lbfgs_parts: LBFGSParts | None = None
    """For images in tiles; bundles of before it have none, nor those without tiles."""
    random: Random | None = None
    """How the weights are made, where no file holds them."""
    spectrogram: Spectrogram | None = None
    """What a canvas of sounds is; None: of anything else."""
    conformance: File | None = None
    """The conformance file; bundles of before it have none."""

    def layer(self, name: str) -> Layer:
        """A layer of the encoder, or the image."""
        if name == IMAGE:
            return Layer(channels=self.canvas.channels, stride=(1, 1))
        return self.encoder.layers[name]

    def graph_names(self) -> list[str]:
        """File names of all graphs but the Winograd ones."""
        names = [*self.optimizer_names(), *self.matching.values()]
        for objective in self.objectives.values():
            names.append(objective.loss)
            for graphs in objective.poolings.values():
                names += dataclasses.astuple(graphs)
        return names

    def optimizer_names(self) -> list[str]:
        """File names of the optimizers' graphs."""
        parts = self.lbfgs_parts
        return [
            self.optimizers.adam,
            self.optimizers.lbfgs,
            *((parts.products, parts.step) if parts else ()),
        ]

    def to_json(self) -> str:
        """The text of ``manifest.json``."""
        entries = dataclasses.asdict(self)
        for name in OPTIONAL:
            if not getattr(self, name):
                del entries[name]
        return json.dumps(entries, indent=1) + "\n"

    def without_conformance(self) -> Manifest:
        """All that a painting depends on."""
        return dataclasses.replace(self, conformance=None)

    @staticmethod
    def from_json(text: str | bytes, source: str) -> Manifest:
        """The manifest in a text; ``source`` names it in a BundleError."""
        try:
            return Manifest._read(records.parse(text, source), source)
        except records.RecordError as error:
            raise BundleError(str(error)) from None

    @staticmethod
    def _read(raw: Any, source: str) -> Manifest:
        schema = raw.get("schema") if isinstance(raw, dict) else None
        if schema != SCHEMA:
            raise BundleError(
                f"{source}: schema {records.show(schema)}, but this version of impasto reads "
                f"schema {SCHEMA}: export the bundle again, or install the version that made it"
            )
        manifest: Manifest = records.read(
            Manifest, {**dict.fromkeys(OPTIONAL), "matching": {}, **raw}, source
        )
        return manifest
