"""Sources: where the inputs of terms come from."""

from __future__ import annotations

from typing import Literal

Source = Literal[
    "content", "style", "style_factor", "style_map", "matched", "region", "regions", "given"
]
"""Where an input of a term comes from.

- ``content``: the content's features at the term's layer.
- ``style``: the means of the head's statistics of the style.
- ``style_factor``: what is made of the term's ``style`` input when targets are set. That is of raw
  moments, (R, n, C): C rows of means of F F^T, one of means of F, and any others. The factor is V,
  (R, C, K), with V V^T the K largest eigenvalues, and their vectors, of the covariance.
- ``style_map``: the features at the layer of the style, fitted to the canvas's size.
- ``matched``: features of the style: at each position those that the image's resemble most, found
  when a scale starts and once within.
- ``region``: a (1, 1, h, w) mask in [0, 1], at the layer's resolution.
- ``regions``: (regions, 1, h, w) weights of the positions, of mean 1 for each region.
- ``given``: any map at the layer's resolution that the caller brings.
"""
MAPS: tuple[Source, ...] = ("content", "style_map", "matched", "region", "regions", "given")
"""Sources of maps: a tile takes its window of them."""
OWN: tuple[Source, ...] = ("region", "regions", "given")
"""Sources of maps that no picture's features are."""
TARGETS: tuple[Source, ...] = ("style", "style_factor")
"""Sources of what the loss of the statistics takes."""
