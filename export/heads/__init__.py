"""Loss heads: what a term of the objective measures, and how; a module for each kind."""

from .content import Content
from .gram import Style
from .head import Head, masked
from .laplacian import Laplacian
from .moments import Moments
from .neighbours import Neighbours
from .temporal import Temporal
from .total_variation import NinePoint, TotalVariation
from .wasserstein import Wasserstein

BY_NAME: dict[str, type[Head]] = {
    head.name: head
    for head in (
        Content,
        Style,
        TotalVariation,
        NinePoint,
        Moments,
        Wasserstein,
        Laplacian,
        Neighbours,
        Temporal,
    )
}
"""The heads that are here."""

__all__ = [
    "BY_NAME",
    "Content",
    "Head",
    "Laplacian",
    "Moments",
    "Neighbours",
    "NinePoint",
    "Style",
    "Temporal",
    "TotalVariation",
    "Wasserstein",
    "masked",
]
