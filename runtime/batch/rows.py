"""Rows: what a batch paints. A row is a picture, its styles, its settings and its output."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from impasto.runtime.errors import ImpastoError, SettingError
from impasto.runtime.settings import Settings, check_all, describe

TABLES = (".csv", ".jsonl")
"""Suffixes of files that have a row in each line."""
OWN = ("content", "style", "output", "regions")
IGNORED = ("error",)
"""What a batch says of a row that failed: the file that has them is a table, too."""


@dataclass(frozen=True, slots=True)
class Row:
    """One picture to paint, in one style or a blend of several."""

    content: str
    """A path, or an address for fsspec."""
    styles: tuple[str, ...]
    output: str
    """Below the batch's folder, with slashes."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What is given of Settings; the rest is the preset's."""
    regions: tuple[tuple[str, ...], ...] = ()
    """Paths of a mask, its style and perhaps the style's mask; ``styles`` are the rest's then."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All that is read for it."""
        return (self.content, *self.styles, *(path for files in self.regions for path in files))

    def in_shard(self, number: int, count: int) -> bool:
        """Whether it is in one of so many shards, from 1: by its output's name alone."""
        digest = hashlib.sha256(self.output.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8]) % count == number - 1

    def to_dict(self) -> dict[str, Any]:
        """As in a table, which ``read_table`` reads again."""
        own: dict[str, Any] = {"content": self.content, "style": list(self.styles)}
        if self.regions:
            own["regions"] = [list(files) for files in self.regions]
        return own | {"output": self.output, **self.settings}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: what it has of a row."""

    where: str
    """For sentences: ``rows.csv, line 7``."""
    content: str
    styles: tuple[str, ...]
    output: str
    """Empty: it is made from the others."""
    settings: Mapping[str, Any]
    regions: tuple[str | tuple[str, ...], ...] = ()
    """As words of a command line, or files."""

    @classmethod
    def of(cls, where: str, values: Mapping[str, Any]) -> Self:
        """Of values by their columns; what is None or an empty text is not there.

        Raises:
            SettingError: a column is unknown, or a value makes no sense.
            ImpastoError: there is no content.
        """
        given = {name: v for name, v in values.items() if v is not None and name not in IGNORED}
        content, styles, output, regions = (given.pop(name, "") for name in OWN)
        if not isinstance(content, str) or not content:
            raise ImpastoError(f"{where}: it has no content: give the path of a picture")
        found = [styles] if isinstance(styles, str) else styles
        if not isinstance(found, list) or not all(isinstance(s, str) for s in found):
            raise ImpastoError(f"{where}: style: give a path, or a list of them")
        if not isinstance(output, str):
            raise ImpastoError(f"{where}: output: give a name below the batch's folder")
        try:
            settings = check_all(Settings, given)
        except SettingError as error:
            raise SettingError(error.field, error.value, *error.mend, f" ({where})") from None
        parts = _regions(where, regions)
        return cls(where, content, tuple(s for s in found if s), output, settings, parts)


def _regions(where: str, given: Any) -> tuple[str | tuple[str, ...], ...]:
    """A word, or a list of words and of lists of files."""
    listed = given if isinstance(given, list) else [given] if given else []
    found = [tuple(part) if isinstance(part, list) else part for part in listed]
    for part in found:
        files = part if isinstance(part, tuple) else (part, "")
        if len(files) not in (2, 3) or not all(isinstance(path, str) for path in files):
            raise ImpastoError(f"{where}: regions: give a list of MASK:STYLE or MASK:STYLE:MASK")
    return tuple(found)


def is_table(path: str) -> bool:
    """Whether a file has rows, by its name."""
    return path.lower().endswith(TABLES)


def read_table(path: str, data: bytes) -> Iterator[Line]:
    """The lines of a .csv with a header, or of a .jsonl.

    A value of a .csv is read as JSON where its column holds no text and it is some.

    Raises:
        ImpastoError, SettingError: a line makes no sense; the sentence has its number.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImpastoError(f"{path}: no UTF-8 at byte {error.start}: save it as such") from None
    lines = _csv(path, text) if path.lower().endswith(".csv") else _jsonl(path, text)
    for number, values in lines:
        yield Line.of(f"{path}, line {number}", values)


def _csv(path: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for values in reader:
            number = reader.line_num
            if None in values or None in values.values():
                raise ImpastoError(f"{path}, line {number}: it has not as many values as columns")
            yield number, {n.strip(): _value(n.strip(), v) for n, v in values.items() if v.strip()}
    except csv.Error as error:
        raise ImpastoError(f"{path}, line {reader.line_num + 1}: no CSV: {error}") from None


def _jsonl(path: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise ImpastoError(f"{path}, line {number}: no JSON object")
        yield number, values


def _value(name: str, text: str) -> Any:
    """Of a cell: a path or a text as it is; a list of styles, a number, weights as JSON."""
    fields = describe(Settings)
    is_text = name in OWN or (name in fields and fields[name].hint is str)
    if is_text and not (name in ("style", "regions") and text.lstrip().startswith("[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
