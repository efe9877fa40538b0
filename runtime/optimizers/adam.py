"""Adam: first and second moments and a count. Kingma & Ba 2015, algorithm 1, in adam.onnx.

On the CPU large images are done part by part, and the moments of those that are evaluated in tiles
are in a temporary file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.graphs.device import OrtValue
from impasto.runtime.graphs.pool import AnyGraphs
from impasto.runtime.machine.scratch import Scratch
from impasto.runtime.objective import Point
from impasto.runtime.settings import Settings

PART = 500_000
"""Pixels. What a graph needs beyond its outputs is that of a part."""
MOMENTS = ("mean", "square")


@dataclass(frozen=True, eq=False)
class AdamMemory:
    """How many iterations the moments are of, and the moments, of the image's shape.

    On the CPU the moments are the optimizer's own: they are written over, as huge ones have no
    twins.
    """

    count: float
    moments: Mapping[str, OrtValue]
    previous: None = None

    @property
    def fresh(self) -> bool:
        """See Memory."""
        return self.count == 0


class Adam:
    """The step does not depend on the loss, which may climb for a while."""

    tolerance: float = 9.0
    points: int = 1

    def __init__(
        self,
        graphs: AnyGraphs,
        settings: Settings,
        shape: tuple[int, int, int, int],
        in_tiles: bool = False,
    ) -> None:
        self._device = graphs.device
        self._on_cpu = self._device.memory == "cpu"
        height, width = shape[2:]
        unit = graphs.bundle.manifest.encoder.alignment[0]
        rows = _rows(unit, height, width) if self._on_cpu else height
        adam = graphs.bundle.manifest.optimizers.adam
        self._graph = graphs.get(adam, rows, width)
        self._image = shape
        self._shape = (height // rows, 1, shape[1], rows, width)
        self._rate = settings.learning_rate
        self._fixed = {}
        if "betas" in graphs.bundle.manifest.signatures[adam].inputs:
            self._fixed["betas"] = self._device.upload(np.array(settings.betas, np.float32))
        in_files = self._on_cpu and in_tiles
        self._scratches = [Scratch(shape, "Adam's moments") for _ in MOMENTS] if in_files else []

    def start(self) -> AdamMemory:
        """See Optimizer."""
        if not self._scratches:
            arrays = [np.zeros(self._image, np.float32) for _ in MOMENTS]
        else:
            arrays = [scratch.array for scratch in self._scratches]
            for array in arrays:
                array[:] = 0
        self._leave()
        return AdamMemory(0.0, self._uploaded(dict(zip(MOMENTS, arrays, strict=True))))

    def propose(self, memory: AdamMemory, point: Point, step: float, into: OrtValue) -> None:
        """See Optimizer. What the moments become is left to ``accept``."""
        for part in range(self._shape[0]):
            self._run(memory, part, point, step, self._part({"next_image": into}, part))
            self._leave()

    def accept(self, memory: AdamMemory, point: Point, proposal: None) -> AdamMemory:
        """See Optimizer."""
        moments = memory.moments
        for part in range(self._shape[0]):
            found = self._run(memory, part, point, 1.0)
            if self._on_cpu:
                for name, moment in self._part(moments, part).items():
                    np.copyto(moment.numpy(), found[f"next_{name}"].numpy())
                self._leave()
            else:
                moments = {name: found[f"next_{name}"] for name in MOMENTS}
        return AdamMemory(float(found["next_count"].numpy()[0]), moments)

    def pack(self, memory: AdamMemory) -> dict[str, NDArray[np.float32]]:
        """See Optimizer."""
        moments = {name: moment.numpy() for name, moment in memory.moments.items()}
        return {"count": np.array([memory.count], np.float32), **moments}

    def unpack(
        self, arrays: Mapping[str, NDArray[np.float32]], previous: Point | None
    ) -> AdamMemory:
        """See Optimizer."""
        moments = {name: arrays[name] for name in MOMENTS}
        for scratch, name in zip(self._scratches, MOMENTS, strict=False):
            scratch.array[:] = moments[name]
            moments[name] = scratch.array
        return AdamMemory(float(arrays["count"][0]), self._uploaded(moments))

    def _uploaded(self, moments: Mapping[str, NDArray[np.float32]]) -> dict[str, OrtValue]:
        return {name: self._device.upload(moment) for name, moment in moments.items()}

    def _run(
        self,
        memory: AdamMemory,
        part: int,
        point: Point,
        step: float,
        into: Mapping[str, OrtValue] | None = None,
    ) -> dict[str, OrtValue]:
        images = {"image": point.image, "gradient": point.gradient, **memory.moments}
        inputs = {
            "rate": self._device.upload(np.array([step * self._rate], np.float32)),
            "count": self._device.upload(np.array([memory.count], np.float32)),
            **self._fixed,
            **self._part(images, part),
        }
        return self._graph.run(inputs, to_host=("next_count",), into=into)

    def _part(self, images: Mapping[str, OrtValue], part: int) -> dict[str, OrtValue]:
        """Views of as many pixels of each. Adam does not ask where a pixel is."""
        if self._shape[0] == 1:
            return dict(images)
        return {
            name: self._device.upload(value.numpy().reshape(self._shape)[part])
            for name, value in images.items()
        }

    def _leave(self) -> None:
        for scratch in self._scratches:
            scratch.leave()


def _rows(unit: int, height: int, width: int) -> int:
    """Of equal parts of an image, each of at most PART pixels if that can be."""
    counts = [n for n in range(1, height // unit + 1) if height // unit % n == 0]
    return height // next((n for n in counts if height * width <= n * PART), counts[-1])
