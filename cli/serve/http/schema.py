"""Settings as JSON schema, made from what the program knows of them."""

from __future__ import annotations

import types
import typing
from dataclasses import asdict
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import ConfigDict, Field, create_model

from impasto.cli.options import names_in
from impasto.runtime import Described, Manifest, Settings, describe

NAMED = ("preset", "objective", "pooling")
"""Settings for which a bundle has names."""


def settings_schema(manifest: Manifest | None = None) -> dict[str, Any]:
    """JSON schema of what may be given of Settings: what is null or missing is the preset's.

    With a bundle's manifest it tells as examples what the bundle has names for, and its presets,
    the default first.
    """
    fields: dict[str, Any] = {
        name: (_hint(field) | None, _field(field)) for name, field in describe(Settings).items()
    }
    config = ConfigDict(extra="forbid")
    model: Any = create_model("Settings", __config__=config, **fields)
    found: dict[str, Any] = model.model_json_schema()
    found["description"] = "What the picture shall be; what is not given is the preset's."
    for name, field in describe(Settings).items():
        found["properties"][name] |= {"x-group": field.group, "default": _plain(field.default)}
    if manifest:
        for name in NAMED:
            found["properties"][name]["examples"] = names_in(manifest, name)
        found["x-presets"] = {name: asdict(preset) for name, preset in manifest.presets.items()}
    return found


def _field(field: Described) -> Any:
    about = field.about
    extra: Any = {"x-unit": about.unit} if about.unit else {}
    if about.excludes:
        extra["x-excludes"] = list(about.excludes)
    if about.default:
        extra["x-none"] = about.default
    return Field(default=None, description=about.help, json_schema_extra=extra)


def _hint(field: Described) -> Any:
    """Its type, with its range wherever there is a number."""
    return _bounded(field.hint, field)


def _bounded(hint: Any, field: Described) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (int, float):
        least, most = field.about.least, field.about.most
        bounds = [
            *([Ge(least)] if least is not None else []),
            *([Le(most)] if most is not None else []),
        ]
        return Annotated[(hint, *bounds)] if bounds else hint
    if origin in (typing.Union, types.UnionType):
        found = _bounded(arguments[0], field)
        for argument in arguments[1:]:
            found = found | argument
        return found
    if origin is tuple:
        return list[_bounded(arguments[0], field)]  # type: ignore[misc]
    if origin is dict:
        return dict[str, _bounded(arguments[1], field)]  # type: ignore[misc]
    return hint


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
