"""Options, made from the fields of Settings, Machine and Files: nothing is listed twice."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from typer import Argument, BadParameter, Option

from impasto.runtime import Described, Field, Files, Machine, Settings, describe

KINDS: tuple[type[Any], ...] = (Files, Settings, Machine)
SINGULAR = {"weights": "weight"}
"""Options that are given once for each value have the name of one."""
POSITIONAL = {
    "stylize": "content",
    "texture": "style",
    "reconstruct": "content",
    "estimate": "content",
    "resume": "checkpoint_file",
    "show": "painted",
    "replay": "painted",
}
"""What each command takes without a name."""
SECOND = {"replay": "content"}
"""And what after it, or not at all."""
NAMES: dict[Any, str] = {int: "whole number", float: "number"}

Json = Annotated[bool, Option("--json", help="One JSON object a line on stdout.")]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace an existing output.")]


@dataclass(frozen=True)
class Given:
    """What a command line says, by field; what it does not say is not there."""

    files: dict[str, Any]
    settings: dict[str, Any]
    machine: dict[str, Any]


def flag(name: str) -> str:
    """``--style-weight``."""
    return f"--{SINGULAR.get(name, name).replace('_', '-')}"


def spelling(command: str) -> Callable[[Field], str]:
    """How a command writes a field in a sentence."""

    def spell(field: Field) -> str:
        return field.name.upper() if is_positional(command, field.name) else flag(field.name)

    return spell


def is_positional(command: str, name: str) -> bool:
    """Whether a command takes a field without a name."""
    return name in (POSITIONAL.get(command), SECOND.get(command))


def fields_of(command: str) -> dict[str, tuple[type[Any], Described]]:
    """The fields that a command offers, by name, and whose they are."""
    return {
        name: (kind, field)
        for kind in KINDS
        for name, field in describe(kind).items()
        if command in field.about.commands
    }


def from_fields(command: str) -> Callable[[Callable[[Given], None]], Callable[..., None]]:
    """Make a function of what is given the body of a command with all its fields as options."""

    def decorate(body: Callable[[Given], None]) -> Callable[..., None]:
        fields = fields_of(command)

        def wrapper(**options: Any) -> None:
            body(_given(fields, options))

        wrapper.__name__, wrapper.__doc__ = command, body.__doc__
        wrapper.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [_parameter(command, field) for _, field in fields.values()]
        )
        return wrapper

    return decorate


def _given(fields: Mapping[str, tuple[type[Any], Described]], options: dict[str, Any]) -> Given:
    found: dict[type[Any], dict[str, Any]] = {kind: {} for kind in KINDS}
    for name, (kind, field) in fields.items():
        value = options[name]
        if value in (None, [], ()) or (field.hint is bool and value is False):
            continue
        found[kind][name] = _collected(field, value)
    return Given(found[Files], found[Settings], found[Machine])


def _collected(field: Described, value: Any) -> Any:
    """One value of all that were given for an option that may be repeated."""
    origin, arguments = typing.get_origin(field.hint), typing.get_args(field.hint)
    if origin is dict:
        return dict(value)
    if origin is tuple and arguments[0] is not str:
        return tuple(number for numbers in value for number in numbers)
    return tuple(value) if isinstance(value, list) else value


def _parameter(command: str, field: Described) -> inspect.Parameter:
    positional = is_positional(command, field.name)
    required = (command, field.name) in REQUIRED or POSITIONAL.get(command) == field.name
    kind, default = _annotation(field, positional, required)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else default,
        annotation=kind,
    )


REQUIRED = {
    ("stylize", "style"),
    ("stylize", "output"),
    ("texture", "output"),
    ("reconstruct", "output"),
    ("replay", "output"),
}


def _annotation(field: Described, positional: bool, required: bool) -> tuple[Any, Any]:
    about, repeated = field.about, typing.get_origin(field.hint) in (tuple, dict)
    if positional:
        argument = Argument(metavar=field.name.upper(), help=about.help)
        kind: Any = list[str] if repeated else str
        return Annotated[kind if required else kind | None, argument], None
    names = (*([about.short] if about.short else []), flag(field.name))
    if field.hint is bool:
        return Annotated[bool, Option(*names, help=_help(field))], False
    parser = _parser(field)
    option = Option(
        *names,
        metavar=about.metavar or "|".join(field.choices) or _metavar(field),
        help=about.help if required else _help(field),
        parser=parser,
        show_default=False,
    )
    kind = list[str] if repeated else str
    return Annotated[kind if required else kind | None, option], None


def _help(field: Described) -> str:
    """The sentence, and what goes where the option is not given."""
    about = field.about
    if field.hint is bool or (field.default in (None, "", (), {}) and not about.default):
        return about.help
    if about.default:
        return f"{about.help} Default: {about.default}."
    if field.name in describe(Settings):
        return about.help  # a preset's
    shown = f"{field.default:,}" if isinstance(field.default, int) else f"{field.default}"
    return f"{about.help} Default: {shown}."


def _metavar(field: Described) -> str:
    if field.hint in (int, tuple[int, ...]):
        return "N"
    return "W" if field.hint in (float, tuple[float, ...]) else "TEXT"


def _parser(field: Described) -> Callable[[str], Any] | None:
    """From a word to the value; None: the word is it."""
    origin, arguments = typing.get_origin(field.hint), typing.get_args(field.hint)
    if field.about.parse is not None or field.hint is str or origin is typing.Literal:
        return None
    if origin is dict:
        return _pair
    kind = arguments[0] if origin is tuple else field.hint
    if kind is str:
        return None
    if origin in (typing.Union, types.UnionType):
        return _number_or_word

    def parse(value: str) -> Any:
        try:
            numbers = tuple(kind(part) for part in value.split(",")) if origin else kind(value)
        except ValueError:
            raise BadParameter(f"{value!r} is not a {NAMES[kind]}") from None
        return numbers

    return parse


def _number_or_word(value: str) -> int | str:
    return int(value) if value.isdecimal() else value


def _pair(value: str) -> tuple[str, float]:
    name, _, number = value.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise BadParameter(f"{value!r} is not NAME=NUMBER, such as style=1000") from None


def option(metavar: str, text: str, kind: Callable[[str], Any] = str) -> Any:
    """An option of a command that has fields of its own, whose value is a str or an int."""

    def parse(value: str) -> Any:
        try:
            return kind(value)
        except ValueError:
            raise BadParameter(f"{value!r} is not a {NAMES[kind]}") from None

    return Option(metavar=metavar, help=text, parser=None if kind is str else parse)


def given(**options: Any) -> dict[str, Any]:
    """The options that are not None: defaults stay with those who are called."""
    return {name: value for name, value in options.items() if value is not None}
