"""What an output file says of its making, and what is read of it again.

Settings, versions, hashes and losses; no date, no time, no path, no name, nothing of a photograph's
own metadata. The same run gives the same file, byte for byte.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any, Literal

from impasto.runtime import records
from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.errors import BundleError, Field, ImageError, SettingError
from impasto.runtime.graphs.device import installed_builds
from impasto.runtime.pictures.image import Source, read_texts
from impasto.runtime.planning.make import make_plan
from impasto.runtime.planning.plan import Plan, Scale
from impasto.runtime.planning.sizes import Size, Sizes
from impasto.runtime.settings import Machine, resolve

Stopped = Literal[
    "finished", "converged", "cancelled", "deadline", "failed", "unfinished", "not started"
]
"""Why there are no more steps: all iterations are done; nothing changed any more; ``cancel`` or
``deadline`` said so; an error; the caller left; or nobody asked for a step."""

SOFTWARE, RECORD = "Software", "run"
ALTERED = "what it says of its making is altered: take another copy"
ENDLESS = 10**18
"""Bytes: whatever the plan is, it fits."""


@dataclass(frozen=True, kw_only=True)
class Painted:
    """How a picture was painted: what ``Engine.replay`` needs, beside the pictures."""

    versions: dict[str, str]
    """Of impasto, ONNX Runtime, NumPy and Pillow."""
    bundle: str
    """SHA-256 of its manifest, which has those of its files."""
    inputs: dict[str, str]
    """SHA-256 of the pixels as the run took them, float32: content, style_1, ..., init_image."""
    machine: Machine
    """Device, threads and convolutions: they decide the last bits."""
    plan: Plan
    iterations: int
    """All that were done."""
    stopped: Stopped

    @property
    def was_stopped(self) -> bool:
        """Whether somebody or something ended it before its time."""
        return self.stopped not in ("finished", "converged")

    @property
    def other_versions(self) -> dict[str, tuple[str, str]]:
        """Those that differ here, and what they are here; the last bits may, too."""
        ours = versions()
        return {
            name: (theirs, ours.get(name, "none"))
            for name, theirs in self.versions.items()
            if ours.get(name) != theirs
        }

    def check(self, digest: str, manifest: Manifest) -> None:
        """See whether it was painted with the bundle of a digest, by a plan of this program.

        Raises:
            BundleError: it is of another bundle.
            ImageError: the plan is altered.
        """
        if self.bundle != digest:
            raise BundleError(
                f"it was painted with the bundle {self.bundle[:12]}, and this is {digest[:12]}: "
                "give that one as ",
                Field("model"),
            )
        plan, sizes = self.plan, self.plan.sizes
        given: Any = {name: v for name, v in vars(plan.settings).items() if v is not None}
        there = {"content": sizes.content is not None, "image": sizes.image is not None}
        try:
            styles, regions = len(sizes.styles), len(sizes.regions)
            settings = resolve(manifest, given, styles=styles, regions=regions, **there)
            made = make_plan(manifest, settings, sizes, ENDLESS)
        except (SettingError, ArithmeticError, ValueError):
            made = None
        if made is None or _told(made) != _told(plan):
            raise ImageError(ALTERED)

    def check_inputs(self, hashes: Mapping[str, str]) -> None:
        """See whether it was painted from pictures of these hashes.

        Raises:
            ImageError: it was not.
        """
        for name, digest in self.inputs.items():
            if hashes.get(name) != digest:
                raise self.other_input(name)

    def check_sizes(self, sizes: Sizes) -> None:
        """As ``check_inputs``, before anything is decoded."""
        mine, theirs = _named(self.plan.sizes), _named(sizes)
        for name in mine:
            if mine[name] != theirs.get(name):
                raise self.other_input(name)

    def other_input(self, name: str) -> ImageError:
        """What to say of an input that is another."""
        return ImageError(
            f"{name.replace('_', ' ')}: other pixels than those that it was painted from: give "
            "that picture, or pass ",
            Field("any_input"),
            " to paint with this one",
        )


def texts(painted: Painted, model: str, loss: float, terms: Mapping[str, float]) -> dict[str, str]:
    """Every field of Settings as it was planned for the finest scale, and what came of it.

    ``settings`` is the whole as JSON, as the user gave it: ``Settings.from_json`` reads it. ``run``
    is ``painted``.
    """
    plan = painted.plan
    finest, settings = plan.scales[-1], plan.settings
    planned = {
        "optimizer": finest.optimizer,
        "history_size": finest.history,
        "iterations": finest.iterations,
    }
    fields = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)} | planned
    return {
        SOFTWARE: f"impasto {painted.versions['impasto']}",
        "versions": _text(painted.versions),
        "model": model,
        "bundle": painted.bundle,
        "inputs": _text(painted.inputs),
        **{name: _text(value) for name, value in fields.items()},
        "scales": "; ".join(map(_scale, plan.scales)),
        "done": f"{painted.iterations} iterations, {painted.stopped}",
        "loss": _text(loss),
        "terms": _text(dict(terms)),
        "settings": settings.to_json(),
        RECORD: records.to_json(painted),
    }


@functools.cache
def versions() -> dict[str, str]:
    """Of what computes the pixels."""
    found = {name: metadata.version(name) for name in ("impasto", "numpy", "pillow")}
    return found | installed_builds()


def read_painted(source: Source) -> Painted:
    """How a picture says that it was painted.

    Raises:
        ImageError: it is no picture, says nothing of the kind, or another version painted it whose
            words this one does not know.
    """
    found, name = painting_texts(source), _name(source)
    theirs, ours = found[SOFTWARE].removeprefix("impasto "), versions()["impasto"]
    try:
        painted = records.from_json(Painted, found.get(RECORD, ""), "run")
    except records.RecordError:
        painted = None
    if painted is None and theirs == ours:
        raise ImageError(f"{name}: {ALTERED}")
    if painted is None or _numbers(theirs) > _numbers(ours):
        raise ImageError(
            f"{name}: impasto {theirs} painted it, and this is {ours}: replay it with that version"
        )
    return painted


def painting_texts(source: Source) -> dict[str, str]:
    """What a picture says of its making, as ``Result.texts``.

    Raises:
        ImageError: it is no picture, or says nothing of the kind.
    """
    found = read_texts(source)
    if not re.match(r"impasto \S", found.get(SOFTWARE, "")):
        raise ImageError(
            f"{_name(source)} does not say how it was painted: give one that impasto wrote, as it "
            "was written"
        )
    return found


def _told(plan: Plan) -> Plan:
    """The plan without what depends on the memory that there was."""
    free: dict[str, Any] = {"optimizer": "adam", "history": 0, "tile_pixels": None}
    free |= {"memory": 0, "files": 0, "work": 0.0}
    return replace(plan, scales=tuple(replace(scale, **free) for scale in plan.scales))


def _named(sizes: Sizes) -> dict[str, Size | None]:
    styles = {f"style_{i}": size for i, size in enumerate(sizes.styles, start=1)}
    found: dict[str, Size | None] = {"content": sizes.content, **styles, "init_image": sizes.image}
    for number, region in enumerate(sizes.regions, start=1):
        found[f"region_{number}"] = region.mask
    masks = [mask for region in sizes.regions for mask in region.style_masks]
    return found | {f"style_mask_{i}": mask for i, mask in enumerate(masks, start=1)}


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d{1,9}", version)]


def _name(source: Source) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else "the picture"


def _scale(scale: Scale) -> str:
    height, width = scale.size
    tiles = " in tiles" if scale.tile_pixels else ""
    history = f" {scale.history}" if scale.history else ""
    return f"{width} x {height}: {scale.iterations} {scale.optimizer}{history}{tiles}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
