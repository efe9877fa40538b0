"""Style at equal content: who leaves more of the photograph is farther from the style anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from measures import TINY, geometric

Point = tuple[float, float]
"""Content and style of a picture; a name has some, from weights that differ."""
SAMPLES = 65


def at_equal_content(curves: Mapping[str, Sequence[Point]]) -> dict[str, float] | None:
    """The style distance of each, a geometric mean over the content that all of them reach.

    Between points the logarithm of style is linear in content. None: there is no such content.
    """
    ordered = {name: sorted(points) for name, points in curves.items()}
    low = max(points[0][0] for points in ordered.values())
    high = min(points[-1][0] for points in ordered.values())
    if low >= high:
        return None
    where = np.linspace(low, high, SAMPLES)
    found = {}
    for name, points in ordered.items():
        contents, styles = np.array(points).T
        found[name] = float(np.exp(np.interp(where, contents, np.log(styles.clip(TINY))).mean()))
    return found


def summary(found: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[float, int]]:
    """Of pairs' results, by name: the geometric mean, and how many pairs it wins."""
    names = next(iter(found.values()), {})
    winners = [min(result, key=result.__getitem__) for result in found.values()]
    return {
        name: (geometric(result[name] for result in found.values()), winners.count(name))
        for name in names
    }
