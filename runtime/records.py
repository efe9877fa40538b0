"""Dataclasses to and from JSON, checked against their annotations."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any, Literal, TypeVar, cast

T = TypeVar("T")

MAX_FLOAT = 1e38
"""Of float32, with room: what is stored becomes a graph's input."""
MAX_DIGITS = 19
"""Of an integer: more digits are no number that anything here can use."""


class RecordError(Exception):
    """A text that is not the record; says where and why."""


def to_json(record: Any, indent: int | None = None) -> str:
    """The text of a dataclass."""
    return json.dumps(dataclasses.asdict(record), indent=indent, allow_nan=False)


def from_json(kind: type[T], text: str | bytes, source: str) -> T:
    """The dataclass in a text; ``source`` names it in a RecordError."""
    return cast(T, read(kind, parse(text, source), source))


def parse(text: str | bytes, source: str) -> Any:
    """The JSON value in a text; an entry that is there twice is refused."""
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{source}: not a JSON file: {error}") from None


def read(kind: Any, value: Any, where: str) -> Any:
    """A JSON value as the type that an annotation names."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    if origin is dict and isinstance(value, dict):
        return {key: read(arguments[1], item, f"{where}: {key}") for key, item in value.items()}
    if origin is list and isinstance(value, list):
        return [read(arguments[0], item, where) for item in value]
    if origin is tuple and isinstance(value, list | tuple):
        kinds = [arguments[0]] * len(value) if arguments[-1] is ... else arguments
        if len(kinds) == len(value):
            return tuple(read(k, item, where) for k, item in zip(kinds, value, strict=True))
    if origin in (types.UnionType, typing.Union):
        for choice in arguments:
            try:
                return read(choice, value, where)
            except RecordError:
                continue
    if origin is Literal and value in arguments:
        return value
    if kind is float and type(value) in (int, float):
        if abs(value) <= MAX_FLOAT:  # so not NaN
            return float(value)
    elif isinstance(kind, type) and type(value) is kind:
        return value
    raise RecordError(f"{where}: {show(value)} is not what belongs there")


def show(value: Any) -> str:
    """A value for a message; of a container, which may be large or deep, no more than its kind."""
    return f"a {type(value).__name__}" if isinstance(value, dict | list) else json.dumps(value)[:60]


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    types = typing.get_type_hints(kind)
    hints = {field.name: types[field.name] for field in dataclasses.fields(kind)}
    if not isinstance(value, dict) or set(value) != set(hints):
        found = sorted(set(value) ^ set(hints)) if isinstance(value, dict) else [type(value)]
        raise RecordError(f"{where}: missing or unknown entries: {', '.join(map(str, found))}")
    return kind(**{name: read(hints[name], value[name], f"{where}: {name}") for name in hints})


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an entry is there twice")
    return found
