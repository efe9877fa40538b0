"""The manifest: the only contract between export and runtime.

``manifest.json`` beside the files it names; its fields are the dataclasses below.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any, Literal

from impasto.runtime.errors import BundleError

SCHEMA = 5
FILE_NAME = "manifest.json"
WEIGHTS = "weights.bin"
"""The one file of external data that the graphs share."""
IMAGE = "image"
"""The layer that is the image itself."""
MAX_FLOAT = 1e30

OptimizerName = Literal["lbfgs", "adam"]
Pair = tuple[int, int]
"""Along rows and columns: down and across."""
Shape = tuple[int | str, ...]
"""Of a graph's input or output: numbers, or ``height``, ``width``, ``height/8`` ..."""
Source = Literal["content", "style", "style_map", "region", "given"]
"""Where an input of a term comes from: the content's features at its layer, the means of the head's
statistics of the style, the style's features at the layer (of a style fitted to the canvas), a mask
(1, 1, h, w) in [0, 1] at the layer, any map that the caller brings."""
MAPS: tuple[Source, ...] = ("content", "style_map", "region", "given")
"""Sources of maps: a tile takes its window of them."""


def fix(shape: Shape, height: int, width: int) -> tuple[int, ...]:
    """A shape at a picture size."""
    return tuple(fix_side(side, height, width) for side in shape)


def fix_side(side: int | str, height: int, width: int) -> int:
    """``height/8`` at a picture size."""
    if isinstance(side, int):
        return side
    name, _, stride = side.partition("/")
    return {"height": height, "width": width}[name] // int(stride or 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Canvas:
    """Images are (1, channels, height, width), their values ``low`` to ``high``."""

    channels: int
    low: float
    high: float


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
    sums: tuple[int, ...]
    """Shape of its statistics, which follow one another in the vector ``sums``. A style's means are
    these over the number of the layer's positions."""
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings under a name: a value for every one, in JSON's types."""

    about: str
    settings: dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizers:
    """The optimizers' graphs, by file name."""

    adam: str
    lbfgs: str
    history_size: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
    """A graph's inputs and outputs, in order; all are float32."""

    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    floats_per_pixel: float
    """Floats that live at once between them, at most, for every pixel."""


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

    def layer(self, name: str) -> Layer:
        """A layer of the encoder, or the image."""
        if name == IMAGE:
            return Layer(channels=self.canvas.channels, stride=(1, 1))
        return self.encoder.layers[name]

    def graph_names(self) -> list[str]:
        """File names of all graphs but the Winograd ones."""
        names = [self.optimizers.adam, self.optimizers.lbfgs]
        for objective in self.objectives.values():
            names.append(objective.loss)
            for graphs in objective.poolings.values():
                names += dataclasses.astuple(graphs)
        return names

    def to_json(self) -> str:
        """The text of ``manifest.json``."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @staticmethod
    def from_json(text: str | bytes, source: str) -> Manifest:
        """The manifest in a text; ``source`` names it in a BundleError."""
        try:
            raw = json.loads(text, object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{source}: not a JSON file: {error}") from None
        schema = raw.get("schema") if isinstance(raw, dict) else None
        if schema != SCHEMA:
            raise BundleError(
                f"{source}: schema {_show(schema)}, but this version of impasto reads schema "
                f"{SCHEMA}: export the bundle again, or install the version that made it"
            )
        manifest = _read(Manifest, raw, source)
        assert isinstance(manifest, Manifest)
        return manifest


Number = int | float
Setting = str | bool | int | float | None | list[Number] | dict[str, Number]
"""What a preset can hold."""


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an entry is there twice")
    return found


def _read(kind: Any, value: Any, where: str) -> Any:
    """A JSON value as the type that an annotation names."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return _read(Setting, value, where)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    if origin is dict and isinstance(value, dict):
        return {key: _read(arguments[1], item, f"{where}: {key}") for key, item in value.items()}
    if origin is list and isinstance(value, list):
        return [_read(arguments[0], item, where) for item in value]
    if origin is tuple and isinstance(value, list):
        kinds = [arguments[0]] * len(value) if arguments[-1] is ... else arguments
        if len(kinds) == len(value):
            return tuple(_read(k, item, where) for k, item in zip(kinds, value, strict=True))
    if origin in (types.UnionType, typing.Union):
        for choice in arguments:
            try:
                return _read(choice, value, where)
            except BundleError:
                continue
    if origin is Literal and value in arguments:
        return value
    if kind is float and type(value) in (int, float):
        if abs(value) <= MAX_FLOAT:  # so not NaN
            return float(value)
    elif isinstance(kind, type) and type(value) is kind:
        return value
    raise BundleError(f"{where}: {_show(value)} is not what belongs there")


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    hints = typing.get_type_hints(kind)
    if not isinstance(value, dict) or set(value) != set(hints):
        found = sorted(set(value) ^ set(hints)) if isinstance(value, dict) else [type(value)]
        raise BundleError(f"{where}: missing or unknown entries: {', '.join(map(str, found))}")
    return kind(**{name: _read(hints[name], value[name], f"{where}: {name}") for name in hints})


def _show(value: Any) -> str:
    """A value for a message; of a container, which may be large or deep, no more than its kind."""
    return f"a {type(value).__name__}" if isinstance(value, dict | list) else json.dumps(value)[:60]
