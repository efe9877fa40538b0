"""The standard operators that a bundle may have: shapes, numbers and work of what they give."""

from .numbers import outputs_of, stored
from .products import work
from .values import RULES, Call, Shape, Value

__all__ = ["RULES", "Call", "Shape", "Value", "outputs_of", "stored", "work"]
