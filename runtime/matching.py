"""Neighbours: where, of a style's positions, the one is that a position of an image resembles most.

Products of all positions of an image with all of a style's would not fit into memory at once: they
are made part by part, and of a large style only every second position (or third ...) is a
candidate.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .graphs.pool import AnyGraphs

Tensor = NDArray[np.float32]
Matches = Mapping[str, Tensor]
"""Places among the candidates, (h w,), by ``INPUT.STYLE``: whole numbers."""
SCORES = 1 << 24
"""Products that are in memory at once."""
CANDIDATES = 1 << 14
"""Of a style, at most. Two that lie side by side are nearly the same."""


def candidates(features: Tensor) -> Tensor:
    """(C, N), of (1, C, h, w) features of a style: each as far from its neighbours."""
    step = 1
    while -(-features.shape[2] // step) * -(-features.shape[3] // step) > CANDIDATES:
        step += 1
    kept = features[0, :, ::step, ::step]
    return np.ascontiguousarray(kept.reshape(kept.shape[0], -1), np.float32)


def nearest(graphs: AnyGraphs, file: str, features: Tensor, style: Tensor) -> Tensor:
    """(h w,), the places of the neighbours of (1, C, h, w) features in a style's.

    ``file`` is the graph for their layer.
    """
    queries, known = features.reshape(features.shape[1], -1), candidates(style)
    count, places = queries.shape[1], known.shape[1]
    part = min(count, max(1, SCORES // places))
    graph, upload = graphs.get(file, part, places), graphs.device.upload
    fixed = {
        "candidates": upload(known),
        "query_mean": upload(_mean(queries)),
        "candidate_mean": upload(_mean(known)),
    }
    found = np.empty(count, np.float32)
    for start in range(0, count, part):
        at = slice(min(start, count - part), min(start, count - part) + part)
        own = {"queries": upload(np.ascontiguousarray(queries[:, at])), **fixed}
        out = graph.run(own, to_host=("index",), termination=graphs.termination)
        found[at] = out["index"].numpy()
    return found


def taken(style: Tensor, places: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A (1, C, h, w) map of the style's features at these places."""
    chosen: Tensor = candidates(style)[:, places.astype(np.int64)].reshape(shape)
    return chosen


def _mean(features: Tensor) -> Tensor:
    mean: Tensor = features.mean(1, keepdims=True, dtype=np.float64).astype(np.float32)
    return mean
