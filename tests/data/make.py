"""`python tests/data/make.py NAME...`: export the bundles that tests read anew."""

from __future__ import annotations

import sys
from pathlib import Path

from impasto.export import (
    Content,
    Encoder,
    Laplacian,
    Layers,
    Moments,
    Neighbours,
    Recipe,
    Style,
    Temporal,
    TotalVariation,
    Wasserstein,
    export_bundle,
)
from impasto.export.heads import NinePoint

HERE = Path(__file__).parent
LOSSES = (Moments(), Wasserstein(), Laplacian(), NinePoint(), Neighbours(["first"]))
FOLLOWING = Layers(
    ["second"], ["first", "second"], (Content(), Style(), TotalVariation(), Temporal())
)
RECIPES = {
    "plain": Recipe(["second"], ["first", "second"]),
    "guided": Recipe(["second"], ["first", "second"], history_size=3, regions=["gatys"]),
    "losses": Recipe([], ["second"], LOSSES, None, 2, "losses", regions=["losses"]),
    "moving": Recipe(
        ["second"], ["first", "second"], history_size=3, objectives={"video": FOLLOWING}
    ),
    "hum": Recipe(["filters"], ["filters"], history_size=4),
}


def make(name: str, folder: Path, encoder: Encoder) -> None:
    """The bundle of a name, in a folder; ``encoder`` is Plain or Hum of tests/export/own.py."""
    export_bundle(folder, encoder, RECIPES[name], overwrite=True)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent / "export"))
    from own import Hum, Plain

    for chosen in sys.argv[1:] or RECIPES:
        make(chosen, HERE / chosen, Hum() if chosen == "hum" else Plain())
