"""What ``impasto presets`` prints: the presets of a bundle, each in a few lines."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument

from impasto.cli.console import print_json
from impasto.cli.options import Json

from .report import text_of

if TYPE_CHECKING:
    from impasto.runtime import Manifest

WIDTH = 100
SHOWN = ("content_weight", "style_weight", "tv_weight", "weights", "init", "optimizer")
"""Settings that make the look of a preset, but for its objective."""


def presets(
    model: Annotated[
        str | None, Argument(help="A bundle; default: $IMPASTO_MODEL, else VGG19.")
    ] = None,
    json: Json = False,
) -> None:
    """List the presets, the default first: what each is for, and what it compares."""
    from impasto.runtime import read_manifest

    manifest = read_manifest(model)
    if json:
        for name, preset in manifest.presets.items():
            print_json({"preset": name, **dataclasses.asdict(preset)})
        return
    for name in manifest.presets:
        for line in _explained(manifest, name):
            print(textwrap.fill(line, WIDTH, subsequent_indent=" " * 4, break_on_hyphens=False))


def _explained(manifest: Manifest, name: str) -> Iterator[str]:
    """What it is for, which terms it has at which layers, and what else makes its look."""
    preset = manifest.presets[name]
    settings: dict[str, Any] = preset.settings
    yield f"{name}: {preset.about}"
    objective = str(settings.get("objective", next(iter(manifest.objectives))))
    heads: dict[str, list[str]] = {}
    for term in manifest.objectives[objective].terms:
        heads.setdefault(term.head, []).append(term.layer)
    terms = "; ".join(f"{head} of {', '.join(layers)}" for head, layers in heads.items())
    yield f"    {settings.get('pooling', 'its own')} pooling; {terms}"
    facts = {key: settings[key] for key in SHOWN if key in settings}
    yield f"    {text_of(facts)}"
