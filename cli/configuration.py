"""Settings in a TOML file: ``--config`` reads it, ``impasto settings`` writes it."""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from impasto.runtime import Engine, ImpastoError, Machine, Settings, check_all, describe

from .options import Given, fields_of


def with_config(given: Given, command: str) -> Given:
    """What a command line says, over what its ``--config`` says.

    What a file says for other commands does not count.

    Raises:
        ImpastoError: the file cannot be read, or is no TOML.
        SettingError: it has a value that makes no sense, or one that there is not.
    """
    given, path = _with_image(given, command), given.files.get("config")
    if path is None:
        return given
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or f"no TOML: {error}"
        raise ImpastoError(f"{path}: cannot be read: {reason}") from None
    machine = found.pop("machine", {})
    if not isinstance(machine, dict):
        raise ImpastoError(f"{path}: [machine] must be a table of settings")
    offered, known = fields_of(command), {*describe(Settings), *describe(Machine)}
    for table in (found, machine):
        for name in [name for name in table if name in known and name not in offered]:
            del table[name]
    check_all(Settings, found)
    check_all(Machine, machine)
    settings = merged(found, given.settings)
    return replace(given, settings=settings, machine=machine | given.machine)


def _with_image(given: Given, command: str) -> Given:
    """``--init result.png`` is ``--init-image result.png``, where there is such a file."""
    word = given.settings.get("init", "")
    chosen = word in describe(Settings)["init"].choices or not os.path.isfile(word)
    if chosen or "init_image" not in fields_of(command):
        return given
    settings = {name: value for name, value in given.settings.items() if name != "init"}
    files = {"init_image": word, **given.files}
    return replace(given, files=files, settings=settings)


def show(command: str, given: Given) -> None:
    """Print the resolved Settings, and what is said of Machine, as TOML."""
    given = with_config(given, command)
    engine = Engine.load(given.files.get("model"), **given.machine)
    styles = max(1, len(given.settings.get("blend", ())))
    settings = engine.settings(styles=styles, **given.settings)
    known = dataclasses.asdict(settings)
    tables = {name: known.pop(name) for name in list(known) if isinstance(known[name], dict)}
    machine = {name: getattr(engine.machine, name) for name in given.machine}
    for line in (*_lines(known), *_tables({**tables, "machine": machine})):
        print(line)


def merged(config: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options win; of ``weights`` each name by itself. They also end a quarrel of two fields."""
    found = {**config, **options}
    if "weights" in config and "weights" in options and isinstance(config["weights"], dict):
        found["weights"] = config["weights"] | options["weights"]
    fields = describe(Settings)
    for name in options:
        for other in fields[name].about.excludes:
            if other not in options:
                found.pop(other, None)
    return found


def _lines(values: dict[str, Any]) -> list[str]:
    return [
        f"{_key(name)} = {json.dumps(value)}" for name, value in values.items() if value is not None
    ]


def _tables(tables: dict[str, dict[str, Any]]) -> list[str]:
    found = []
    for name, values in tables.items():
        if values:
            found += ["", f"[{name}]", *_lines(values)]
    return found


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() else json.dumps(name)
