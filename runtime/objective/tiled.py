"""The objective of an image tile by tile, with the result that the whole has.

A first pass over the tiles adds up their statistics. The loss graph gives the loss of the sums, and
its gradient by them, the cotangents. A second pass takes the cotangents back through every tile's
statistics, and the tiles' gradients add up to the image's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.shapes import Pair, fix
from impasto.runtime.bundle.sources import MAPS, OWN, TARGETS, Source
from impasto.runtime.graphs.device import Device, OrtValue
from impasto.runtime.graphs.pool import AnyGraphs
from impasto.runtime.graphs.session import Graph
from impasto.runtime.machine.scratch import Scratch

from .factors import with_factors
from .objective import Objective, Point, Slot, Targets, Tensor
from .tiles import Tile, cut


class Tiled(Objective):
    """Two passes over windows of one shape. Described features are in temporary files."""

    def __init__(
        self,
        graphs: AnyGraphs,
        name: str,
        pooling: str,
        size: Pair,
        shape: Pair,
        regions: int = 1,
    ) -> None:
        super().__init__(graphs, name, pooling, size, regions)
        alignment = self._manifest.encoder.alignment
        self._tiles = cut(*size, shape, self._entry.margin, alignment)
        self._window, self._opened = shape, (*shape, regions)
        self._scratches: dict[str, Scratch] = {}
        image = self._manifest.signatures[self._files.step].inputs["image"]
        host, sums = Device("cpu"), fix(self._entry.sums, *shape, regions)
        # Outputs have memory of their own: one that lived in a graph's arena would keep the arena
        # from being given back after a pass (docs/decisions.md, 19).
        self._found = {"sums": host.empty(*sums), "gradient": host.empty(*fix(image, *shape))}

    @cached_property
    def _statistics(self) -> Graph:
        return self._graphs.get(self._files.statistics, *self._opened)

    @cached_property
    def _loss(self) -> Graph:
        return self._graphs.get(self._entry.loss, *self._opened)

    @cached_property
    def _pullback(self) -> Graph:
        return self._graphs.get(self._files.pullback, *self._opened)

    def describe(
        self, image: Tensor, source: Source, maps: Targets | None = None
    ) -> dict[str, Tensor]:
        """See Objective."""
        if not self._names(source):
            return {}
        return (
            self._means(image, maps or {}) if source == "style" else self._features(image, source)
        )

    def _features(self, image: Tensor, source: Source) -> dict[str, Tensor]:
        graph = self._graphs.get(self._files.describe, *self._opened)
        blank = {
            name: self._graphs.device.upload(np.zeros(fix(shape, *self._opened), np.float32))
            for name, shape in self._manifest.signatures[self._files.describe].inputs.items()
            if name != "image"
        }
        found = {name: Scratch(self._shape(name), "features") for name in self._names(source)}
        self._scratches |= found
        for tile in self._tiles:
            part = {"image": self._graphs.device.upload(tile.crop(image)), **blank}
            described = graph.run(part, to_host=found, termination=self._termination)
            for name, scratch in found.items():
                tile.paste_own(described[name].numpy(), scratch.array, self._strides[name])
                scratch.leave()
        return {name: scratch.array for name, scratch in found.items()}

    def _means(self, image: Tensor, maps: Targets) -> dict[str, Tensor]:
        """A style's: with zeros for the maps that are pictures' features, as in ``describe``."""
        blank = self._complete({}, "content", "style_map", "matched")
        sums = self._sums(image, self._complete(maps, *OWN) | blank)
        terms = self._entry.terms
        ends = np.cumsum(self._entry.parts)
        found: dict[str, Tensor] = {}
        for term, part in zip(terms, np.split(sums, ends[:-1], axis=-1), strict=True):
            targets = [value for value in term.inputs if value.source == "style"]
            if not targets:
                continue
            area = math.prod(self._manifest.layer(term.layer).stride)
            shape = fix(term.sums, *self._size, self._regions)
            means = part.reshape(shape) / (math.prod(self._size) / area)
            found |= {value.name: means.astype(np.float32) for value in targets}
        return found

    def _sums(self, image: Tensor, maps: Targets) -> NDArray[np.float64]:
        """The statistics, added up."""
        found = self._found["sums"].numpy()
        total = np.zeros(found.shape)
        for tile, last in self._passing():
            windows = self._windows(tile, image, maps)
            self._statistics.run(
                windows, into=self._found, release=last, termination=self._termination
            )
            total += found
        return total

    def set_targets(self, targets: Targets, weights: Sequence[float]) -> None:
        """See Objective."""
        self._checked(targets)
        upload = self._graphs.device.upload
        self._maps = self._complete(targets, *MAPS)
        styles = self._complete(with_factors(self._entry.terms, targets), *TARGETS)
        self._fixed = {name: upload(target) for name, target in styles.items()}
        self._fixed["weights"] = upload(np.array(weights, np.float32))
        self._fixed["pixels"] = upload(np.array([math.prod(self._size)], np.float32))

    def evaluate(self, slot: Slot) -> Point:
        """See Objective."""
        image, gradient = slot.image.numpy(), slot.gradient.numpy()  # on the CPU both are views
        sums = self._graphs.device.upload(self._sums(image, self._maps).astype(np.float32))
        out = self._loss.run({"sums": sums, **self._fixed}, to_host=("loss", "terms"))
        point = Point.of(slot, out)
        gradient[:] = 0
        if math.isfinite(point.loss):
            self._pull_back(image, out["cotangents"], gradient)
        if self._graphs.device.memory != "cpu":
            slot.gradient.update_inplace(gradient)
        return point

    def _pull_back(self, image: Tensor, cotangents: OrtValue, gradient: Tensor) -> None:
        found = self._found["gradient"].numpy()
        for tile, last in self._passing():
            inputs = {**self._windows(tile, image, self._maps), "cotangents": cotangents}
            self._pullback.run(
                inputs, into=self._found, release=last, termination=self._termination
            )
            gradient[:, :, tile.window[0], tile.window[1]] += found

    def _passing(self) -> Iterator[tuple[Tile, bool]]:
        """Each tile, and whether it is the last: after that the graph gives its memory back."""
        return ((tile, tile is self._tiles[-1]) for tile in self._tiles)

    def _windows(self, tile: Tile, image: Tensor, maps: Targets) -> dict[str, OrtValue]:
        upload = self._graphs.device.upload
        parts = {
            name: upload(tile.crop(whole, self._strides[name])) for name, whole in maps.items()
        }
        for scratch in self._scratches.values():
            scratch.leave()
        return {"image": upload(tile.crop(image)), "mask": upload(tile.mask()), **parts}
