"""The objective of a whole image at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from impasto.runtime.bundle.shapes import fix
from impasto.runtime.bundle.sources import MAPS, OWN, TARGETS, Source
from impasto.runtime.graphs.session import Graph

from .factors import with_factors
from .objective import Objective, Point, Slot, Targets, Tensor


class Whole(Objective):
    """One call of the step graph."""

    def describe(
        self, image: Tensor, source: Source, maps: Targets | None = None
    ) -> dict[str, Tensor]:
        """See Objective."""
        names, upload = self._names(source), self._graphs.device.upload
        if not names:
            return {}
        graph = self._graphs.get(self._files.describe, *self._size, self._regions)
        complete = self._complete(maps or {}, *OWN)
        needed = self._manifest.signatures[self._files.describe].inputs
        inputs = {"image": image} | {k: v for k, v in complete.items() if k in needed}
        found = graph.run(
            {k: upload(v) for k, v in inputs.items()}, to_host=names, termination=self._termination
        )
        return {name: np.array(found[name].numpy()) for name in names}  # a view keeps all memory

    def set_targets(self, targets: Targets, weights: Sequence[float]) -> None:
        """See Objective."""
        self._checked(targets)
        upload, targets = self._graphs.device.upload, with_factors(self._entry.terms, targets)
        complete = self._complete(targets, *MAPS, *TARGETS)
        self._given = {name: upload(target) for name, target in complete.items()}
        self._given["weights"] = upload(np.array(weights, np.float32))
        self._step = self._opened()
        outputs = self._manifest.signatures[self._files.step].outputs
        self._figures = {
            name: self._graphs.device.empty(*fix(outputs[name], *self._size))
            for name in ("loss", "terms")
        }

    def _opened(self) -> Graph:
        if self._graphs.device.captures:
            return self._graphs.open(self._files.step, *self._size, self._regions, captured=True)
        return self._graphs.get(self._files.step, *self._size, self._regions)

    def evaluate(self, slot: Slot) -> Point:
        """See Objective."""
        inputs = {"image": slot.image, **self._given}
        outputs = {"gradient": slot.gradient, **self._figures}
        self._step.run(inputs, into=outputs, slot=slot.number, termination=self._termination)
        return Point.of(slot, self._figures)
