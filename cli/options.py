"""Options, made from the fields of Settings, Machine and Files: nothing is listed twice."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, BadParameter, Option

from impasto.runtime import Described, Field, Files, Machine, Settings, describe

from .audio.options import BUNDLES as SOUNDS
from .audio.options import Sounds
from .batch.options import Folders
from .serve.options import Service
from .sheets.options import Comparison, Gallery
from .video.options import Frames

if TYPE_CHECKING:
    from impasto.runtime import Manifest

KINDS: tuple[type[Any], ...] = (
    *(Files, Folders, Gallery, Comparison, Sounds, Frames),
    *(Service, Settings, Machine),
)
GROUPS: dict[str, str] = {
    "what": "What",
    "looks": "How it looks",
    "time": "How long",
    "machine": "Machine",
    "output": "Output",
    "limits": "Limits",
}
"""Titles in the help, in this order."""
SINGULAR = {"weights": "weight", "names": "name", "origins": "origin"}
"""Options that are given once for each value have the name of one."""
PAINTINGS = "paintings"
"""The words at the end of a command line that are styles, beside those that ``--style`` gives."""
POSITIONAL: dict[str, tuple[str, ...]] = {
    "stylize": ("content", PAINTINGS),
    "texture": ("style",),
    "reconstruct": ("content",),
    "estimate": ("content", PAINTINGS),
    "resume": ("checkpoint_file",),
    "batch": ("pictures",),
    "video": ("video", PAINTINGS),
    "gallery": ("content",),
    "compare": ("pictures",),
    "work": ("redis",),
    "show": ("painted",),
    "replay": ("painted", "content", PAINTINGS),
    "sound": ("content",),
    "texture-sound": ("style",),
}
"""What each command takes without a name: the first it needs, the others it may do without."""
FREE = ("batch", "gallery")  # these may do without the first, too
NAMES: dict[Any, str] = {int: "whole number", float: "number"}
Json = Annotated[bool, Option("--json", help="One JSON object a line on stdout.")]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace an existing output.")]


@dataclass(frozen=True)
class Given:
    """What a command line says, by field; what it does not say is not there."""

    files: dict[str, Any]
    settings: dict[str, Any]
    machine: dict[str, Any]
    own: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Of what the command alone has."""


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
    return name in POSITIONAL.get(command, ())


def fields_of(command: str) -> dict[str, tuple[type[Any], Described]]:
    """The fields that a command offers, by name, and whose they are."""
    return {
        name: (kind, field)
        for kind in KINDS
        for name, field in describe(kind).items()
        if command in field.about.commands
    }


def from_fields(command: str) -> Callable[[Callable[[str, Given], None]], Callable[..., None]]:
    """Make a function of name and ``Given`` the body of a command with its fields as options."""

    def decorate(body: Callable[[str, Given], None]) -> Callable[..., None]:
        fields = fields_of(command)

        def wrapper(**options: Any) -> None:
            body(command, _given(fields, options))

        wrapper.__name__ = command
        wrapper.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            _parameters(command)
        )
        return wrapper

    return decorate


def _given(fields: Mapping[str, tuple[type[Any], Described]], options: dict[str, Any]) -> Given:
    found: dict[type[Any], dict[str, Any]] = {kind: {} for kind in KINDS}
    paintings = tuple(options.pop(PAINTINGS, None) or ())
    for name, (kind, field) in fields.items():
        value = options[name]
        if value in (None, [], ()) or (field.hint is bool and value is False):
            continue
        found[kind][name] = _collected(field, value)
    if paintings:
        found[Files]["style"] = paintings + found[Files].get("style", ())
    files, settings, machine = (found.pop(kind) for kind in (Files, Settings, Machine))
    return Given(
        files, settings, machine, {k: v for values in found.values() for k, v in values.items()}
    )


def _collected(field: Described, value: Any) -> Any:
    """One value of all that were given for an option that may be repeated."""
    origin, arguments = typing.get_origin(field.hint), typing.get_args(field.hint)
    if origin is dict:
        return dict(value)
    if origin is tuple and arguments[0] is not str:
        return tuple(number for numbers in value for number in numbers)
    return tuple(value) if isinstance(value, list) else value


def _parameters(command: str) -> list[inspect.Parameter]:
    fields, positional = fields_of(command), POSITIONAL.get(command, ())
    hints = {name: _option(field) for name, (_, field) in fields.items() if name not in positional}
    for name in positional:
        required = name == positional[0] and command not in FREE
        hints[name] = _paintings() if name == PAINTINGS else _argument(fields[name][1], required)
    order = [*positional, *(name for name in hints if name not in positional)]
    empty, keyword = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
    needed = () if command in FREE else positional[:1]
    defaults: dict[str, Any] = {name: empty if name in needed else None for name in order}
    defaults |= {name: False for name, (_, field) in fields.items() if field.hint is bool}
    return [
        inspect.Parameter(name, keyword, default=defaults[name], annotation=hints[name])
        for name in order
    ]


def _paintings() -> Any:
    argument = Argument(metavar="[PAINTING]...", help="Pictures to paint like.")
    return Annotated[list[str] | None, argument]


def _argument(field: Described, required: bool) -> Any:
    argument = Argument(metavar=field.name.upper(), help=field.about.help)
    kind: Any = list[str] if typing.get_origin(field.hint) in (tuple, dict) else str
    return Annotated[kind if required else kind | None, argument]


def _option(field: Described) -> Any:
    shown, repeated = field.about, typing.get_origin(field.hint) in (tuple, dict)
    names = (*([shown.short] if shown.short else []), flag(field.name))
    if field.hint is bool:
        return Annotated[bool, Option(*names, help=shown.help)]
    option = Option(
        *names,
        metavar=shown.metavar or "|".join(field.choices) or _metavar(field),
        help=shown.help,
        parser=_parser(field),
        show_default=False,
        autocompletion=_completion(field),
    )
    kind: Any = list[str] if repeated else str
    return Annotated[kind | None, option]


def about(field: Described, required: bool, command: str = "") -> str:
    """What help says of a field: its sentence, the names that there are, and the default."""
    bundle = SOUNDS.get(command)
    names = known_names(field.name, bundle)
    text = field.about.help
    if names and not field.about.metavar.startswith(names[0]):
        text += f" There are {', '.join(names)}."
    default = "" if required else _default(field, bundle)
    return f"{text} [required]" if required else f"{text} [default: {default}]" if default else text


def _default(field: Described, bundle: str | None) -> str:
    """What goes where it is not given: of a setting, the first preset's value."""
    value, words = field.default, field.about.default
    if field is describe(Settings).get(field.name) and (manifest := _manifest(bundle)):
        for name, preset in [*manifest.presets.items()][:1]:
            value = name if field.name == "preset" else preset.settings.get(field.name, value)
    if field.hint is bool or value in (None, "", (), [], {}):
        return "" if words.startswith("none") else words
    if isinstance(value, list | tuple):
        return ",".join(f"{number:g}" for number in value)
    return str(value) if isinstance(value, int | str) else f"{value:g}"


def known_names(field: str, bundle: str | None = None) -> list[str]:
    """The names that a bundle, or the usual one, has for a field; most have none."""
    wanted = field in ("preset", "objective", "pooling", "content_layer")
    manifest = _manifest(bundle) if wanted else None
    return names_in(manifest, field) if manifest else []


def names_in(manifest: Manifest, field: str) -> list[str]:
    """The names that a bundle has for one of these fields."""
    if field == "preset":
        return list(manifest.presets)
    objectives = manifest.objectives
    if field == "objective":
        return list(objectives)
    if field == "pooling":
        return list(dict.fromkeys(name for o in objectives.values() for name in o.poolings))
    terms = [term for objective in objectives.values() for term in objective.terms]
    layers = [t.layer for t in terms if any(i.source == "content" for i in t.inputs)]
    return list(dict.fromkeys(layers))


@functools.cache
def _manifest(bundle: str | None) -> Manifest | None:
    """None if $IMPASTO_MODEL names something else; who paints with it is told then."""
    from impasto.runtime import BundleError, read_manifest

    try:
        return read_manifest(bundle)
    except BundleError:
        return None


def _completion(field: Described) -> Callable[[str], list[str]] | None:
    """What may come for the beginning of a word; None leaves it to the shell, which knows files."""
    names = {"preset", "objective", "pooling", "content_layer"}
    if not field.choices and field.name not in names:
        return None

    def complete(incomplete: str) -> list[str]:
        return [n for n in field.choices or known_names(field.name) if n.startswith(incomplete)]

    return complete


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
        return lambda value: int(value) if value.isdecimal() else value

    def parse(value: str) -> Any:
        try:
            numbers = tuple(kind(part) for part in value.split(",")) if origin else kind(value)
        except ValueError:
            raise BadParameter(f"{value!r} is not a {NAMES[kind]}") from None
        return numbers

    return parse


def _pair(value: str) -> tuple[str, float]:
    name, _, number = value.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise BadParameter(f"{value!r} is not NAME=NUMBER, such as style=1000") from None
