"""What decides the last bits of a picture, beside its settings: where it is painted."""

from __future__ import annotations

import functools
from importlib import metadata
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


@functools.cache
def _versions() -> dict[str, str]:
    from impasto.runtime import examine_installation

    found = examine_installation()
    builds = {name: str(version) for name, version in found.builds.items()}
    return {
        "processor": found.processor.rpartition(",")[0],
        "numpy": metadata.version("numpy"),
    } | builds
