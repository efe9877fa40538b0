"""Impasto's exporter, for a box that has PyTorch: encoder, losses and gradient to ONNX graphs.

from impasto.export import VGG19, Recipe, export_bundle, load_weights

export_bundle("my-bundle", VGG19(load_weights("shipped")), Recipe(content_layers=["conv3_2"]))
"""

from impasto.runtime.bundle.manifest import Canvas

from .bundle import export_bundle
from .heads import (
    Content,
    Head,
    Laplacian,
    Moments,
    Neighbours,
    NinePoint,
    Style,
    Temporal,
    TotalVariation,
    Wasserstein,
    masked,
)
from .objective.encoder import Encoder
from .presets import OBJECTIVES
from .recipe import Layers, Recipe
from .verify import Figure
from .vgg19.encoder import VGG19
from .vgg19.weights import load as load_weights

__all__ = [
    "OBJECTIVES",
    "VGG19",
    "Canvas",
    "Content",
    "Encoder",
    "Figure",
    "Head",
    "Laplacian",
    "Layers",
    "Moments",
    "Neighbours",
    "NinePoint",
    "Recipe",
    "Style",
    "Temporal",
    "TotalVariation",
    "Wasserstein",
    "export_bundle",
    "load_weights",
    "masked",
]
