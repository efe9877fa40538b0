"""What a run is given: sources, and the pictures in them."""

from .inputs import Inputs
from .pictures import Pictures, of_plan
from .regions import Region

__all__ = ["Inputs", "Pictures", "Region", "of_plan"]
