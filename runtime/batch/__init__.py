"""Folders of pictures: rows, processes that paint them, and an index of what is painted."""

from .batch import Batch, OnError, shard_name
from .expand import make_rows
from .rows import Row
from .storage import picture_files
from .workers.painter import Outcome, Painter, Setup

__all__ = [
    "Batch",
    "OnError",
    "Outcome",
    "Painter",
    "Row",
    "Setup",
    "make_rows",
    "picture_files",
    "shard_name",
]
