"""What a bundle is made of: objectives, their layers, heads and poolings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from impasto.runtime.bundle.manifest import with_regions
from impasto.runtime.errors import SettingError

from .heads import Content, Head, Style, TotalVariation
from .objective.encoder import Encoder
from .objective.terms import places

HEADS = (Content, Style, TotalVariation)


@dataclass(frozen=True)
class Layers:
    """An objective: where it compares content and style, and by which heads."""

    content: Sequence[str]
    style: Sequence[str]
    heads: Sequence[Head] | None = None
    """All of them; None: the recipe's, with content, style and total variation."""
    poolings: Sequence[str] | None = None
    """None: the recipe's."""


@dataclass(frozen=True)
class Recipe:
    """What a bundle is made of. ``heads`` are added to content, style and total variation."""

    content_layers: Sequence[str] = ("conv4_2",)
    style_layers: Sequence[str] = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    heads: Sequence[Head] = ()
    poolings: Sequence[str] | None = None
    """None: the encoder's first."""
    history_size: int = 10
    objective: str = "gatys"
    """Name of the objective with these layers."""
    objectives: Mapping[str, Layers] = field(default_factory=dict)
    """More of them, by name."""
    regions: Sequence[str] = ()
    """Objectives that are there once more as ``NAME-regions``, whose styles regions can guide."""

    def places(self, encoder: type[Encoder] | Encoder) -> dict[str, list[tuple[Head, str]]]:
        """By objective, every head at its layers.

        Raises:
            SettingError: the encoder has no such layer or pooling, or a name will not do.
        """
        if self.objective in self.objectives:
            raise SettingError("objective", self.objective, "two have this name: rename one")
        found = self._all()
        for name in found:
            if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
                raise SettingError("objective", name, "use letters from a to z, digits, _, -")
        for pooling in (p for chosen in self.chosen_poolings(encoder).values() for p in chosen):
            if pooling not in encoder.poolings:
                there = ", ".join(encoder.poolings)
                raise SettingError("pooling", pooling, f"there are {there}")
        usual = [head() for head in HEADS] + list(self.heads)
        return {
            name: places(encoder, usual if o.heads is None else o.heads, o.content, o.style)
            for name, o in found.items()
        }

    def chosen_poolings(self, encoder: type[Encoder] | Encoder) -> dict[str, list[str]]:
        """By objective, the poolings that it has graphs for."""
        usual = self.poolings or encoder.poolings[:1]
        return {name: list(found.poolings or usual) for name, found in self._all().items()}

    def _all(self) -> dict[str, Layers]:
        """All objectives, those with regions last."""
        own = Layers(self.content_layers, self.style_layers)
        found = {self.objective: own, **self.objectives}
        for name in self.regions:
            if name not in found:
                raise SettingError("regions", name, f"the objectives are {', '.join(found)}")
            if with_regions(name) in found or self.regions.count(name) > 1:
                raise SettingError("regions", name, "name each objective once")
        return {**found, **{with_regions(name): found[name] for name in self.regions}}
