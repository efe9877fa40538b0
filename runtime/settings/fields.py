"""What is known of a field that can be set: its range, its choices, its help, who offers it.

The dataclasses of this room are the one list of all that can be set. Command-line options,
configuration files, keywords of the API and the texts in output files are made from it.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

from impasto.runtime.errors import Field, SettingError

PAINTING = ("stylize", "texture", "reconstruct")
"""The commands that paint a picture."""
PLANNING = (*PAINTING, "batch", "gallery", "video", "estimate", "settings")
"""Those, and the commands that tell what would be done."""
LOSSES = (*PLANNING, "compare")
"""Those, and the command that tells losses of pictures that are there."""
SOUNDS = ("sound", "texture-sound")
"""The commands that paint a sound."""
HEARD = (*PLANNING, *SOUNDS)

Group = Literal["what", "looks", "time", "machine", "output", "limits"]
"""What a field is about: the pictures, how the result looks, how long it takes, and so on."""


@dataclass(frozen=True)
class About:
    """Of one field; ``least`` and ``most`` are inclusive."""

    help: str
    """One sentence."""
    unit: str
    least: float | None
    most: float | None
    commands: tuple[str, ...]
    metavar: str
    short: str
    """A one-letter option, as ``-o``."""
    default: str
    """In words, where None stands for it."""
    parse: Callable[[Any], Any] | None
    """From what a user writes to the value."""
    excludes: tuple[str, ...]
    """Fields that say the same in another way: who gives one gives none of them."""
    group: Group | None
    """None: that of its class, ``GROUP``."""


def setting(
    text: str,
    default: Any = dataclasses.MISSING,
    *,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    commands: tuple[str, ...] = PLANNING,
    metavar: str = "",
    short: str = "",
    none: str = "",
    factory: Callable[[], Any] | None = None,
    parse: Callable[[Any], Any] | None = None,
    excludes: tuple[str, ...] = (),
    group: Group | None = None,
) -> Any:
    """A dataclass field; ``text`` is its help, ``none`` what None stands for."""
    about = About(text, unit, least, most, commands, metavar, short, none, parse, excludes, group)
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata={"about": about})
    return dataclasses.field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class Described:
    """A field as the faces see it."""

    name: str
    hint: Any
    """Its type; without ``| None``."""
    optional: bool
    default: Any
    about: About
    group: Group

    @property
    def choices(self) -> tuple[str, ...]:
        """Of a Literal; else none."""
        return typing.get_args(self.hint) if typing.get_origin(self.hint) is Literal else ()

    @property
    def blank(self) -> Any:
        """The value that says nothing."""
        return None if self.optional else self.default

    @property
    def words(self) -> tuple[str, ...]:
        """What may stand for a number."""
        return _words(self.hint)

    @property
    def range(self) -> str:
        """``16 to 16384 pixels``, ``avg, max``, or what kind of value it is."""
        about, unit = self.about, f" {self.about.unit}" if self.about.unit else ""
        if self.choices:
            return ", ".join(self.choices)
        if about.least is not None and about.most is not None:
            words = "".join(f", or {word}" for word in self.words)
            return f"{_number(about.least)} to {_number(about.most)}{unit}{words}"
        if about.least is not None:
            return f"{_number(about.least)} or more{unit}"
        return _KINDS.get(self.hint, "a value of its kind")

    def check(self, value: Any) -> Any:
        """The value as the field's type.

        Raises:
            SettingError: it is of another kind, or out of range.
        """
        if value is None and self.optional:
            return None
        try:
            parsed = self.about.parse(value) if self.about.parse else value
            typed = _typed(self.hint, parsed)
        except SettingError as error:  # of a parser that other fields have, too
            raise SettingError(self.name, value, *error.mend) from None
        except (TypeError, ValueError, OverflowError):
            raise SettingError(self.name, value, f"give {self._wanted()}") from None
        for number in _numbers(typed):
            least, most = self.about.least, self.about.most
            if not (least is None or number >= least) or not (most is None or number <= most):
                raise SettingError(self.name, value, f"give {self._wanted()}")
        return typed

    def _wanted(self) -> str:
        kind = _KINDS.get(typing.get_args(self.hint)[0] if self.words else self.hint)
        if self.choices:
            return f"one of {self.range}"
        return self.range if kind in (None, self.range) else f"{kind}, {self.range}"


_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    tuple[int, ...]: "whole numbers",
    tuple[float, ...]: "numbers",
    tuple[str, ...]: "texts",
    dict[str, float]: "numbers by name",
}


_known: dict[type[Any], dict[str, Described]] = {}


def describe(kind: type[Any]) -> dict[str, Described]:
    """The fields of one of the room's dataclasses, by name."""
    if kind not in _known:
        _known[kind] = _described(kind)
    return _known[kind]


def _described(kind: type[Any]) -> dict[str, Described]:
    hints, found = typing.get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        hint, optional = _without_none(hints[field.name])
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        about: About = field.metadata["about"]
        group = about.group or kind.GROUP
        found[field.name] = Described(field.name, hint, optional, default, about, group)
    return found


def check_all(kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not None, each checked.

    Raises:
        SettingError: a value is out of range, or there is no such field.
    """
    fields = describe(kind)
    for name in given:
        if name not in fields:
            raise SettingError(name, given[name], f"there is no such setting{_near(name, fields)}")
    return {n: fields[n].check(value) for n, value in given.items() if value is not None}


def check_excluded(kind: type[Any], given: Mapping[str, Any]) -> None:
    """See whether no two values say the same in other ways.

    Raises:
        SettingError: two do.
    """
    fields = describe(kind)
    said = {name for name, value in given.items() if value != fields[name].blank}
    for name in (name for name in given if name in said):
        for other in fields[name].about.excludes:
            if other in said:
                value = given[name]
                raise SettingError(name, value, "give it or a ", Field(other), ", not both")


def check_keywords(
    function: Callable[..., object], kind: type[Any], given: Mapping[str, Any]
) -> None:
    """See whether a public function takes these keywords: its own and those of a TypedDict.

    Raises:
        SettingError: it does not.
    """
    known = typing.get_type_hints(kind)
    for name in given:
        if name not in known:
            own = [n for n in inspect.signature(function).parameters if n not in ("self", "cls")]
            near = _near(name, {**known, **dict.fromkeys(own)})
            raise SettingError(
                name, given[name], f"{function.__name__}() has no such keyword{near}"
            )


def _near(name: str, known: Mapping[str, object]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else ""


def _typed(hint: Any, value: Any) -> Any:
    """The value as a type; TypeError or ValueError where it is none."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if _is_union(hint):
        return value if value in _words(hint) else _typed(arguments[0], value)
    if origin is Literal:
        if value not in arguments:
            raise ValueError
        return value
    if origin is tuple:
        if isinstance(value, str | bytes | Mapping):
            raise TypeError
        return tuple(_typed(arguments[0], item) for item in value)
    if origin is dict:
        return {_typed(str, key): _typed(arguments[1], item) for key, item in value.items()}
    if hint is int and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if hint is float and isinstance(value, Real) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError
        return float(value)
    if hint in (str, bool) and isinstance(value, hint):
        return value
    raise TypeError


def _numbers(value: Any) -> list[float]:
    items = value.values() if isinstance(value, dict) else value
    several = items if isinstance(value, dict | tuple) else [value]
    return [item for item in several if isinstance(item, int | float)]


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _without_none(hint: Any) -> tuple[Any, bool]:
    if _is_union(hint):
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        if len(kinds) < len(typing.get_args(hint)):
            return typing.Union[tuple(kinds)], True  # noqa: UP007
    return hint, False


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (types.UnionType, typing.Union)


def _words(hint: Any) -> tuple[str, ...]:
    """Of a union of a number and Literals."""
    kinds = typing.get_args(hint)[1:] if _is_union(hint) else ()
    return tuple(word for kind in kinds for word in typing.get_args(kind))
