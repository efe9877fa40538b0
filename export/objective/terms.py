"""Terms: heads at layers, and what follows from their declarations."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import torch

from impasto.export.heads import Head, masked
from impasto.runtime.bundle.manifest import IMAGE, Input, Layer
from impasto.runtime.bundle.manifest import Term as Entry
from impasto.runtime.bundle.shapes import REGIONS, Pair, Shape
from impasto.runtime.bundle.sources import MAPS, OWN, Source
from impasto.runtime.errors import SettingError

from .encoder import Encoder, Geometry, check_layers

NO_DIVISOR = 1e-12
"""What is divided by where a mask is empty."""
RANK = 128
"""Columns of a style's factor, at most."""
PROBE = 8
"""Positions, each way, of features that shapes are found with."""
TAKEN = ["image", "mask", "sums", "pixels", "cotangents", "weights", "loss", "terms", "gradient"]
"""Names of the graphs' own inputs and outputs."""

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Term:
    """A head at a layer (or at the image itself)."""

    head: Head
    layer: str
    at: Layer
    height: int | None = None
    """The canvas's, where it has one."""
    guided: bool = False
    """Whether a style's statistics are of regions, as many as there are where a graph opens."""

    @property
    def name(self) -> str:
        """``style.conv1_1``, or the head's name alone where it reads the image."""
        return name_of(self.head, self.layer)

    @property
    def rows(self) -> int | None:
        """Of its features, where the canvas has one height."""
        return self.height and self.height // self.at.stride[0]

    @property
    def area(self) -> int:
        """Pixels for each position of its features."""
        return math.prod(self.at.stride)

    @property
    def reach(self) -> Pair:
        """The head's, in positions."""
        reach = self.head.reach
        return (reach, reach) if isinstance(reach, int) else reach

    def inputs(self, sources: Collection[Source]) -> dict[str, Input]:
        """Those from some sources, by the head's names of them."""
        named: dict[str, Source] = {**self.head.inputs}
        if self.is_guided:
            named[REGIONS] = "regions"
        return {
            name: Input(name=f"{self.name}.{name}", source=source, shape=self._shape(name, source))
            for name, source in named.items()
            if source in sources
        }

    def described_with(self) -> dict[str, Input]:
        """The maps that come with a style, where the term takes a style's means."""
        return self.inputs(OWN) if self.takes_style else {}

    @property
    def is_guided(self) -> bool:
        """Whether its statistics are of ``regions``."""
        return self.guided and self.takes_style

    @property
    def takes_style(self) -> bool:
        """Whether it is compared with a style's means: its statistics have the regions first."""
        return "style" in self.head.inputs.values()

    def _shape(self, name: str, source: Source) -> Shape:
        if source == "style":
            return self.sums_shape
        if source == "style_factor":
            *regions, _, channels = self.sums_shape
            assert isinstance(channels, int)
            return (*regions, channels, min(channels, RANK))
        masks = source in ("region", "regions")
        channels = 1 if masks else self.head.channels.get(name, self.at.channels)
        sides = [
            axis if stride == 1 else f"{axis}/{stride}"
            for axis, stride in zip(("height", "width"), self.at.stride, strict=True)
        ]
        rows = self.rows or sides[0]
        count = REGIONS if source == "regions" else 1
        return (count, channels if source in OWN else self.at.channels, rows, sides[1])

    @cached_property
    def _statistics_shape(self) -> torch.Size:
        rows, columns = (PROBE + 2 * reach for reach in self.reach)
        features = torch.ones(1, self.at.channels, self.rows or rows, columns)
        maps = {
            name: features.new_ones(1, int(value.shape[1]), *features.shape[2:])
            for name, value in self.inputs(MAPS).items()
            if value.source != "regions"
        }
        with torch.no_grad():
            found = self.head.statistics(features, None, **maps).shape
        if self.takes_style and found[:1] != (1,):
            raise SettingError(
                "head",
                self.head.name,
                f"its statistics have the shape {tuple(found)}: a style's begin with the regions, "
                "(1, ...) without a mask",
            )
        return found

    @property
    def sums_shape(self) -> Shape:
        """Of what ``sums`` gives."""
        shape: Shape = tuple(self._statistics_shape)
        if self.head.count is not None:
            shape = ((1,) if self.takes_style else ()) + (self._statistics_shape.numel() + 1,)
        return (REGIONS, *shape[1:]) if self.is_guided else shape

    @property
    def part(self) -> int:
        """Places that it has in the vector of all terms' sums."""
        return math.prod(side for side in self.sums_shape if isinstance(side, int))

    def sums(
        self, features: torch.Tensor, maps: Tensors, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The head's statistics; and what it counts, after them, if that is a mask's sum.

        Of regions, their weights are the mask, or are multiplied with it.
        """
        if self.is_guided:
            maps = dict(maps)
            weights = maps.pop(REGIONS)
            mask = weights if mask is None else weights * mask
        found: torch.Tensor = self.head.statistics(features, mask, **maps)
        if self.head.count is None:
            return found
        counted = masked(maps[self.head.count], mask).sum((1, 2, 3))
        if not self.takes_style:
            return torch.cat([found.flatten(), counted])
        return torch.cat([found.flatten(1), counted[:, None]], 1)

    def loss(self, means: torch.Tensor, targets: Tensors) -> torch.Tensor:
        """The head's, of sums over positions."""
        if self.head.count is not None:
            means, targets = self._counted(means), {k: self._counted(t) for k, t in targets.items()}
        found: torch.Tensor = self.head.loss(means, **targets)
        if found.dim() == 0:
            return found
        return found.squeeze(0) if found.shape[0] == 1 else found.mean()

    def _counted(self, means: torch.Tensor) -> torch.Tensor:
        divided = means[..., :-1] / means[..., -1:].clamp(min=NO_DIVISOR)
        if not self.takes_style:
            return divided.reshape(self._statistics_shape)
        return divided.reshape(-1, *self._statistics_shape[1:])

    def entry(self) -> Entry:
        """What the manifest says of it."""
        return Entry(
            name=self.name,
            head=self.head.name,
            layer=self.layer,
            inputs=tuple(self.inputs(get_args(Source)).values()),
            sums=self.sums_shape,
            weight=float(self.head.weight),
        )


def name_of(head: Head, layer: str) -> str:
    """Of the head's term at a layer."""
    return head.name if layer == IMAGE else f"{head.name}.{layer}"


def places(
    encoder: type[Encoder] | Encoder,
    heads: Iterable[Head],
    content: Sequence[str],
    style: Sequence[str],
) -> list[tuple[Head, str]]:
    """Every head at its own layers, else at the content or style layers, in network order.

    Raises:
        SettingError: a layer is unknown, no term reads the encoder, or a head's declarations make
            no sense.
    """
    order, found = (IMAGE, *encoder.layers), []
    check_layers(encoder, [*content, *style])
    for head in heads:
        _check(head)
        _check_block(encoder, head)
        chosen = head.layers or (content if "content" in head.inputs.values() else style)
        check_layers(encoder, chosen)
        found += [(head, layer) for layer in sorted(set(chosen), key=order.index)]
    names = [*TAKEN, *(name_of(head, layer) for head, layer in found)]
    if len(set(names)) < len(names):
        raise SettingError(
            "head",
            ", ".join(h.name for h in heads),
            "a name is taken, by another head or by the graphs: give yours another",
        )
    if all(layer == IMAGE for _, layer in found):
        raise SettingError("layer", "none", "name a content or a style layer")
    return found


def make_terms(
    places: Iterable[tuple[Head, str]],
    geometry: Geometry,
    height: int | None,
    guided: bool = False,
) -> list[Term]:
    """The terms at measured layers; ``guided`` by regions."""
    return [Term(head, layer, geometry.layers[layer], height, guided) for head, layer in places]


def split(
    terms: Iterable[Term], tensors: Iterable[torch.Tensor], sources: Collection[Source]
) -> Iterator[tuple[Term, dict[str, torch.Tensor]]]:
    """Every term with its inputs from these sources, of all terms' in order."""
    remaining = iter(tensors)
    for term in terms:
        yield term, {name: next(remaining) for name in term.inputs(sources)}


def _check(head: Head) -> None:
    for name, source in head.inputs.items():
        if source not in get_args(Source):
            there = ", ".join(get_args(Source))
            raise SettingError(
                "head", head.name, f"input {name!r} has the source {source!r}: there are {there}"
            )
    sources = list(head.inputs.values())
    if "style_factor" in sources and sources.count("style") != 1:
        raise SettingError(
            "head", head.name, "a style_factor is made of a style's means: declare one of these"
        )
    for name in (head.name, *head.inputs):
        if not re.fullmatch(r"[A-Za-z]\w*", name) or name == REGIONS:
            raise SettingError("head", head.name, f"{name!r} is no name for it or an input of it")
    if head.count is not None and head.inputs.get(head.count) not in OWN:
        raise SettingError(
            "head", head.name, f"it counts {head.count!r}, which is no region or given input of it"
        )


def _check_block(encoder: type[Encoder] | Encoder, head: Head) -> None:
    if head.block == 1:
        return
    if head.layers != (IMAGE,) or any(unit % head.block for unit in encoder.alignment):
        raise SettingError(
            "head",
            head.name,
            f"it makes one of {head.block} positions: so it can read the image alone, and the "
            f"alignment must be a multiple of that, but {encoder.name}'s is {encoder.alignment}",
        )
