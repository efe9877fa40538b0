"""L-BFGS with the newest pair alone, of an image in parts: it keeps two points, and no pair.

lbfgs-products.onnx gives what the step needs to know of the whole image, lbfgs-part.onnx the step.
The result is that of lbfgs.onnx with one pair, to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.manifest import LBFGSParts
from impasto.runtime.bundle.shapes import Pair
from impasto.runtime.graphs.device import OrtValue
from impasto.runtime.graphs.pool import AnyGraphs
from impasto.runtime.objective import Point
from impasto.runtime.objective.tiles import Tile, cut, tile_shape
from impasto.runtime.settings import Settings

from .lbfgs import preconditioner

PART = 500_000
"""Pixels of a part, at most. What a graph needs beyond its outputs is that of a part."""


@dataclass(frozen=True, eq=False)
class LBFGSPartsMemory:
    """The scale gamma, (1,), and the point before."""

    gamma: NDArray[np.float32]
    previous: Point | None

    @property
    def fresh(self) -> bool:
        """See Memory."""
        return self.previous is None


class LBFGSInParts:
    """Of large images: what it keeps is in the slots of two points."""

    tolerance: float = 0.1
    points: int = 2

    def __init__(
        self, graphs: AnyGraphs, parts: LBFGSParts, settings: Settings, size: Pair
    ) -> None:
        alignment = graphs.bundle.manifest.encoder.alignment
        shape = tile_shape(*size, PART, parts.margin, alignment) or size
        self._tiles = cut(*size, shape, parts.margin, alignment)
        self._products = graphs.get(parts.products, *shape)
        self._step = graphs.get(parts.step, *shape)
        self._upload = graphs.device.upload
        self._weights = preconditioner(graphs.device, settings)

    def start(self) -> LBFGSPartsMemory:
        """See Optimizer."""
        return LBFGSPartsMemory(np.zeros(1, np.float32), None)

    def propose(
        self, memory: LBFGSPartsMemory, point: Point, step: float, into: OrtValue
    ) -> NDArray[np.float32]:
        """See Optimizer. What it returns is the next gamma."""
        previous = memory.previous or point
        images = {
            "image": point.image.numpy(),
            "gradient": point.gradient.numpy(),
            "previous_image": previous.image.numpy(),
            "previous_gradient": previous.gradient.numpy(),
        }
        given = self._weights | self._found(images)
        given |= self._uploaded({"step": np.array([step]), "gamma": memory.gamma})
        following, gamma = into.numpy(), memory.gamma  # on the CPU a view
        for tile in self._tiles:
            found = self._step.run(self._windows(images, tile) | given)
            tile.paste_own(found["next_image"].numpy(), following)
            gamma = found["next_gamma"].numpy().copy()
        if self._step.device.memory != "cpu":
            into.update_inplace(following)
        return gamma

    def accept(
        self, memory: LBFGSPartsMemory, point: Point, proposal: NDArray[np.float32]
    ) -> LBFGSPartsMemory:
        """See Optimizer."""
        return LBFGSPartsMemory(proposal, point)

    def pack(self, memory: LBFGSPartsMemory) -> dict[str, NDArray[np.float32]]:
        """See Optimizer."""
        return {"gamma": memory.gamma}

    def unpack(
        self, arrays: Mapping[str, NDArray[np.float32]], previous: Point | None
    ) -> LBFGSPartsMemory:
        """See Optimizer."""
        return LBFGSPartsMemory(arrays["gamma"], previous)

    def _found(self, images: Mapping[str, NDArray[np.float32]]) -> dict[str, OrtValue]:
        """The products of all parts, added up, and the largest value there is."""
        products: NDArray[Any] = np.zeros(1)
        largest: NDArray[Any] = np.zeros(1)
        for tile in self._tiles:
            windows = self._windows(images, tile) | {"mask": self._upload(tile.mask())}
            found = self._products.run(windows | self._weights)
            products = products + found["products"].numpy()
            largest = np.maximum(largest, found["largest"].numpy())
        return self._uploaded({"products": products, "largest": largest})

    def _windows(
        self, images: Mapping[str, NDArray[np.float32]], tile: Tile
    ) -> dict[str, OrtValue]:
        return self._uploaded({name: tile.crop(image) for name, image in images.items()})

    def _uploaded(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, OrtValue]:
        return {name: self._upload(np.asarray(array, np.float32)) for name, array in arrays.items()}
