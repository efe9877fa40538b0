"""`python tests/data/make.py NAME...`: export the bundles that tests read anew."""

from __future__ import annotations

import sys
from pathlib import Path

from impasto.export import (
    Canvas,
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
from impasto.export.audio import Sound
from impasto.export.audio.encoder import he
from impasto.export.heads import NinePoint
from impasto.runtime.bundle.manifest import Spectrogram

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


class Hum(Sound):
    """The shipped encoder of sounds, small: 64 bins, 96 filters."""

    spectrogram = Spectrogram(rate=4000, window=128, hop=32)
    canvas = Canvas(channels=64, low=0.0, high=1.0)
    random = he(spectrogram, 96, 7)


def make(name: str, folder: Path, encoder: Encoder) -> None:
    """The bundle of a name, in a folder; ``encoder`` is Hum, or Plain of tests/export/own.py."""
    export_bundle(folder, encoder, RECIPES[name], overwrite=True)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent / "export"))
    from own import Plain

    for chosen in sys.argv[1:] or RECIPES:
        make(chosen, HERE / chosen, Hum() if chosen == "hum" else Plain())
