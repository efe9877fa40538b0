"""From what a user names to rows: pictures, folders of them, tables; each content in each style.

All that can be refused is refused here, before anything is painted.
"""

from __future__ import annotations

import json
import os
import posixpath
import string
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.errors import Field, ImageError, SettingError
from impasto.runtime.inputs import Inputs, make_regions, region_files
from impasto.runtime.pictures.writing.encode import encoding
from impasto.runtime.settings import Settings, check_all, describe, resolve

from .index import FOLDER
from .rows import Line, Row, is_table, read_table
from .storage import REMOTE, check_there, join, picture_files, storage_of

NAME = "{stem}-{style}.png"
OWN = ("stem", "style", "suffix")


def make_rows(
    inputs: Sequence[str],
    styles: Sequence[str],
    output: str,
    *,
    manifest: Manifest,
    recursive: bool = False,
    name: str = NAME,
    settings: Mapping[str, Any] | None = None,
) -> list[Row]:
    """The rows of a batch, in the order of their inputs.

    Args:
        inputs: pictures, folders of them, and tables (.csv, .jsonl), whose lines may have styles,
            an output and settings of their own. Names in a table are relative to it.
        styles: pictures and folders of them; each content is painted in each.
        output: the batch's folder. It may be in one of ``inputs``, and is not read then.
        manifest: of the bundle, for what Settings may say.
        recursive: whether folders in folders are read.
        name: of an output, below the folder that its content has in its input: ``stem`` of the
            content, ``style`` (stems of the styles), ``suffix`` of the content, or a field of
            Settings, in braces.
        settings: of all rows; a table's own win.

    Raises:
        ImageError: a folder cannot be read, two outputs have one name, or one is an input.
        SettingError: a value makes no sense.
    """
    naming = _Naming(name, manifest, check_all(Settings, settings or {}))
    paintings = [path for style in styles for path in picture_files(style, recursive, output)]
    rows = [naming.row(line, below) for line, below in _lines(inputs, paintings, recursive, output)]
    if not rows:
        raise ImageError("there is nothing to paint: no picture was found; name some, or a folder")
    _check_names(rows, output)
    return rows


def _lines(
    inputs: Iterable[str], paintings: Sequence[str], recursive: bool, output: str
) -> Iterator[tuple[Line, str]]:
    """A line for each row, and the folder below the output where it belongs."""
    for path in inputs:
        if is_table(path):
            for line in read_table(path, storage_of(path).read(path)):
                yield from ((one, "") for one in _of_table(line, _parent(path), paintings))
            continue
        for below, content in _contents(path, recursive, output):
            if not paintings:
                raise SettingError("style", None, "there is no painting: give one")
            yield from ((Line(content, content, (s,), "", {}), below) for s in paintings)


def _of_table(line: Line, folder: str, paintings: Sequence[str]) -> Iterator[Line]:
    """With its own styles, or once in each of the batch's."""
    content = join(folder, line.content)
    own = tuple(join(folder, style) for style in line.styles)
    regions = tuple(_files(part, folder, line.where) for part in line.regions)
    if not own and not paintings and not regions:
        raise SettingError("style", None, f"there is no painting: give one ({line.where})")
    for styles in [(style,) for style in paintings] if paintings and not own else [own]:
        yield Line(line.where, content, styles, line.output, line.settings, regions)


def _files(part: str | tuple[str, ...], folder: str, where: str) -> tuple[str, ...]:
    """The files of a region, as they are from here."""
    try:
        files = region_files(part, folder) if isinstance(part, str) else part
    except SettingError as error:
        raise SettingError("regions", part, *error.mend, f" ({where})") from None
    return tuple(join(folder, path) for path in files)


def _contents(path: str, recursive: bool, output: str) -> Iterator[tuple[str, str]]:
    """Pictures, each with the folder that it has in what was named."""
    storage = storage_of(path)
    if not storage.is_folder(path):
        check_there(path)
        yield "", path
        return
    if _same(path, output):
        raise ImageError(f"{output} is the folder to read; give the output another")
    for found in storage.pictures(path, recursive, output):
        yield posixpath.dirname(found), join(path, found)


class _Naming:
    """Names outputs, and sees whether settings make sense, each combination once."""

    def __init__(self, name: str, manifest: Manifest, given: Mapping[str, Any]) -> None:
        self._name, self._manifest, self._given = name, manifest, dict(given)
        known = {*OWN, *describe(Settings)}
        try:
            parsed = [
                field for _, field, _, _ in string.Formatter().parse(name) if field is not None
            ]
        except ValueError as error:
            raise SettingError("name", name, f"give braces in pairs ({error})") from None
        for field in parsed:
            if field not in known:
                mend = f"{{{field}}} is no name; there are {', '.join(OWN)} and all settings"
                raise SettingError("name", name, mend)
        self._fields = parsed
        self._resolved: dict[str, dict[str, Any]] = {}

    def row(self, line: Line, below: str) -> Row:
        """The row of a line, whose output goes below a folder."""
        settings = self._merged(line.settings)
        regions = tuple(files for files in line.regions if isinstance(files, tuple))
        resolved = self._resolve(settings, line, regions)
        output = line.output or posixpath.join(below, self._made(line, resolved))
        _check_output(output, line.where if line.output else self._name)
        return Row(line.content, line.styles, posixpath.normpath(output), settings, regions)

    def _merged(self, own: Mapping[str, Any]) -> Mapping[str, Any]:
        """A table's own win, and end a quarrel of two fields."""
        if not own:
            return self._given
        excluded = {o for name in own for o in describe(Settings)[name].about.excludes}
        return {n: v for n, v in self._given.items() if n not in excluded} | dict(own)

    def _resolve(
        self, settings: Mapping[str, Any], line: Line, regions: Sequence[tuple[str, ...]]
    ) -> dict[str, Any]:
        masks = [files[0] for files in regions]
        parts = len({*masks}) + bool(masks and line.styles)
        key = json.dumps([settings, len(line.styles) + len(masks), parts], sort_keys=True)
        if key not in self._resolved:
            try:
                inputs = Inputs.of(line.content, line.styles, None, make_regions(regions))
                there = {"styles": len(inputs.styles), "regions": len(inputs.regions)}
                found = resolve(self._manifest, settings, content=True, image=False, **there)
            except SettingError as error:
                if not line.settings and not line.regions:
                    raise
                where = f" ({line.where})"
                raise SettingError(error.field, error.value, *error.mend, where) from None
            self._resolved[key] = asdict(found)
        return self._resolved[key]

    def _made(self, line: Line, resolved: Mapping[str, Any]) -> str:
        base, suffix = os.path.splitext(_base(line.content))
        named = [*line.styles, *(files[1] for files in line.regions)]
        styles = "-".join(os.path.splitext(_base(style))[0] for style in named)
        values = {"stem": base, "style": styles, "suffix": suffix[1:]}
        given = {field: values.get(field, resolved.get(field)) for field in self._fields}
        try:
            return self._name.format(**given).replace(os.sep, "/")
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise SettingError("name", self._name, f"it cannot be filled in ({error})") from None


def _check_output(output: str, where: str) -> None:
    """See whether a name is one of a picture below the folder."""
    normal = posixpath.normpath(output.replace(os.sep, "/"))
    if REMOTE in output or os.path.isabs(output) or normal.split("/")[0] in ("..", FOLDER):
        raise ImageError(f"{where}: {output} is not below the batch's folder; give a name that is")
    encoding(normal)


def _check_names(rows: Sequence[Row], output: str) -> None:
    """See whether each row has a name to itself, on a disk that knows no capitals, too."""
    seen: dict[str, Row] = {}
    for row in rows:
        key = unicodedata.normalize("NFC", row.output).casefold()
        other = seen.setdefault(key, row)
        if other is not row:
            first, second = (f"{r.content} in {' and '.join(r.paths[1:])}" for r in (other, row))
            raise ImageError(
                f"{first} and {second} would both be {row.output}; tell them apart with ",
                Field("name"),
            )
    if REMOTE in output:
        return
    inputs = {os.path.realpath(path) for row in rows for path in row.paths}
    for row in rows:
        if os.path.realpath(join(output, row.output)) in inputs:
            raise ImageError(
                f"{join(output, row.output)} is one of the pictures to read; give the output "
                "another folder or ",
                Field("name"),
            )


def _same(path: str, other: str) -> bool:
    if REMOTE in path or REMOTE in other:
        return path.rstrip("/") == other.rstrip("/")
    return os.path.realpath(path) == os.path.realpath(other)


def _parent(path: str) -> str:
    return posixpath.dirname(path) if REMOTE in path else os.path.dirname(path)


def _base(path: str) -> str:
    return posixpath.basename(path) if REMOTE in path else os.path.basename(path)
