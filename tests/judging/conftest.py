"""The judge is scripts in a folder of their own, which is where they find one another."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "benchmarks" / "judging"))
