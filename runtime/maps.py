"""Maps that a caller brings: regions of a term, and what is given; and who takes which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .bundle.manifest import Input, Term
from .errors import SettingError

Maps = Mapping[str, NDArray[np.float32]]
"""(height, width, channels) or (height, width), by ``TERM.INPUT`` or ``HEAD.INPUT``."""


def map_names(terms: Sequence[Term], maps: Maps) -> dict[Input, str]:
    """Which of a caller's maps each input takes.

    Raises:
        SettingError: no input takes a map, or not of so many channels.
    """
    found = {}
    taking = [(t, i) for t in terms for i in t.inputs if i.source in ("region", "given")]
    for term, source in taking:
        short = f"{term.head}.{source.name.rpartition('.')[2]}"
        name = source.name if source.name in maps else short
        if name not in maps:
            continue
        found[source], shape = name, np.shape(maps[name])
        channels = shape[2] if len(shape) == 3 else 1
        if len(shape) not in (2, 3) or channels != source.shape[1]:
            raise SettingError("maps", name, f"give (height, width, {source.shape[1]})")
    if unknown := sorted(set(maps) - {*found.values()}):
        known = ", ".join(source.name for _, source in taking) or "none"
        raise SettingError("maps", unknown[0], f"the terms take {known}")
    return found
