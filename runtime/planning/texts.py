"""What an output file says of its making: no date, no time, no path.

The same run gives the same file, byte for byte.
"""

from __future__ import annotations

import dataclasses
import json
import os
from importlib import metadata

from impasto.runtime.planning.plan import Plan, Scale


def texts(plan: Plan, model: str, iterations: int, stopped: str) -> dict[str, str]:
    """Every field of Settings as it was planned for the finest scale, then scales and outcome.

    ``settings`` is the whole as JSON, as the user gave it: ``Settings.from_json`` reads it.
    """
    finest, settings = plan.scales[-1], plan.settings
    planned = {
        "optimizer": finest.optimizer,
        "history_size": finest.history,
        "iterations": finest.iterations,
    }
    fields = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)} | planned
    return {
        "Software": f"impasto {metadata.version('impasto')}",
        "model": os.path.basename(model),
        **{name: _text(value) for name, value in fields.items()},
        "scales": "; ".join(map(_scale, plan.scales)),
        "done": f"{iterations} iterations, {stopped}",
        "settings": settings.to_json(),
    }


def _scale(scale: Scale) -> str:
    height, width = scale.size
    tiles = " in tiles" if scale.tile_pixels else ""
    history = f" {scale.history}" if scale.history else ""
    return f"{width} x {height}: {scale.iterations} {scale.optimizer}{history}{tiles}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
