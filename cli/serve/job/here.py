"""What decides the last bits of a picture, beside its settings: where it is painted."""

from __future__ import annotations

import functools
import hashlib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impasto.runtime import Engine


def here(engine: Engine) -> dict[str, str]:
    """Processor, versions, threads and convolutions, in words."""
    machine = engine.machine
    return {
        **_versions(),
        "device": engine.device,
        "threads": str(machine.threads),
        "convolutions": str(machine.convolutions),
    }


def bundle_digest(engine: Engine) -> str:
    """SHA-256 of the bundle's manifest, which has those of its files."""
    return hashlib.sha256((Path(engine.model) / "manifest.json").read_bytes()).hexdigest()


@functools.cache
def _versions() -> dict[str, str]:
    from impasto.runtime import examine_installation

    found = examine_installation()
    builds = {name: str(version) for name, version in found.builds.items()}
    return {
        "processor": found.processor.rpartition(",")[0],
        "numpy": metadata.version("numpy"),
    } | builds
