"""The optimisers' state, kept on the device beside the image. Their arithmetic is in the graphs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .graphs.session import Device, Graphs, OrtValue
from .machine.scratch import Scratch
from .plan import Preset, Stage

PART = 500_000
"""Pixels. What a graph needs beyond its outputs is that of a part."""


class Optimiser(ABC):
    """``propose`` is pure; ``accept`` makes its last proposal's state the next one's."""

    tolerance: float
    """The loss may become this many times larger in a step."""

    points: int
    """How many it looks at: the last of them is the one that it proposes from."""

    @abstractmethod
    def propose(self, image: OrtValue, gradient: OrtValue, step: float, into: OrtValue) -> None:
        """Write the next image; ``step`` scales the update."""

    @abstractmethod
    def accept(self, image: OrtValue, gradient: OrtValue) -> None:
        """The last proposal, from this image and gradient, was taken."""

    @abstractmethod
    def restart(self) -> bool:
        """Forget the history; False if there was none."""


class Adam(Optimiser):
    """First moments, second moments and a count.

    On the CPU large images are done part by part, and the moments of those that are evaluated in
    tiles are in a temporary file.
    """

    tolerance = 10.0  # it may climb: a step does not depend on the loss
    points = 1

    def __init__(
        self, graphs: Graphs, preset: Preset, height: int, width: int, in_tiles: bool = False
    ) -> None:
        self._device = graphs.device
        on_cpu = self._device.kind == "cpu"
        rows = _rows(graphs, height, width) if on_cpu else height
        self._graph = graphs.get(graphs.bundle.manifest.optimizers.adam, rows, width)
        self._shape = (height // rows, 1, 3, rows, width)
        self._rate = preset.rate
        self._count = 0.0
        self._scratches: list[Scratch] = []
        self._moments = {
            name: self._moment(on_cpu and in_tiles, height, width) for name in ("mean", "square")
        }

    def _moment(self, in_file: bool, height: int, width: int) -> OrtValue:
        if not in_file:
            return _zeros(self._device, 1, 3, height, width)
        self._scratches.append(Scratch((1, 3, height, width), "Adam's moments"))
        return self._device.upload(self._scratches[-1].array)

    def propose(self, image: OrtValue, gradient: OrtValue, step: float, into: OrtValue) -> None:
        """See Optimiser. What the moments become is left to ``accept``: huge ones have no twins."""
        for part in range(self._shape[0]):
            self._run(part, image, gradient, step, self._part({"next_image": into}, part))
            self._leave()

    def accept(self, image: OrtValue, gradient: OrtValue) -> None:
        """See Optimiser."""
        for part in range(self._shape[0]):
            found = self._run(part, image, gradient, 1.0)
            if self._device.kind == "cpu":
                for name, moment in self._part(self._moments, part).items():
                    np.copyto(moment.numpy(), found[f"next_{name}"].numpy())
                self._leave()
            else:
                self._moments = {name: found[f"next_{name}"] for name in self._moments}
        self._count = float(found["next_count"].numpy()[0])

    def _run(
        self,
        part: int,
        image: OrtValue,
        gradient: OrtValue,
        step: float,
        into: Mapping[str, OrtValue] | None = None,
    ) -> dict[str, OrtValue]:
        inputs = {
            "rate": self._device.upload(np.array([step * self._rate], np.float32)),
            "count": self._device.upload(np.array([self._count], np.float32)),
            **self._part({"image": image, "gradient": gradient, **self._moments}, part),
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

    def restart(self) -> bool:
        """See Optimiser."""
        had = self._count > 0
        self._count = 0.0
        for value in self._moments.values():
            value.update_inplace(np.zeros(value.shape(), np.float32))
            self._leave()
        return had

    def _leave(self) -> None:
        for scratch in self._scratches:
            scratch.leave()


def _rows(graphs: Graphs, height: int, width: int) -> int:
    """Of equal parts of an image, each of at most PART pixels if that can be."""
    unit = graphs.bundle.manifest.encoder.alignment[0]
    counts = [n for n in range(1, height // unit + 1) if height // unit % n == 0]
    return height // next((n for n in counts if height * width <= n * PART), counts[-1])


@dataclass(frozen=True)
class _Memory:
    """Pairs (s, y, rho), newest first, their scale gamma, and the image and gradient before."""

    pairs: tuple[tuple[OrtValue, ...], ...]
    gamma: OrtValue
    previous: tuple[OrtValue, OrtValue] | None


class LBFGS(Optimiser):
    """Handles move from place to place in the memory; nothing is copied."""

    tolerance = 1.1
    points = 2

    def __init__(
        self, graphs: Graphs, preset: Preset, history: int, height: int, width: int
    ) -> None:
        optimisers = graphs.bundle.manifest.optimizers
        self._graph = graphs.get(optimisers.lbfgs, height, width)
        self._older = optimisers.history_size - 1
        self._kept = min(history, optimisers.history_size) - 1
        self._device = graphs.device
        self._weights = {
            "preconditioner": self._device.upload(np.array(preset.pyramid, np.float32)),
            "channels": self._device.upload(np.array([preset.colour], np.float32)),
        }
        blank, zero = _zeros(self._device, 1, 3, height, width), _zeros(self._device, 1)
        self._no_pair = (blank, blank, zero)
        self._fresh = _Memory((), zero, None)
        self._memory = self._fresh
        self._proposal: dict[str, OrtValue] = {}

    def propose(self, image: OrtValue, gradient: OrtValue, step: float, into: OrtValue) -> None:
        """See Optimiser."""
        memory = self._memory
        previous_image, previous_gradient = memory.previous or (image, gradient)
        inputs = {
            "image": image,
            "gradient": gradient,
            "previous_image": previous_image,
            "previous_gradient": previous_gradient,
            "step": self._device.upload(np.array([step], np.float32)),
            **self._weights,
            "gamma": memory.gamma,
        }
        missing = self._older - len(memory.pairs)
        for i, pair in enumerate((*memory.pairs, *[self._no_pair] * missing), start=1):
            inputs |= zip((f"s_{i}", f"y_{i}", f"rho_{i}"), pair, strict=True)
        self._proposal = self._graph.run(inputs, into={"next_image": into})

    def accept(self, image: OrtValue, gradient: OrtValue) -> None:
        """See Optimiser."""
        pairs = self._memory.pairs
        pair = tuple(self._proposal[name] for name in ("s", "y", "rho"))
        if pair[2].numpy()[0] > 0:  # else it failed the curvature test
            pairs = (pair, *pairs)[: self._kept]
        self._memory = _Memory(pairs, self._proposal["next_gamma"], (image, gradient))

    def restart(self) -> bool:
        """See Optimiser."""
        had = bool(self._memory.pairs)
        self._memory = self._fresh
        return had


def make_optimiser(
    graphs: Graphs, preset: Preset, stage: Stage, height: int, width: int
) -> Optimiser:
    """The stage's optimiser at a size."""
    if stage.optimizer == "lbfgs":
        return LBFGS(graphs, preset, stage.history, height, width)
    return Adam(graphs, preset, height, width, in_tiles=stage.tile_pixels is not None)


def _zeros(device: Device, *shape: int) -> OrtValue:
    return device.upload(np.zeros(shape, np.float32))
