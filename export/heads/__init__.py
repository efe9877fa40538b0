"""Loss heads: what a term of the objective measures, and how; a module for each kind."""

from .content import Content
from .gram import Style
from .head import Head, masked
from .laplacian import Laplacian
from .moments import Moments
from .total_variation import NinePoint, TotalVariation
from .wasserstein import Wasserstein

__all__ = [
    "Content",
    "Head",
    "Laplacian",
    "Moments",
    "NinePoint",
    "Style",
    "TotalVariation",
    "Wasserstein",
    "masked",
]
