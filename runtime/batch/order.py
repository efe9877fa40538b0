"""In which order rows are painted, and how many at once: by what their headers say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.errors import ImpastoError
from impasto.runtime.inputs import Inputs, make_regions
from impasto.runtime.machine.memory import SHARE, free, parse
from impasto.runtime.machine.processors import default_threads
from impasto.runtime.pictures.image import MAX_PIXELS, picture_size
from impasto.runtime.planning.make import make_plan
from impasto.runtime.settings import resolve

from .rows import Row
from .storage import REMOTE

WINDOW = 500
"""Rows whose headers are read at once: the first picture need not wait for a million of them."""
PROCESS = 300_000_000
"""Bytes of a worker beside what its plan needs: programs, and kernels that it keeps."""
ENDLESS = 10**18


def by_size(rows: Sequence[tuple[int, Row]]) -> Iterator[tuple[int, Row]]:
    """The largest first, window by window: the same sizes and styles one after the other.

    What a worker has described of a style at a size is remembered for the next row, and no large
    picture is left to the end, when the other workers have nothing to do. The order of those whose
    headers cannot be read now is their own.
    """
    for start in range(0, len(rows), WINDOW):
        window = rows[start : start + WINDOW]
        yield from sorted(window, key=lambda task: (_size(task[1].content), task[1].paths[1:]))


def _size(path: str) -> tuple[int, int, int]:
    if REMOTE in path:
        return 0, 0, 0
    try:
        height, width = picture_size(path)
    except ImpastoError:  # told when it is painted
        return 0, 0, 0
    return -height * width, height, width


def budget(memory: int | str | None) -> int:
    """Bytes for all workers together."""
    return round(SHARE * free()) if memory is None else parse(memory)


def choose_count(
    rows: Sequence[tuple[int, Row]], manifest: Manifest, room: int, threads: int | None
) -> int:
    """Workers for a CPU: one for each core, but no more than the largest rows' memory allows.

    On two cores two processes with a thread each are faster than one with two (docs/batch.md);
    where they had to paint in tiles for want of memory, they would not be.
    """
    cores = max(1, default_threads() // (threads or 1))
    need = 0
    for _, row in itertools.islice(by_size(rows), 3):
        try:
            inputs = Inputs.of(row.content, row.styles, None, make_regions(row.regions))
            there = {"styles": len(inputs.styles), "regions": len(inputs.regions)}
            settings = resolve(manifest, row.settings, content=True, image=False, **there)
            sizes = inputs.sizes(manifest, MAX_PIXELS, ENDLESS)
            plan = make_plan(manifest, settings, sizes, ENDLESS)
        except ImpastoError:
            continue
        need = max(need, plan.memory)
    return max(1, min(cores, len(rows), room // (need + PROCESS)))
