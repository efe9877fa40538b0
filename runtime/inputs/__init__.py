"""What a run is given: sources, and the pictures in them."""

from .inputs import Inputs
from .pictures import Pictures, of_plan
from .regions import Region
from .words import make_regions, region_files

__all__ = ["Inputs", "Pictures", "Region", "make_regions", "of_plan", "region_files"]
