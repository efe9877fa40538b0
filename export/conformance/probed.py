"""An objective of the probes, computed by PyTorch in a precision: eagerly, with autograd."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.export.objective.encoder import Encoder
from impasto.export.objective.objective import ALL, DESCRIBED, Describe, Objective
from impasto.export.objective.terms import Term
from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.bundle.shapes import Pair
from impasto.runtime.conformance import probes
from impasto.runtime.conformance.probes import CONTENT, STREAMS, STYLE, sketch
from impasto.runtime.objective.factors import with_factors
from impasto.runtime.objective.objective import MASKS


@contextmanager
def precision(kind: torch.dtype) -> Iterator[None]:
    """A head may make tensors of its own: of the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@dataclass
class Probed:
    """An objective with one pooling, at a size, in the default precision."""

    manifest: Manifest
    encoder: Encoder
    name: str
    pooling: str
    terms: Sequence[Term]
    size: Pair

    def __post_init__(self) -> None:
        self.objective = _copied(Objective(self.encoder, self.terms, self.pooling))
        self.describe = Describe(self.objective)

    def maps(self, seed: int | None) -> dict[str, torch.Tensor]:
        """Regions and given maps: noise, or what stands for none."""
        noise = probes.probe_maps(self.manifest, self.name, self.size, seed or 0)
        if seed is not None:
            return {name: tensor(array) for name, array in noise.items()}
        regions = {
            value.name
            for term in self.manifest.objectives[self.name].terms
            for value in term.inputs
            if value.source in MASKS
        }
        return {
            name: torch.full(array.shape, float(name in regions)) for name, array in noise.items()
        }

    def picture(self, seed: int, stream: int) -> torch.Tensor:
        """A probe."""
        return tensor(probes.picture(self.manifest.canvas, self.size, seed * STREAMS + stream))

    def inputs(self, seed: int, maps: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """All terms' inputs, in the order in which the objective takes them."""
        content, style = (
            self._described(self.picture(seed, stream), maps) for stream in (CONTENT, STYLE)
        )
        described = {"content": content, "style": style, "style_map": style}
        entries = self.manifest.objectives[self.name].terms
        arrays = {name: array.numpy() for name, array in style.items()}
        factors = {name: tensor(array) for name, array in with_factors(entries, arrays).items()}
        described["style_factor"] = factors
        return {
            value.name: described.get(value.source, maps)[value.name]
            for term in self.terms
            for value in term.inputs(ALL).values()
        }

    def _described(
        self, image: torch.Tensor, maps: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        taken = [v.name for term in self.terms for v in term.described_with().values()]
        names = [v.name for term in self.terms for v in term.inputs(DESCRIBED).values()]
        with torch.no_grad():
            found = self.describe(image, *(maps[name] for name in taken))
        return dict(zip(names, found, strict=True))

    def evaluate(
        self, image: torch.Tensor, weights: Sequence[float], inputs: Mapping[str, torch.Tensor]
    ) -> tuple[float, torch.Tensor, torch.Tensor]:
        """Loss, terms, gradient."""
        image = image.detach().requires_grad_()
        loss, terms = self.objective(image, torch.tensor(weights), *inputs.values())
        (gradient,) = torch.autograd.grad(loss, image)
        return loss.item(), terms, gradient


def _copied(objective: Objective) -> Objective:
    """In the default precision; the encoder's own weights stay as they are."""
    return copy.deepcopy(objective).to(torch.get_default_dtype())


def tensor(array: NDArray[Any]) -> torch.Tensor:
    """In the default precision."""
    return torch.from_numpy(np.asarray(array)).to(torch.get_default_dtype())


def told(tensor: torch.Tensor) -> tuple[float, ...]:
    """A tensor's sketch."""
    return tuple(sketch(tensor.detach().numpy()))
