"""What doctor finds: what is installed, what this machine has, and whether a tiny run works."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib import metadata, resources
from typing import Any

import typer

from impasto.cli.console import print_json
from impasto.cli.options import Json

from .report import text_of

PACKAGES = ("impasto", "numpy", "pillow")


def doctor(json: Json = False) -> None:
    """The command: exit code 1 where something is wrong."""
    if not examine(json):
        raise typer.Exit(1)


def examine(as_json: bool) -> bool:
    """Print what is installed, what works and what does not; whether all is well."""
    facts: dict[str, Any] = {
        "python": f"{platform.python_version()}, {sys.executable}",
        "system": platform.platform(),
        **{name: metadata.version(name) for name in PACKAGES},
        "settings": "the presets of the bundle, and of --config FILE where it is given",
    }
    problems = list(_examine(facts))
    if as_json:
        print_json({**facts, "problems": problems})
    else:
        for name, fact in facts.items():
            print(f"{name}: {text_of(fact)}")
        for problem in problems:
            print(f"problem: {problem}")
        print("all is well" if not problems else f"problems: {len(problems)}")
    return not problems


def _examine(facts: dict[str, Any]) -> Iterator[str]:
    """Fill in the facts; yield the problems."""
    from impasto.runtime import examine_installation

    found = examine_installation()
    model = os.environ.get("IMPASTO_MODEL")
    facts |= {
        "processor": found.processor,
        "memory": found.memory,
        "onnxruntime": found.builds,
        "providers": found.providers,
        "convolutions": found.convolutions,
        "cuda": found.cuda,
        "bundle": found.bundle,
        "bundle from": f"$IMPASTO_MODEL, {model}" if model else "the package",
    }
    yield from found.problems
    if not found.providers or not found.bundle:
        return
    try:
        facts["run"] = _tiny_run(facts)
    except Exception as error:  # whatever it is, telling it is what this command is for
        yield f"a tiny run failed: {type(error).__name__}: {error}"


def _tiny_run(facts: dict[str, Any]) -> dict[str, Any]:
    from impasto.runtime import Engine

    started = time.perf_counter()
    engine = Engine.load()
    facts["device"] = engine.device
    examples = resources.files("impasto.models") / "example"
    with (
        resources.as_file(examples / "photo.jpg") as photo,
        resources.as_file(examples / "painting.jpg") as painting,
    ):
        result = engine.stylize(photo, painting, size=64, iterations=3)
    return {
        "size": f"{result.image.shape[1]} x {result.image.shape[0]}",
        "iterations": result.iterations,
        "loss": result.loss,
        "seconds": time.perf_counter() - started,
    }
