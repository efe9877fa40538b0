"""Which drafts a gallery has: styles, and the values of settings that vary."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from impasto.cli.configuration import merged
from impasto.cli.options import flag, names_in
from impasto.runtime import Described, Engine, Manifest, SettingError, Settings, describe

from .drawing import JOINT
from .options import NAMED

DRAFT: dict[str, Any] = {"size": 256, "quality": "draft"}
"""What drafts are like, unless something else is said."""
HASTE = ("size", "width", "height", "megapixels", "quality", "iterations")
"""What is said of drafts alone, unless it varies."""
TIMES = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Of a number without a bound."""
MOST = 500
"""Drafts of a sheet."""

Values = dict[str, Any]


@dataclass(frozen=True)
class Draft:
    """One picture of a sheet."""

    number: int
    """From 1."""
    style: str
    """A path."""
    settings: Values
    """All that is given."""
    varied: Values
    """What of it differs between the drafts of a style."""

    @property
    def picked(self) -> Values:
        """What is given of it for a picture of full size."""
        return {n: v for n, v in self.settings.items() if n not in HASTE or n in self.varied}

    @property
    def label(self) -> list[str]:
        """What is written under it: number and style, and what varies."""
        said = [f"{flag(name)[2:]}{JOINT}{_shown(value)}" for name, value in self.varied.items()]
        named = f"{self.number}{JOINT}{JOINT}{Path(self.style).stem}"
        return [named, *([", ".join(said)] if said else [])]


def make_drafts(
    engine: Engine, styles: Sequence[str], given: Values, vary: Sequence[str], seeds: int
) -> list[Draft]:
    """Every style with every combination, those that come to the same left out.

    Raises:
        SettingError: a value makes no sense, there are too many, or seeds would all be the same.
    """
    base = merged(DRAFT, given)
    engine.settings(**base)
    sets = [[(name, value) for value in values_of(engine, base, name)] for name in vary]
    count = len(styles) * seeds * math.prod(map(len, sets))
    if count > MOST:
        mend = f"that makes {count} drafts, and a sheet has at most {MOST}: give less"
        raise SettingError("vary", ",".join(vary) or None, mend)
    tried = list(_combinations(engine, base, sets, seeds))
    if seeds > 1 and not any("seed" in varied for varied in tried):
        mend = "the first image has no noise that they could be of: say --init-noise 0.3"
        raise SettingError("seeds", seeds, mend)
    each = itertools.product(styles, tried)
    return [
        Draft(number, style, merged(base, varied), varied)
        for number, (style, varied) in enumerate(each, start=1)
    ]


def values_of(engine: Engine, given: Values, name: str) -> tuple[Any, ...]:
    """What is tried of a setting: all choices and names; of a number what its range says.

    Of a share the ends and the middle; of what has other bounds the middle by ratio, its half and
    its double; of a weight TIMES what it is, or a few where it is 0.
    """
    field, manifest = describe(Settings)[name], engine.manifest
    if name in NAMED:
        return _names(manifest, name)
    if field.choices:
        return tuple(choice for choice in field.choices if (name, choice) != ("init", "image"))
    return _numbers(field, _present(engine, given, name))


def _numbers(field: Described, present: float | None) -> tuple[float, ...]:
    least, most = field.about.least, field.about.most
    assert least is not None
    assert most is not None
    if most <= 1:
        return least, (least + round(most)) / 2, most
    if least > 0:
        middle = (least * most) ** 0.5
        return middle / 2, middle, middle * 2
    return tuple(present * times for times in TIMES) if present else (0.0, 10.0, 100.0)


def _names(manifest: Manifest, name: str) -> tuple[str, ...]:
    """A bundle's, without the variants that regions take by themselves."""
    objectives = manifest.objectives
    return tuple(
        word
        for word in names_in(manifest, name)
        if name != "objective" or not objectives[word].is_guided
    )


def _present(engine: Engine, given: Mapping[str, Any], name: str) -> Any:
    return getattr(engine.settings(**given), name)


def _combinations(
    engine: Engine, given: Values, sets: Sequence[Sequence[tuple[str, Any]]], seeds: int
) -> Iterator[Values]:
    """Each once; with other seeds only where there is noise."""
    seen = set()
    for chosen in itertools.product(*sets):
        varied = dict(chosen)
        try:
            settings = engine.settings(**merged(given, varied))
        except SettingError:  # these two do not go together: told when it is painted
            yield varied
            continue
        share = settings.init_noise
        noisy = settings.init == "noise" if share is None else share > 0
        for seed in range(settings.seed, settings.seed + (seeds if noisy else 1)):
            whole = replace(settings, seed=seed).to_json()
            if whole not in seen:
                seen.add(whole)
                yield varied | ({"seed": seed} if seeds > 1 and noisy else {})


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
