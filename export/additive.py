"""Whether a head's statistics add up, over tiles and over soft masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.runtime.bundle.shapes import Pair, fix
from impasto.runtime.bundle.sources import MAPS
from impasto.runtime.errors import ImpastoError
from impasto.runtime.objective.tiles import cut

from .objective.terms import Term

TOLERANCE = 1e-4
REGIONS = 2
"""How many a guided objective is verified with."""


def check_additive(term: Term) -> None:
    """Whether a head's statistics, added up over tiles that overlap, are those of the whole.

    Raises:
        ImpastoError: it ignores its mask, or looks further than it declares.
    """
    block = term.head.block
    reach = (0 if term.rows else _blocks(term.reach[0], block)), _blocks(term.reach[1], block)
    size = term.rows or 2 * reach[0] + 8 * block, 2 * reach[1] + 10 * block
    window = term.rows or 2 * reach[0] + 3 * block, 2 * reach[1] + 4 * block
    features, maps = features_of(term, size)
    whole, total = term.sums(features, maps), torch.zeros(())
    if term.is_guided:
        _check_linear(term, features, maps)
    for tile in cut(*size, window, reach, (1 if term.rows else block, block)):
        parts = {k: torch.from_numpy(tile.crop(v.numpy())) for k, v in maps.items()}
        own = torch.from_numpy(tile.mask())
        share = term.sums(torch.from_numpy(tile.crop(features.numpy())), parts, own)
        if share.shape != whole.shape:
            raise ImpastoError(
                f"head {term.head.name!r}: its statistics have the shape {tuple(whole.shape)} or "
                f"{tuple(share.shape)}, as large as the picture is: sum over space"
            )
        total = total + share
    error = relative_error(total.detach().numpy(), whole.detach().numpy())
    if not error <= TOLERANCE:
        raise ImpastoError(
            f"head {term.head.name!r}: its statistics of tiles add up to something else than those "
            f"of the whole ({error:.1e} of it): use `masked`, and say in `reach` how many "
            f"positions beyond its own a position looks (now {term.head.reach})"
        )


def _check_linear(term: Term, features: torch.Tensor, maps: Mapping[str, torch.Tensor]) -> None:
    """Whether soft masks are weights: those of a sum of two regions are the sum of theirs."""
    both = torch.cat([maps["regions"], maps["regions"].sum(0, keepdim=True)])
    found = term.sums(features, {**maps, "regions": both}).detach().numpy()
    if found.shape[:1] != (REGIONS + 1,) or not (
        relative_error(found[:REGIONS].sum(0), found[REGIONS]) <= TOLERANCE
    ):
        raise ImpastoError(
            f"head {term.head.name!r}: its statistics of regions are not weighed by their masks: "
            "sum mask(p) s(F, p) over the positions for each of (R, 1, H, W) masks"
        )


def features_of(
    term: Term, size: Pair, seed: int = 0
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Features of a size at random, and maps of the term."""
    random = torch.Generator().manual_seed(seed)
    features = torch.rand((1, term.at.channels, *size), generator=random)
    return features, {
        name: torch.rand((*fix(value.shape[:2], *size, REGIONS), *size), generator=random)
        for name, value in term.inputs(MAPS).items()
    }


def relative_error(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """|ours - theirs| / |theirs|, in float64."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    norm = float(np.linalg.norm(b))
    return float(np.linalg.norm(a - b)) / norm if norm else float(np.linalg.norm(a))


def _blocks(side: int, block: int) -> int:
    """The least multiple of a block that is no shorter."""
    return -(-side // block) * block
