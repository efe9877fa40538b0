"""The presets that every bundle carries: settings of the field's well-known implementations."""

from __future__ import annotations

import dataclasses

from impasto.runtime.bundle.manifest import Preset

GATYS2016 = Preset(
    about="Gatys, Ecker & Bethge 2016: the paper's layers and pooling, content : style 1e-3",
    pooling="avg",
    weights={"content": 1.0, "style": 1000.0, "tv": 0.0},
    optimizer="lbfgs",
    rate=0.02,
    pyramid=(3.0, 9.0, 27.0, 81.0),
    colour=0.35,
    size=512,
    coarsest=64,
    iterations=(20, 40, 40, 50, 25, 12, 8),
)

NEURAL_STYLE = dataclasses.replace(
    GATYS2016,
    about="neural-style's balance: max pooling, content 5, style 100, total variation 1e-3",
    pooling="max",
    weights={"content": 5.0, "style": 100.0, "tv": 0.001},
)

PASTICHE = dataclasses.replace(
    GATYS2016,
    about="pastiche's balance: max pooling, content 0.01, style 10",
    pooling="max",
    weights={"content": 0.01, "style": 10.0, "tv": 0.0},
)

PRESETS = {"gatys2016": GATYS2016, "neural-style": NEURAL_STYLE, "pastiche": PASTICHE}
