"""The objective at one size: of a whole picture at once, or tile by tile with the same result.

L = phi(S), S the sum of the tiles' statistics: a first pass over the tiles gives S, the loss graph
gives phi and its gradient, the cotangents, and a second pass adds up what the tiles pull back.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.manifest import Term, fix
from impasto.runtime.graphs.device import Device, OrtValue
from impasto.runtime.graphs.pool import Graphs
from impasto.runtime.graphs.session import Graph
from impasto.runtime.machine.scratch import Scratch

from .tiles import Tile, cut, tile_shape

Tensor = NDArray[np.float32]
Targets = dict[str, Tensor]
"""By term: content features (1, C, h, w), or a style's means."""


@dataclass(frozen=True, eq=False)
class Slot:
    """Room on the device for an image and its gradient, whose addresses stay: see ``captured``."""

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

    @property
    def image(self) -> OrtValue:
        """(1, 3, H, W), on the device."""
        return self.slot.image

    @property
    def gradient(self) -> OrtValue:
        """Of the image's shape, on the device."""
        return self.slot.gradient


class Objective(ABC):
    """Of pictures of one size; ``evaluate`` needs targets and weights first."""

    def __init__(
        self, graphs: Graphs, pooling: str, size: tuple[int, int], pixels: int | None = None
    ) -> None:
        self._graphs, self._size, self._pixels = graphs, size, pixels
        self._manifest = graphs.bundle.manifest
        self._files = self._manifest.poolings[pooling]

    @abstractmethod
    def contents(self, image: Tensor) -> Targets:
        """The content features of a (1, 3, H, W) image of the objective's size."""

    @abstractmethod
    def styles(self, image: Tensor) -> Targets:
        """The means of a (1, 3, H, W) image of the objective's size."""

    @abstractmethod
    def aim(self, targets: Targets, weights: Sequence[float]) -> None:
        """What to compare with (zeros where a target is missing), and every term's weight."""

    @abstractmethod
    def evaluate(self, slot: Slot) -> Point:
        """What its image has; where the loss is not finite, the gradient may be zero."""

    def slots(self, count: int) -> list[Slot]:
        """New ones, of the objective's size."""
        shape, empty = (1, 3, *self._size), self._graphs.device.empty
        return [Slot(number, empty(*shape), empty(*shape)) for number in range(1, count + 1)]

    def _terms(self, kind: str) -> list[Term]:
        return [term for term in self._manifest.terms if term.target == kind]

    def _complete(self, targets: Targets, kind: str) -> Targets:
        """Zeros where a target is missing."""
        return {
            term.name: targets[term.name]
            if term.name in targets
            else np.zeros(fix(term.shape or (), *self._size), np.float32)
            for term in self._terms(kind)
        }


class Whole(Objective):
    """One call of the step graph."""

    def contents(self, image: Tensor) -> Targets:
        """See Objective."""
        return self._describe(image, "content")

    def styles(self, image: Tensor) -> Targets:
        """See Objective."""
        return self._describe(image, "style")

    def _describe(self, image: Tensor, kind: str) -> Targets:
        graph = self._graphs.get(self._files.describe, *self._size)
        names = [term.name for term in self._terms(kind)]
        inputs = {"image": self._graphs.device.upload(image)}
        found = graph.run(inputs, to_host=names)
        return {name: np.array(found[name].numpy()) for name in names}  # a view keeps all memory

    def aim(self, targets: Targets, weights: Sequence[float]) -> None:
        """See Objective."""
        upload = self._graphs.device.upload
        complete = self._complete(targets, "content") | self._complete(targets, "style")
        self._inputs = {name: upload(target) for name, target in complete.items()}
        self._inputs["weights"] = upload(np.array(weights, np.float32))
        self._step = self._opened()
        outputs = self._manifest.signatures[self._files.step].outputs
        self._figures = {
            name: self._graphs.device.empty(*fix(outputs[name], *self._size))
            for name in ("loss", "terms")
        }

    def _opened(self) -> Graph:
        if self._graphs.device.captures:
            return self._graphs.open(self._files.step, *self._size, captured=True)
        return self._graphs.get(self._files.step, *self._size, pixels=self._pixels)

    def evaluate(self, slot: Slot) -> Point:
        """See Objective."""
        inputs = {"image": slot.image, **self._inputs}
        outputs = {"gradient": slot.gradient, **self._figures}
        self._step.run(inputs, into=outputs, slot=slot.number)
        return _point(slot, self._figures)


class Tiled(Objective):
    """Two passes over windows of one shape. The content features are in a temporary file."""

    def __init__(
        self,
        graphs: Graphs,
        pooling: str,
        size: tuple[int, int],
        shape: tuple[int, int],
        pixels: int | None = None,
    ) -> None:
        super().__init__(graphs, pooling, size, pixels)
        manifest = self._manifest
        self._tiles = cut(*size, shape, manifest.margin, manifest.alignment)
        self._strides = {term.name: self._stride(term) for term in self._terms("content")}
        self._shape = shape
        self._scratches: list[Scratch] = []
        host, sums = Device("cpu"), sum(math.prod(term.sums) for term in manifest.terms)
        # Not in the graphs' memory: what they take could not be given back while these are there.
        self._found = {"sums": host.empty(sums), "gradient": host.empty(1, 3, *shape)}

    @cached_property
    def _statistics(self) -> Graph:
        return self._graphs.get(self._files.statistics, *self._shape, pixels=self._pixels)

    @cached_property
    def _loss(self) -> Graph:
        return self._graphs.get(self._manifest.loss, *self._shape)

    @cached_property
    def _pullback(self) -> Graph:
        return self._graphs.get(self._files.pullback, *self._shape, pixels=self._pixels)

    def contents(self, image: Tensor) -> Targets:
        """See Objective."""
        graph = self._graphs.get(self._files.describe, *self._shape)
        scratches = {
            term.name: Scratch(fix(term.shape or (), *self._size), "content features")
            for term in self._terms("content")
        }
        self._scratches = list(scratches.values())
        for tile in self._tiles:
            part = {"image": self._graphs.device.upload(tile.crop(image))}
            described = graph.run(part, to_host=scratches)
            for name, scratch in scratches.items():
                features = described[name].numpy()
                tile.paste_own(features, scratch.array, self._strides[name])
                scratch.leave()
        return {name: scratch.array for name, scratch in scratches.items()}

    def styles(self, image: Tensor) -> Targets:
        """See Objective."""
        terms = self._manifest.terms
        self._contents = self._complete({}, "content")
        ends = np.cumsum([math.prod(term.sums) for term in terms])
        parts = np.split(self._sums(image), ends[:-1])
        positions = {t.name: math.prod(self._size) / self._stride(t) ** 2 for t in terms}
        return {
            term.name: (part.reshape(term.sums) / positions[term.name]).astype(np.float32)
            for term, part in zip(terms, parts, strict=True)
            if term.target == "style"
        }

    def _sums(self, image: Tensor) -> NDArray[np.float64]:
        """The statistics, added up."""
        found = self._found["sums"].numpy()
        total = np.zeros(found.shape)
        for tile, last in self._passing():
            self._statistics.run(self._inputs(tile, image), into=self._found, release=last)
            total += found
        return total

    def aim(self, targets: Targets, weights: Sequence[float]) -> None:
        """See Objective."""
        upload = self._graphs.device.upload
        self._contents = self._complete(targets, "content")
        styles = self._complete(targets, "style")
        self._fixed = {name: upload(target) for name, target in styles.items()}
        self._fixed["weights"] = upload(np.array(weights, np.float32))
        self._fixed["pixels"] = upload(np.array([math.prod(self._size)], np.float32))

    def evaluate(self, slot: Slot) -> Point:
        """See Objective."""
        image, gradient = slot.image.numpy(), slot.gradient.numpy()  # on the CPU both are views
        sums = self._graphs.device.upload(self._sums(image).astype(np.float32))
        out = self._loss.run({"sums": sums, **self._fixed}, to_host=("loss", "terms"))
        point = _point(slot, out)
        gradient[:] = 0
        if math.isfinite(point.loss):
            self._pull_back(image, out["cotangents"], gradient)
        if self._graphs.device.kind != "cpu":
            slot.gradient.update_inplace(gradient)
        return point

    def _pull_back(self, image: Tensor, cotangents: OrtValue, gradient: Tensor) -> None:
        found = self._found["gradient"].numpy()
        for tile, last in self._passing():
            inputs = {**self._inputs(tile, image), "cotangents": cotangents}
            self._pullback.run(inputs, into=self._found, release=last)
            gradient[:, :, tile.window[0], tile.window[1]] += found

    def _passing(self) -> Iterator[tuple[Tile, bool]]:
        """The tiles, and which is the last: a pass's memory is given back before the next one."""
        return ((tile, tile is self._tiles[-1]) for tile in self._tiles)

    def _stride(self, term: Term) -> int:
        layer = self._manifest.layers.get(term.layer)  # none is the image's
        return layer.stride if layer else 1

    def _inputs(self, tile: Tile, image: Tensor) -> dict[str, OrtValue]:
        upload = self._graphs.device.upload
        contents = {
            name: upload(tile.crop(whole, self._strides[name]))
            for name, whole in self._contents.items()
        }
        for scratch in self._scratches:
            scratch.leave()
        return {"image": upload(tile.crop(image)), "mask": upload(tile.mask()), **contents}


def _point(slot: Slot, figures: Mapping[str, OrtValue]) -> Point:
    return Point(slot, float(figures["loss"].numpy()), np.array(figures["terms"].numpy()))


def make_objective(
    graphs: Graphs,
    pooling: str,
    size: tuple[int, int],
    tile_pixels: int | None,
    pixels: int | None = None,
) -> Objective:
    """For images of a size, in tiles where it has more than ``tile_pixels``.

    ``pixels``: what the run evaluates all in all; see Graphs.get.
    """
    if tile_pixels is None or math.prod(size) <= tile_pixels:
        return Whole(graphs, pooling, size, pixels)
    manifest = graphs.bundle.manifest
    shape = tile_shape(*size, tile_pixels, manifest.margin, manifest.alignment)
    return Tiled(graphs, pooling, size, shape, pixels)
