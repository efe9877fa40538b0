"""What a batch was called with, kept beside its outputs: ``--resume`` calls it so again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from impasto.cli.options import Given
from impasto.runtime import ImpastoError, write_file

from .options import Folders

FOLDER = ".impasto"
PATHS = ("pictures", "style", "output")
OWN = ("resume", "output", "shard")
"""Of each call."""


def keep(folders: Folders, given: Given) -> None:
    """Write it, unless the outputs are at an address."""
    path = _path(vars(folders))
    if path is None:
        return
    said = {name: _whole(name, value) for name, value in given.own.items() if name not in OWN}
    files = {name: v for name, v in given.files.items() if name not in ("config", "json", "quiet")}
    if os.path.isdir(files.get("model", "")):
        files["model"] = os.path.abspath(files["model"])
    parts = {"batch": said, "files": files, "settings": given.settings, "machine": given.machine}
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except OSError as error:
        raise ImpastoError(f"{os.path.dirname(path)}: cannot be made: {error.strerror}") from None
    write_file(path, json.dumps(parts, indent=1).encode(), overwrite=True)


def resumed(found: Mapping[str, Any], given: Given) -> Given:
    """What it says, and over it what is given now.

    Raises:
        ImpastoError: no batch was begun there.
    """
    path = _path(found)
    if path is None:
        raise ImpastoError("--resume knows folders of this machine alone: call it as it was")
    try:
        with open(path, "rb") as file:
            parts = json.load(file)
        return Given(
            parts["files"] | given.files,
            parts["settings"] | given.settings,
            parts["machine"] | given.machine,
            own=parts["batch"] | given.own,
        )
    except FileNotFoundError:
        raise ImpastoError(
            f"{found['output']}: no batch was begun there: name its pictures and styles"
        ) from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ImpastoError(f"{path}: cannot be read ({error}): call the batch as it was") from None


def _path(found: Mapping[str, Any]) -> str | None:
    """None where files are at an address."""
    output, shard = found["output"], found.get("shard")
    if "://" in output:
        return None
    part = "" if shard is None else f"-{shard.replace('/', '-of-')}"
    return os.path.join(output, FOLDER, f"batch{part}.json")


def _whole(name: str, value: Any) -> Any:
    """Paths that mean the same in another folder."""
    if name not in PATHS:
        return value
    return [path if "://" in path else os.path.abspath(path) for path in value]
