"""The optimisers' state, kept on the device beside the image. Their arithmetic is in the graphs."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .manifest import Preset
from .session import Graphs, Value


class Optimiser(Protocol):
    """``propose`` is pure; ``accept`` makes its last proposal's state the next one's."""

    tolerance: float
    """The loss may grow by this factor in a step."""

    def propose(self, image: Value, gradient: Value, step: float) -> Value:
        """The next image; ``step`` scales the update."""

    def accept(self, image: Value, gradient: Value) -> None:
        """The proposal from this image and gradient was taken."""

    def restart(self) -> bool:
        """Forget the history; False if there was none."""


class Adam:
    """First moments, second moments and a count."""

    tolerance = 10.0

    def __init__(self, graphs: Graphs, preset: Preset, height: int, width: int) -> None:
        self._graph = graphs.get(graphs.bundle.manifest.optimisers.adam, height, width)
        self._device = graphs.device
        self._rate = preset.rate
        self._shape = (1, 3, height, width)
        self.restart()

    def propose(self, image: Value, gradient: Value, step: float) -> Value:
        rate = self._device.upload(np.array([step * self._rate], np.float32))
        self._proposal = self._graph.run(
            {"image": image, "gradient": gradient, "rate": rate, **self._state}
        )
        return self._proposal["next_image"]

    def accept(self, image: Value, gradient: Value) -> None:
        self._state = {name: self._proposal[f"next_{name}"] for name in ("count", "mean", "square")}

    def restart(self) -> bool:
        zeros = np.zeros(self._shape, np.float32)
        fresh = not hasattr(self, "_proposal")
        self._state = {
            "count": self._device.upload(np.zeros(1, np.float32)),
            "mean": self._device.upload(zeros),
            "square": self._device.upload(zeros),
        }
        return not fresh


class LBFGS:
    """The pairs (s, y, rho), newest first, and what the next pair is made from.

    Handles move from place to place; nothing is copied.
    """

    tolerance = 1.5

    def __init__(self, graphs: Graphs, preset: Preset, height: int, width: int) -> None:
        optimisers = graphs.bundle.manifest.optimisers
        self._graph = graphs.get(optimisers.lbfgs, height, width)
        self._older = optimisers.history_size - 1
        upload = graphs.device.upload
        self._upload = upload
        self._pyramid = upload(np.array(preset.pyramid, np.float32))
        blank, zero = upload(np.zeros((1, 3, height, width), np.float32)), upload(np.zeros(1))
        self._none = (blank, blank, zero)
        self._zero = zero
        self.restart()

    def propose(self, image: Value, gradient: Value, step: float) -> Value:
        previous = self._previous or (image, gradient)
        inputs = {
            "image": image,
            "gradient": gradient,
            "previous_image": previous[0],
            "previous_gradient": previous[1],
            "step": self._upload(np.array([step], np.float32)),
            "pyramid": self._pyramid,
            "gamma": self._gamma,
        }
        for i in range(1, self._older + 1):
            pair = self._pairs[i - 1] if i <= len(self._pairs) else self._none
            inputs |= zip((f"s_{i}", f"y_{i}", f"rho_{i}"), pair, strict=True)
        self._proposal = self._graph.run(inputs)
        return self._proposal["next_image"]

    def accept(self, image: Value, gradient: Value) -> None:
        pair = tuple(self._proposal[name] for name in ("s", "y", "rho"))
        if pair[2].numpy()[0] > 0:  # else it failed the curvature test
            self._pairs = [pair, *self._pairs][: self._older]
        self._gamma = self._proposal["next_gamma"]
        self._previous = (image, gradient)

    def restart(self) -> bool:
        had = bool(getattr(self, "_pairs", ()))
        self._pairs: list[tuple[Value, ...]] = []
        self._gamma = self._zero
        self._previous: tuple[Value, Value] | None = None
        return had


def make_optimiser(graphs: Graphs, preset: Preset, height: int, width: int) -> Optimiser:
    """The preset's optimiser at a size."""
    kind = LBFGS if preset.optimizer == "lbfgs" else Adam
    return kind(graphs, preset, height, width)
