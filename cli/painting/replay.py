"""The commands ``show`` and ``replay``: what a picture says of its making, and making it again."""

from __future__ import annotations

import json
import os
from typing import Any

from impasto.cli.console import print_json, say
from impasto.cli.options import Given

from . import outputs
from .paint import check, follow

DEEP = (".png", ".tif", ".tiff")
WHOLE = ("settings", "run")
"""Texts that hold the others again, for programs."""


def show(command: str, given: Given) -> None:
    """Print the texts that a run left in a picture, as lines or as one JSON object."""
    from impasto.runtime import painting_texts

    texts = painting_texts(given.files["painted"])
    if given.files.get("json"):
        print_json({name: _value(text) for name, text in texts.items()})
        return
    for name, text in texts.items():
        if name not in WHOLE:
            print(f"{name}: {_line(_value(text))}")


def replay(command: str, given: Given) -> None:
    """Paint again, with the threads and convolutions of the first time, unless others are given."""
    from impasto.runtime import Engine, painting_texts, read_painted

    source = given.files["painted"]
    painted, texts = read_painted(source), painting_texts(source)
    files = outputs.named(command, given.files)
    files = _encoding(texts, files["output"]) | files
    check(files)
    for name, (theirs, ours) in painted.other_versions.items():
        say(f"{source} was painted with {name} {theirs}, and this is {ours}: bytes may differ")
    names = ("device", "threads", "convolutions", "tf32", "cuda_graphs")
    machine = {name: getattr(painted.machine, name) for name in names} | given.machine
    own = {name: machine.pop(name) for name in ("memory", "max_pixels") if name in machine}
    engine = Engine.load(files.get("model"), **machine)
    pictures = outputs.pictures(files)
    run = engine.replay(painted, **pictures, any_input=files.get("any_input", False), **own)
    follow(engine, run, files)


def _encoding(texts: dict[str, str], output: str) -> dict[str, Any]:
    """How the picture was written, as far as the output's format has such a thing."""
    suffix, found = os.path.splitext(output)[1].lower(), {}
    if texts.get("depth") == "16" and suffix in DEEP:
        found["depth"] = 16
    quality = texts.get("jpeg_quality", "")
    if quality.isdecimal() and 1 <= int(quality[:4]) <= 100:
        found["jpeg_quality"] = int(quality)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_line(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_line, value)) or "none"
    return "none" if value is None else str(value)
