"""`make bench`: what a step costs and where, against PyTorch and pastiche. Reports; never a test.

Without names it makes the tables that take minutes; `growth` and `quality` take longer.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import machine
import torch
from settings import Settings

from impasto.runtime import DeviceError, Engine

TABLES = {
    "steps": "steps",
    "profile": "operators",
    "start": "start",
    "service": "service",
    "batch": "batch",
    "memory": "memory",
    "losses": "losses",
    "variants": "variants",
    "growth": "growth",
    "quality": "quality",
}
"""Names and modules."""
USUAL = ("steps", "profile", "start", "memory")


def main() -> None:
    """Print tables in Markdown, such as docs/performance.md has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(TABLES)} or all")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--small", action="store_true", help="tiny pictures, to see that it works")
    parser.add_argument(
        "--pastiche",
        type=Path,
        metavar="DIR",
        help="for quality: NAME-content.png, NAME-style.png, NAME-pastiche.png and NAME.log",
    )
    given = parser.parse_args()
    names = list(TABLES) if given.tables == ["all"] else given.tables or USUAL
    if unknown := set(names) - set(TABLES):
        parser.error(f"no table {unknown.pop()!r}: there are {', '.join(TABLES)} and all")
    settings = Settings(given.device, given.small, given.pastiche)
    _check_device(settings)
    print(machine.describe(settings.on_gpu), end="\n\n", flush=True)
    for name in names:
        importlib.import_module(TABLES[name]).report(settings)


def _check_device(settings: Settings) -> None:
    """End with a sentence if something cannot be had."""
    try:
        Engine.load("vgg19", device=settings.device)
    except DeviceError as error:
        sys.exit(f"bench: {error}")
    if settings.on_gpu and not torch.cuda.is_available():
        sys.exit("bench: PyTorch sees no GPU: install a build of it with CUDA")


if __name__ == "__main__":
    main()
