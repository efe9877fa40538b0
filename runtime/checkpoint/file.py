"""Checkpoints: a run in one file, with all that it needs to go on.

Layout: MAGIC, the header's length (8 bytes, little endian), the header (JSON), the arrays one after
another (float32, little endian), and the SHA-256 of all that. The header names plan, bundle and
version; the pictures are among the arrays, so the inputs may be gone.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from impasto.runtime import records
from impasto.runtime.errors import CheckpointError
from impasto.runtime.inputs import Pictures
from impasto.runtime.machine.atomic import refusal, writing
from impasto.runtime.optimizers import Optimizer
from impasto.runtime.planning.plan import Plan
from impasto.runtime.settings import Machine
from impasto.runtime.state import State

from .packing import MAP, Arrays, Where, maps_of, pack, part

MAGIC = b"impasto checkpoint\n"
FORMAT = 3
DIGEST = hashlib.sha256().digest_size
MAX_HEADER = 1 << 24


@dataclass(frozen=True, kw_only=True)
class CheckpointHeader:
    """What a checkpoint says of itself."""

    format: int
    version: str
    """Of the program."""
    bundle: str
    """SHA-256 of its manifest."""
    plan: Plan
    machine: Machine
    """As resolved: the same number of threads gives the same bytes."""
    notes: dict[str, str]
    """The caller's."""
    where: Where | None
    """None: the run had not begun."""
    arrays: dict[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A file's content, checked."""

    header: CheckpointHeader
    arrays: Arrays

    def pictures(self) -> dict[str, Any]:
        """The run's content, styles and first image."""
        sizes = self.header.plan.sizes
        count, regions = len(sizes.styles), sizes.regions
        return {
            "content": self.arrays.get("content"),
            "styles": tuple(self.arrays[f"style_{i}"] for i in range(1, count + 1)),
            "image": self.arrays.get("image"),
            "opacity": self.arrays.get("opacity"),
            "masks": self._masks("mask", len(regions)),
            "style_masks": self._masks("style_mask", count if regions else 0),
        }

    def _masks(self, name: str, count: int) -> tuple[NDArray[np.float32] | None, ...]:
        return tuple(self.arrays.get(f"{name}_{i}") for i in range(1, count + 1))

    @property
    def maps(self) -> Arrays:
        """The caller's."""
        return part(self.arrays, MAP)


@dataclass(frozen=True)
class About:
    """What a run says of itself; ``bundle`` is the SHA-256 of its manifest."""

    plan: Plan
    machine: Machine
    bundle: str
    notes: dict[str, str]


def save(
    path: str | os.PathLike[str],
    about: About,
    pictures: Pictures,
    state: State | None,
    optimizer: Optimizer | None,
    maps: Mapping[str, NDArray[np.float32]],
) -> None:
    """Write a checkpoint; the file that was there is replaced once the new one is whole.

    ``optimizer`` packs the state's memory, where it has one.

    Raises:
        CheckpointError: it cannot be written.
    """
    arrays = {f"style_{i}": style for i, style in enumerate(pictures.styles, start=1)}
    arrays |= {
        k: v for k in ("content", "image", "opacity") if (v := getattr(pictures, k)) is not None
    }
    for name, masks in (("mask", pictures.masks), ("style_mask", pictures.style_masks)):
        arrays |= {f"{name}_{i}": m for i, m in enumerate(masks, start=1) if m is not None}
    where = None
    if state is not None:
        where, packed = pack(state, optimizer)
        arrays |= packed
    else:
        arrays |= maps_of(maps)
    header = CheckpointHeader(
        format=FORMAT,
        version=metadata.version("impasto"),
        **vars(about),
        where=where,
        arrays={name: array.shape for name, array in arrays.items()},
    )
    text = records.to_json(header).encode()
    try:
        with writing(os.fspath(path), overwrite=True) as file:
            digest = hashlib.sha256()
            head = MAGIC + len(text).to_bytes(8, "little") + text
            for data in (head, *map(_bytes, arrays.values())):
                digest.update(data)
                file.write(data)
            file.write(digest.digest())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"the checkpoint {path} ", *refusal(error)) from error


def load(path: str | os.PathLike[str], bundle: str | None = None) -> Checkpoint:
    """The checkpoint in a file, whole and unaltered; of a bundle, if its digest is given.

    Raises:
        CheckpointError: it is none, or not for this bundle and this version.
    """
    with _opened(path, bundle) as (file, size, header):
        return Checkpoint(header, _arrays(file, header, size, str(path)))


def read_checkpoint(path: str | os.PathLike[str]) -> CheckpointHeader:
    """What a checkpoint says of itself, once all of it is checked.

    Raises:
        CheckpointError: it is cut short, altered or of another version.
    """
    return load(path).header


def read_header(path: str | os.PathLike[str], bundle: str) -> CheckpointHeader:
    """What a checkpoint of a bundle says of itself; whether its arrays are whole is not looked at.

    Raises:
        CheckpointError: it is none, or not for this bundle and this version.
    """
    with _opened(path, bundle) as (_, _, header):
        return header


@contextmanager
def _opened(
    path: str | os.PathLike[str], bundle: str | None
) -> Iterator[tuple[IO[bytes], int, CheckpointHeader]]:
    """A checkpoint's file after its header, its size, and the header."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = _header(file, size, str(path))
            if bundle is not None and header.bundle != bundle:
                raise CheckpointError(
                    f"{path}: it is of another bundle: resume it with the one that it began with"
                )
            yield file, size, header
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(f"{path}: cannot be read: {reason}") from None


def _header(file: IO[bytes], size: int, name: str) -> CheckpointHeader:
    if file.read(len(MAGIC)) != MAGIC:
        raise CheckpointError(f"{name}: no checkpoint of impasto: name one that --checkpoint wrote")
    length = int.from_bytes(file.read(8), "little")
    if length > min(size, MAX_HEADER):
        raise _damaged(name)
    try:
        raw = records.parse(file.read(length), name)
        if isinstance(raw, dict):  # first: other versions have other headers
            _check_version(raw, name)
        header: CheckpointHeader = records.read(CheckpointHeader, raw, name)
    except records.RecordError:
        raise _damaged(name) from None
    return header


def _check_version(header: dict[str, Any], name: str) -> None:
    version, own = header.get("version"), metadata.version("impasto")
    if isinstance(version, str) and version != own:
        raise CheckpointError(
            f"{name}: written by impasto {version[:40]}, and this is {own}: resume it with the "
            "version that began it"
        )
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{name}: a checkpoint of another format than {FORMAT}")


def _arrays(file: IO[bytes], header: CheckpointHeader, size: int, name: str) -> Arrays:
    counts = {key: math.prod(shape) for key, shape in header.arrays.items()}
    start = file.tell()
    if min((n for s in header.arrays.values() for n in s), default=1) < 0:
        raise _damaged(name)
    if size != start + 4 * sum(counts.values()) + DIGEST:
        raise _damaged(name)
    file.seek(0)
    digest = hashlib.sha256(file.read(start))
    arrays = {}
    for key, shape in header.arrays.items():
        array = np.fromfile(file, "<f4", counts[key])
        digest.update(_bytes(array))
        arrays[key] = array.astype(np.float32, copy=False).reshape(shape)
    if file.read(DIGEST) != digest.digest():
        raise _damaged(name)
    return arrays


def _damaged(name: str) -> CheckpointError:
    return CheckpointError(f"{name}: the checkpoint is cut short or altered: take an earlier copy")


def _bytes(array: NDArray[np.float32]) -> memoryview | bytes:
    """Little endian, without a copy where it can be."""
    return np.ascontiguousarray(array, "<f4").data.cast("B") if array.size else b""
