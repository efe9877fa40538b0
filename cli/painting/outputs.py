"""Where the picture goes, and what stdin brings: names, folders and ``-``."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from impasto.runtime import make_regions, region_files

STREAM = "-"
"""stdin where a picture is read, stdout where one is written."""
PICTURES = ("content", "style", "init_image")
ENCODING: dict[str, Callable[[str], Any]] = {
    "format": str,
    "depth": int,
    "jpeg_quality": int,
    "no_metadata": bool,
}
"""How an output is written: what of Files says it, and is kept in a checkpoint's notes."""


class Savable(Protocol):
    """What is written as a ``Result`` is."""

    def save(
        self,
        target: Any,
        *,
        format: str | None = None,
        depth: int | None = None,
        jpeg_quality: int | None = None,
        metadata: bool = True,
        overwrite: bool = False,
    ) -> None:
        """See ``Result.save``."""


class Save(Protocol):
    """Writes a result where the files say."""

    def __call__(self, result: Any, files: dict[str, Any], *, overwrite: bool) -> None:
        """Write it."""


def named(command: str, files: dict[str, Any]) -> dict[str, Any]:
    """The files of a command, its output among them: as given, in the folder given, or derived.

    Raises:
        ImpastoError: a value is out of range, the output is one of the inputs, or a terminal.
    """
    from impasto.runtime import Files, check_all

    files = check_all(Files, files)
    output = files.get("output")
    if output == STREAM:
        _check_stream(files)
        return files
    if output is None or output.endswith(os.sep) or os.path.isdir(output):
        output = _free_name(output or "", command, files)
    _check_inputs(output, files)
    return {**files, "output": output}


def encoding(files: dict[str, Any]) -> dict[str, Any]:
    """How a picture's file is encoded, as ``Result.save`` takes it."""
    how = {name: files.get(name) for name in ("format", "depth", "jpeg_quality")}
    if files.get("output") == STREAM and how["format"] is None:
        how["format"] = "png"
    return how


def save(result: Savable, files: dict[str, Any], *, overwrite: bool) -> None:
    """Write a result where the files say, and as they say.

    Raises:
        ImageError: it cannot be written.
    """
    how = encoding(files) | {"metadata": not files.get("no_metadata")}
    if files["output"] == STREAM:
        with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as stdout:
            result.save(stdout, **how)
    else:
        result.save(files["output"], overwrite=overwrite, **how)


def pictures(files: dict[str, Any]) -> dict[str, Any]:
    """The pictures of a command, one of them read from stdin if that is its name.

    Raises:
        ImpastoError: stdin is wanted twice, is a terminal, or has nothing.
    """
    from impasto.runtime import ImageError

    found = {name: files[name] for name in PICTURES if name in files}
    if files.get("region"):
        found["regions"] = make_regions(map(region_files, files["region"]))
    wanted = _paths(files).count(STREAM)
    if wanted > 1:
        raise ImageError(f"stdin is one picture, and - names it {wanted} times; give a file's name")
    if not wanted:
        return found
    data = _stdin()
    for name in PICTURES:
        value = found.get(name)
        if isinstance(value, tuple):
            found[name] = tuple(data if path == STREAM else path for path in value)
        elif value == STREAM:
            found[name] = data
    return found


def _stdin() -> bytes:
    from impasto.runtime import ImageError

    if sys.stdin is None or sys.stdin.isatty():
        raise ImageError("- is stdin, which is a terminal here; pipe a picture into it")
    data = sys.stdin.buffer.read()
    if not data:
        raise ImageError("- is stdin, which has nothing; pipe a picture into it")
    return data


def _paths(files: dict[str, Any]) -> list[str]:
    values = [files[name] for name in PICTURES if name in files]
    return [p for value in values for p in (value if isinstance(value, tuple) else [value])]


def _free_name(folder: str, command: str, files: dict[str, Any]) -> str:
    """``photo-painting.png``, or with a number if there is such a file."""
    named = _paths(files) + [region_files(word)[1] for word in files.get("region", ())]
    stems = [Path(path).stem if path != STREAM else "stdin" for path in named]
    if command != "stylize":
        stems.append(command)
    stem, kind = "-".join(stems)[:100] or command, files.get("format", "png")
    suffix = {"jpeg": "jpg", "tiff": "tif"}.get(kind, kind)
    for number in itertools.count(1):
        name = os.path.join(folder, f"{stem}{f'-{number}' if number > 1 else ''}.{suffix}")
        if not os.path.lexists(name):
            return name
    raise AssertionError


def _check_inputs(output: str, files: dict[str, Any]) -> None:
    from impasto.runtime import ImageError

    if not os.path.exists(output):
        return
    regions = [path for word in files.get("region", ()) for path in region_files(word)]
    for path in _paths(files) + regions:
        if path != STREAM and os.path.exists(path) and os.path.samefile(output, path):
            raise ImageError(f"{output} is one of the pictures to read; give the output a new name")


def _check_stream(files: dict[str, Any]) -> None:
    from impasto.runtime import Field, ImageError

    if sys.stdout.isatty():
        raise ImageError("- is stdout, which is a terminal here; pipe it, or name a file")
    for name in ("json", "save_every"):
        if files.get(name):
            raise ImageError("- is stdout, which ", Field(name), " needs too; name a file")
