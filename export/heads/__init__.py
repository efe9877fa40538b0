"""Loss heads: what a term of the objective measures, and how; a module for each kind."""

from .content import Content
from .gram import Style
from .head import Head, masked
from .total_variation import TotalVariation

__all__ = ["Content", "Head", "Style", "TotalVariation", "masked"]
