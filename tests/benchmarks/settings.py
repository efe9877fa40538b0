"""What all tables are told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTORCH, IMPASTO = "PyTorch eager", "impasto"


@dataclass(frozen=True)
class Settings:
    """``small``: sizes that show that a table can be made, and no more.

    ``pastiche``: a folder with pictures that pastiche has painted already.
    """

    device: str
    small: bool
    pastiche: Path | None

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device != "cpu"
