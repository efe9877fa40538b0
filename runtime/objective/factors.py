"""What is made of a style's means when targets are set: the source ``style_factor``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.bundle.manifest import Term


def with_factors(
    terms: Sequence[Term], targets: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Targets, and the factors of those styles that are among them.

    Of blended styles these are the factors of the blend, whose moments are sums of the styles'.
    """
    found = dict(targets)
    for term in terms:
        moments = next((i.name for i in term.inputs if i.source == "style"), "")
        for value in term.inputs:
            if value.source == "style_factor" and moments in targets:
                rank = value.shape[-1]
                assert isinstance(rank, int)
                found[value.name] = factor(targets[moments], rank)
    return found


def factor(moments: NDArray[Any], rank: int) -> NDArray[Any]:
    """(R, C, K), of the moments' type: V with V V^T the K largest parts of the covariance.

    ``moments`` are (R, n, C): C rows of means of F F^T, one of means of F, and any others.
    """
    channels, exact = moments.shape[-1], moments.astype(np.float64)
    mean = exact[:, channels]
    values, vectors = np.linalg.eigh(exact[:, :channels] - mean[:, :, None] * mean[:, None])
    largest = np.sqrt(values[:, None, -rank:].clip(min=0))
    made: NDArray[Any] = (vectors[:, :, -rank:] * largest).astype(moments.dtype)
    return made
