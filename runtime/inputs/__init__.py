"""What a run is given: sources, and the pictures in them."""

from .inputs import Inputs
from .pictures import Pictures, of_plan

__all__ = ["Inputs", "Pictures", "of_plan"]
