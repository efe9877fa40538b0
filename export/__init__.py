"""Impasto's exporter, for a box that has PyTorch: VGG19, losses and their gradient to ONNX graphs.

from impasto.export import Recipe, export_bundle, load_weights

export_bundle("my-bundle", load_weights("shipped"), Recipe(content_layers=["conv3_2"]))
"""

from .bundle import Recipe, export_bundle
from .heads import Content, Head, Style, TotalVariation, masked
from .verify import Figure
from .weights import load as load_weights

__all__ = [
    "Content",
    "Figure",
    "Head",
    "Recipe",
    "Style",
    "TotalVariation",
    "export_bundle",
    "load_weights",
    "masked",
]
