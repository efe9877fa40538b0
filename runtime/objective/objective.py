"""The objective at one size: what it is compared with, and the loss and gradient of an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.shapes import Pair, fix
from impasto.runtime.bundle.sources import Source
from impasto.runtime.errors import SettingError
from impasto.runtime.graphs.device import OrtValue
from impasto.runtime.graphs.pool import AnyGraphs

Tensor = NDArray[np.float32]
MASKS: tuple[Source, ...] = ("region", "regions")
"""Sources of maps that are ones where there are none."""
Targets = Mapping[str, Tensor]
"""By the name of a term's input (``content.conv4_2.target``), in the input's shape."""


@dataclass(frozen=True, eq=False)
class Slot:
    """Memory on the device for an image and its gradient, always at the same addresses.

    CUDA graphs need that: see ``captured`` in Graph.
    """

    number: int
    """From 1."""
    image: OrtValue
    gradient: OrtValue


@dataclass(frozen=True, eq=False)
class Point:
    """An image with its gradient, its loss and its terms (not weighted)."""

    slot: Slot
    loss: float
    terms: Tensor

    @classmethod
    def of(cls, slot: Slot, figures: Mapping[str, OrtValue]) -> Point:
        """From the outputs ``loss`` and ``terms`` of a graph."""
        return cls(slot, float(figures["loss"].numpy()), np.array(figures["terms"].numpy()))

    @property
    def image(self) -> OrtValue:
        """(1, C, H, W), on the device."""
        return self.slot.image

    @property
    def gradient(self) -> OrtValue:
        """Of the image's shape, on the device."""
        return self.slot.gradient


class Objective(ABC):
    """Of images of one size; ``evaluate`` needs targets first. Images are (1, C, H, W)."""

    def __init__(
        self, graphs: AnyGraphs, name: str, pooling: str, size: Pair, regions: int = 1
    ) -> None:
        self._graphs, self._size, self._termination = graphs, size, graphs.termination
        self._regions = regions
        self._manifest = graphs.bundle.manifest
        self._entry = self._manifest.objectives[name]
        self._files = self._entry.poolings[pooling]
        self._inputs = {value.name: value for term in self._entry.terms for value in term.inputs}
        self._strides = {
            value.name: self._manifest.layer(term.layer).stride
            for term in self._entry.terms
            for value in term.inputs
        }

    @abstractmethod
    def describe(
        self, image: Tensor, source: Source, maps: Targets | None = None
    ) -> dict[str, Tensor]:
        """The targets that an image of the objective's size gives.

        Args:
            image: of the canvas.
            source: ``content`` or ``style_map``: its features, wherever a term takes them;
                ``style``: its statistics' means.
            maps: of a style, the regions and given maps that come with it.

        Returns:
            By the names of the inputs that have this source.
        """

    @abstractmethod
    def set_targets(self, targets: Targets, weights: Sequence[float]) -> None:
        """What to compare with from now on, and every term's weight.

        Regions that are missing are all ones, everything else zeros.

        Raises:
            SettingError: no input has such a name, or another shape.
        """

    @abstractmethod
    def evaluate(self, slot: Slot) -> Point:
        """Loss, terms and gradient of the slot's image.

        If the loss is not finite, the gradient may be zero.
        """

    def slots(self, count: int, first: int = 1) -> list[Slot]:
        """New ones, of the objective's size, numbered from ``first``."""
        image = self._manifest.signatures[self._files.step].inputs["image"]
        shape, empty = fix(image, *self._size), self._graphs.device.empty
        return [
            Slot(number, empty(*shape), empty(*shape)) for number in range(first, first + count)
        ]

    def _names(self, *sources: Source) -> list[str]:
        """Of the inputs with these sources."""
        return [name for name, value in self._inputs.items() if value.source in sources]

    def _complete(self, targets: Targets, *sources: Source) -> dict[str, Tensor]:
        """All inputs with these sources; what is missing takes no memory."""
        found = {}
        for name in self._names(*sources):
            shape, is_mask = self._shape(name), self._inputs[name].source in MASKS
            found[name] = targets.get(name, np.broadcast_to(np.float32(is_mask), shape))
            if found[name].shape != shape:
                raise SettingError("maps", name, f"give the shape {shape}, not {found[name].shape}")
        return found

    def _checked(self, targets: Targets) -> None:
        for name in targets:
            if name not in self._inputs:
                there = ", ".join(self._inputs) or "nothing"
                raise SettingError("maps", name, f"the terms take {there}")

    def _shape(self, name: str) -> tuple[int, ...]:
        return fix(self._inputs[name].shape, *self._size, self._regions)
