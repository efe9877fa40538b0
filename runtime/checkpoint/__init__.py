"""Checkpoints: a run in one file, with all that it needs to go on."""

from .file import (
    DIGEST,
    FORMAT,
    MAGIC,
    About,
    Checkpoint,
    CheckpointHeader,
    load,
    read_checkpoint,
    read_header,
    save,
)
from .packing import unpack

__all__ = [
    "DIGEST",
    "FORMAT",
    "MAGIC",
    "About",
    "Checkpoint",
    "CheckpointHeader",
    "load",
    "read_checkpoint",
    "read_header",
    "save",
    "unpack",
]
