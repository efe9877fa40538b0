"""L-BFGS: pairs (s, y, rho), kept on the device. Nocedal & Wright, algorithm 7.4, in lbfgs.onnx."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.graphs.device import Device, OrtValue
from impasto.runtime.graphs.pool import AnyGraphs
from impasto.runtime.objective import Point
from impasto.runtime.settings import Settings

Pair = tuple[OrtValue, OrtValue, OrtValue]
"""s and y of the image's shape, and rho, (1,): what the step and the gradient's change were."""


@dataclass(frozen=True, eq=False)
class LBFGSMemory:
    """The pairs, newest first, their scale gamma, (1,), and the point before."""

    pairs: tuple[Pair, ...]
    gamma: OrtValue
    previous: Point | None

    @property
    def fresh(self) -> bool:
        """See Memory."""
        return not self.pairs


def preconditioner(device: Device, settings: Settings) -> dict[str, OrtValue]:
    """What the graphs take of the settings."""
    return {
        "preconditioner": device.upload(np.array(settings.preconditioner_pyramid, np.float32)),
        "channels": device.upload(np.array([settings.preconditioner_channels], np.float32)),
    }


class LBFGS:
    """Handles move from place to place in the memory; nothing is copied."""

    tolerance: float = 0.1
    points: int = 2

    def __init__(
        self,
        graphs: AnyGraphs,
        settings: Settings,
        history: int,
        shape: tuple[int, int, int, int],
    ) -> None:
        optimizers = graphs.bundle.manifest.optimizers
        self._graph = graphs.get(optimizers.lbfgs, *shape[2:])
        self._older = optimizers.history_size - 1
        self._kept = min(history, optimizers.history_size) - 1
        upload = self._upload = graphs.device.upload
        self._weights = preconditioner(graphs.device, settings)
        blank, self._zero = upload(np.zeros(shape, np.float32)), upload(np.zeros(1, np.float32))
        self._no_pair: Pair = (blank, blank, self._zero)

    def start(self) -> LBFGSMemory:
        """See Optimizer."""
        return LBFGSMemory((), self._zero, None)

    def propose(
        self, memory: LBFGSMemory, point: Point, step: float, into: OrtValue
    ) -> dict[str, OrtValue]:
        """See Optimizer."""
        previous = memory.previous or point
        inputs = {
            "image": point.image,
            "gradient": point.gradient,
            "previous_image": previous.image,
            "previous_gradient": previous.gradient,
            "step": self._upload(np.array([step], np.float32)),
            **self._weights,
            "gamma": memory.gamma,
        }
        missing = self._older - len(memory.pairs)
        for i, pair in enumerate((*memory.pairs, *[self._no_pair] * missing), start=1):
            inputs |= zip((f"s_{i}", f"y_{i}", f"rho_{i}"), pair, strict=True)
        return self._graph.run(inputs, into={"next_image": into})

    def accept(
        self, memory: LBFGSMemory, point: Point, proposal: Mapping[str, OrtValue]
    ) -> LBFGSMemory:
        """See Optimizer."""
        pairs = memory.pairs
        pair = proposal["s"], proposal["y"], proposal["rho"]
        if pair[2].numpy()[0] > 0:  # else it failed the curvature test
            pairs = (pair, *pairs)[: self._kept]
        return LBFGSMemory(pairs, proposal["next_gamma"], point)

    def pack(self, memory: LBFGSMemory) -> dict[str, NDArray[np.float32]]:
        """See Optimizer."""
        arrays = {"gamma": memory.gamma.numpy()}
        for i, (s, y, rho) in enumerate(memory.pairs, start=1):
            arrays |= {f"s_{i}": s.numpy(), f"y_{i}": y.numpy(), f"rho_{i}": rho.numpy()}
        return arrays

    def unpack(
        self, arrays: Mapping[str, NDArray[np.float32]], previous: Point | None
    ) -> LBFGSMemory:
        """See Optimizer."""
        values = {name: self._upload(array) for name, array in arrays.items()}
        count = len(values) // 3
        pairs = tuple(
            (values[f"s_{i}"], values[f"y_{i}"], values[f"rho_{i}"]) for i in range(1, count + 1)
        )
        return LBFGSMemory(pairs, values["gamma"], previous)
