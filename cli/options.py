"""Options of the commands, and those that all painting commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from typer import BadParameter, Option


def option(metavar: str, text: str, kind: Callable[[str], Any] = str) -> Any:
    """An option whose value is a str, int or float."""

    def parse(value: str) -> Any:
        try:
            return kind(value)
        except ValueError:
            raise BadParameter(f"{value!r} is not a {NAMES[kind]}") from None

    return Option(metavar=metavar, help=text, parser=None if kind is str else parse)


Text = str | None
Whole = int | None
Number = float | None
Texts = list[str] | None
NAMES: dict[Any, str] = {int: "whole number", float: "number"}

Json = Annotated[bool, Option("--json", help="One JSON object a line on stdout.")]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace an existing output.")]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Settings that decide what painting costs. None leaves the choice to the runtime."""

    preset: Annotated[Text, option("NAME", "Settings under a name.")] = None
    size: Annotated[Whole, option("N", "Long side of the result in pixels.", int)] = None
    pooling: Annotated[Text, option("avg|max", "How the network pools.")] = None
    quality: Annotated[
        Text, option("draft|normal|high", "0.4, 1 or 3 times the preset's iterations.")
    ] = None
    iterations: Annotated[Whole, option("N", "Iterations at the finest scale.", int)] = None
    optimizer: Annotated[Text, option("lbfgs|adam", "What moves the pixels.")] = None
    memory: Annotated[
        Text, option("2GB", "What the program may take; default: most of what is free.")
    ] = None
    model: Annotated[Text, option("DIR", "A bundle; default: $IMPASTO_MODEL, else VGG19.")] = None
    device: Annotated[Text, option("auto|cpu|cuda[:N]", "Default: CUDA where it works.")] = None
    threads: Annotated[Whole, option("N", "CPU threads; default: one a core.", int)] = None
    tf32: Annotated[bool, Option("--tf32", help="On CUDA: faster, 10 bits of mantissa.")] = False
    cuda_graphs: Annotated[
        bool, Option("--cuda-graphs", help="On CUDA: record an evaluation, and play it back.")
    ] = False
    max_pixels: Annotated[Whole, option("N", "Refuse pictures with more than this.", int)] = None
    json: Json = False

    @property
    def engine(self) -> dict[str, Any]:
        """Engine.load's arguments."""
        names = ("device", "threads", "tf32", "cuda_graphs")
        return given(bundle=self.model, **{name: getattr(self, name) for name in names})

    @property
    def run(self) -> dict[str, Any]:
        """Engine.start's arguments."""
        names = ("preset", "size", "pooling", "quality", "iterations", "optimizer", "memory")
        return given(**{name: getattr(self, name) for name in (*names, "max_pixels")})


@dataclass(frozen=True, kw_only=True)
class Settings(Costs):
    """What all painting commands share."""

    output: Annotated[
        str, Option("-o", "--output", metavar="FILE", help="A .png, .jpg, .webp, .tif.")
    ]
    tv_weight: Annotated[Number, option("W", "Weight of the total variation.", float)] = None
    weight: Annotated[
        Texts,
        option("NAME=W", "Weight of a head (style) or term (style.conv1_1); repeatable."),
    ] = None
    seed: Annotated[Whole, option("N", "Seed of the noise.", int)] = None
    overwrite: Overwrite = False

    @property
    def weights(self) -> dict[str, float]:
        """Those given with --tv-weight and --weight."""
        found = given(tv=self.tv_weight)
        for pair in self.weight or ():
            try:
                name, value = pair.split("=")
                found[name] = float(value)
            except ValueError:
                raise BadParameter(
                    f"{pair!r} is not NAME=NUMBER, such as style=1000", param_hint="'--weight'"
                ) from None
        return found


def given(**options: Any) -> dict[str, Any]:
    """The options that are not None: defaults stay with those who are called."""
    return {name: value for name, value in options.items() if value is not None}


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add the fields of a command's ``settings``, Costs or Settings, to its options."""
    own = dict(inspect.signature(command, eval_str=True).parameters)
    kind = own.pop("settings").annotation
    shared = inspect.signature(kind, eval_str=True).parameters

    def wrapper(**options: Any) -> None:
        settings = kind(**{name: options.pop(name) for name in shared})
        command(**options, settings=settings)

    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    wrapper.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in (*own.values(), *shared.values())
        ]
    )
    return wrapper
