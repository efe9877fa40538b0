"""The presets that every bundle carries, and the objectives that they ask for.

A peer's preset has that system's objective, on the weights that ship here: its layers, weights,
pooling and first image. Its iterations are ours: scales from coarse to fine, and L-BFGS but where
the peer has Adam. Terms are in our units: sums over C^2 or C, means over positions (``heads``). So
where a peer sums over the picture, its weight is the one at 512 x 384 pixels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from impasto.runtime.bundle.manifest import Preset

from .heads import (
    Content,
    Laplacian,
    Moments,
    NinePoint,
    Style,
    Temporal,
    TotalVariation,
    Wasserstein,
)
from .recipe import Layers

FIVE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
OBJECTIVES: dict[str, Layers] = {
    "gatys-conv4": Layers(("conv4_2",), FIVE[:4]),
    "faithful": Layers(
        ("conv3_2", "conv4_2"),
        FIVE[:4],
        (Content(), Style(), TotalVariation(), Laplacian()),
        ("avg",),
    ),
    "spst": Layers(("conv4_2",), FIVE, (Content(), Style(), Moments()), ("max",)),
    "crowsonkb": Layers(("conv4_2",), FIVE, (Content(), Wasserstein(), NinePoint()), ("max",)),
    "video": Layers(
        ("conv4_2",), FIVE[:4], (Content(), Style(), TotalVariation(), Temporal()), ("avg",)
    ),
}
"""What presets ask for beside the default objective, gatys; ``video`` is gatys-conv4 for frames."""

PIXELS = 512 * 384
"""Of the picture that a weight is for where a peer sums over all of it."""
UNIT = 255 * 0.226
"""Of a network that takes 0 to 255, in those of one that takes deviations of ImageNet's: what lies
between the shipped weights' features and torchvision's, as far as both are linear."""
SHARES = {f"wasserstein.{layer}": 4 ** (4 - k) / 341 for k, layer in enumerate(FIVE)}

GATYS: dict[str, Any] = {
    "objective": "gatys",
    "pooling": "avg",
    "content_weight": 1.0,
    "style_weight": 1000.0,
    "tv_weight": 0.0,
    "optimizer": "lbfgs",
    "learning_rate": 0.02,
    "preconditioner_pyramid": [3.0, 9.0, 27.0, 81.0],  # goes on so where there are more levels
    "preconditioner_channels": 0.35,
    "size": 512,
    "min_size": 64,
    "schedule": [20, 40, 40, 50, 25, 12, 8],
}
PAINT = {
    "objective": "gatys-conv4",
    "content_weight": 2.0,
    "init": "style",
    "schedule": [20, 40, 40, 32, 25, 12, 8],
}
BOLD = PAINT | {"pooling": "max", "content_weight": 4.0}
FAITHFUL = PAINT | {
    "objective": "faithful",
    "content_weight": 8.0,
    "weights": {"content.conv3_2": 2.0, "laplacian": 60.0},
}
NEURAL_STYLE = {
    "pooling": "max",
    "init": "gray",
    "content_weight": 5.0,
    "style_weight": 100.0,
    "tv_weight": 0.001 / 2 * 3 * PIXELS,
}
SPST = {"objective": "spst", "pooling": "max", "weights": {"moments": 1e4}}
CROWSONKB = {
    "objective": "crowsonkb",
    "pooling": "max",
    "content_weight": 0.015,  # times UNIT^2, as all the others
    "weights": {**SHARES, "tv9": 2 * UNIT**2},
    "optimizer": "adam",
    "betas": [0.9, 0.99],
    "averaging": 0.99,
    "min_size": 128,
    "schedule": [500, 300, 200, 100],
}
ANISHATHALYE = {
    "pooling": "max",
    "init": "gray",
    "content_weight": 5.0,
    "style_weight": 100.0,
    "tv_weight": 100.0,
    "optimizer": "adam",
    "learning_rate": 10 / 255,
    "schedule": [300, 300, 200, 200],
}
PASTICHE = {"pooling": "max", "content_weight": 0.01, "style_weight": 10.0}

PRESETS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "paint": (
        "The default: clear pictures, in the style's colors from the first iteration on",
        PAINT,
    ),
    "bold": ("The strong one: max pooling, broader shapes, less of the photograph", BOLD),
    "gatys2016": (
        "Gatys, Ecker & Bethge 2016: the paper's layers and pooling, from white noise",
        {"init": "noise"},
    ),
    "faithful": (
        "The photograph first: its edges are kept, for faces and architecture",
        FAITHFUL,
    ),
    "gatys-pytorch": (
        "The authors' code of 2018: max pooling, content 1, style 1000, from the photograph",
        {"pooling": "max"},
    ),
    "neural-style": (
        "jcjohnson's: max pooling, content 5, style 100, total variation 1e-3, from gray",
        NEURAL_STYLE,
    ),
    "pastiche": ("pastiche's balance: max pooling, content 0.01, style 10", PASTICHE),
    "crowsonkb": (
        "style-transfer-pytorch's: Wasserstein distances, most of the finest layer; Adam's average",
        CROWSONKB,
    ),
    "anishathalye": (
        "anishathalye's: content 5, style 500, total variation 100, Adam, from gray",
        ANISHATHALYE,
    ),
    "spst": (
        "Scaling Painting Style Transfer: Gram matrices, means and deviations, max pooling",
        SPST,
    ),
}


def presets_of(
    poolings: Mapping[str, Collection[str]], levels: int, is_rgb: bool
) -> dict[str, Preset]:
    """Those of a bundle that has poolings by objective, and a preconditioner of so many levels.

    One that names an objective or a pooling that the bundle lacks gets the first, but where it
    weighs terms by name: then it is left out. Without RGB there are no colors to begin with.
    """
    found = {}
    for name, (about, own) in PRESETS.items():
        settings = GATYS | own
        if settings["objective"] not in poolings:
            if "weights" in settings:
                continue
            settings["objective"] = next(iter(poolings))
        known = poolings[settings["objective"]]
        if settings["pooling"] not in known:
            settings["pooling"] = next(iter(known))
        if settings.get("init") == "style" and not is_rgb:
            del settings["init"]
        settings["preconditioner_pyramid"] = [3.0 ** (k + 1) for k in range(levels)]
        found[name] = Preset(about=about, settings=settings)
    return found
