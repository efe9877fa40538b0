"""The index beside the outputs: of what each was painted, without asking the pictures.

A line is written before its output. So whatever is killed, an output that is there has its line,
and a line whose output is missing says nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO, Protocol

from impasto.runtime.errors import ImpastoError
from impasto.runtime.machine.outputs import telling

from .storage import Storage, join, storage_of

FOLDER = ".impasto"
"""Below the batch's, where it keeps what it needs to go on."""
Known = dict[str, str]
"""Of an output: the keys of what was painted, by SHA-256 of the file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, and what it was painted of."""

    output: str
    key: str
    """SHA-256 of inputs, settings, bundle and encoding."""
    digest: str
    """SHA-256 of the file."""


class Index(Protocol):
    """What is known of the outputs below a folder."""

    def known(self, output: str) -> Known:
        """What was painted under a name."""

    def add(self, entry: Entry) -> None:
        """Keep an entry, so that it survives whatever comes."""

    def close(self) -> None:
        """Write nothing more."""


def open_index(folder: str, writer: str) -> Index:
    """The index of a batch's folder; ``writer`` is a name that no other process has."""
    return LocalIndex(folder, writer) if storage_of(folder).local else RemoteIndex(folder)


class LocalIndex:
    """Lines of JSON that only grow: a file for each writer, all of them read at the start."""

    def __init__(self, folder: str, writer: str) -> None:
        self._folder = join(folder, FOLDER)
        self._path = os.path.join(self._folder, f"index-{writer}.jsonl")
        self._file: IO[bytes] | None = None
        self._known: dict[str, Known] = {}

    def load(self, wanted: Container[str]) -> None:
        """Read what all writers know of some outputs."""
        for entry in _lines(self._folder):
            if entry.output in wanted:
                self._known.setdefault(entry.output, {})[entry.digest] = entry.key

    def known(self, output: str) -> Known:
        """See Index: of what was loaded."""
        return self._known.get(output, {})

    def add(self, entry: Entry) -> None:
        """See Index."""
        with telling(self._path):
            if self._file is None:
                self._file = self._opened()
            line = json.dumps(asdict(entry)).encode() + b"\n"
            if self._file.write(line) != len(line):  # unbuffered: as much as fits
                raise OSError(28, os.strerror(28))
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """See Index."""
        if self._file:
            self._file.close()

    def _opened(self) -> IO[bytes]:
        """To go on below what a process left that was killed while it wrote a line."""
        os.makedirs(self._folder, exist_ok=True)
        file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - as long as this lives
        if file.tell():
            file.write(b"\n")
        return file


def _lines(folder: str) -> Iterator[Entry]:
    """All entries that are whole; of lines that are not, the outputs are not there."""
    if not os.path.isdir(folder):
        return
    for name in sorted(os.listdir(folder)):
        if not (name.startswith("index-") and name.endswith(".jsonl")):
            continue
        path = os.path.join(folder, name)
        try:
            with open(path, "rb") as file:
                for line in file:
                    with suppress(ValueError, TypeError):
                        yield Entry(**json.loads(line))
        except OSError as error:
            raise ImpastoError(f"{path}: cannot be read: {error.strerror}") from None


class RemoteIndex:
    """Where files do not grow: one small object for each output and content of it."""

    def __init__(self, folder: str) -> None:
        self._storage: Storage = storage_of(folder)
        self._folder = join(folder, f"{FOLDER}/index")

    def known(self, output: str) -> Known:
        """See Index."""
        path = self._path(output)
        if self._storage.digest(path) is None:
            return {}
        with suppress(ValueError):
            found = json.loads(self._storage.read(path))
            if isinstance(found, dict):
                return {str(digest): str(key) for digest, key in found.items()}
        return {}

    def add(self, entry: Entry) -> None:
        """See Index: beside what was known, since the output of that may be there still."""
        known = self.known(entry.output) | {entry.digest: entry.key}
        path = self._path(entry.output)
        self._storage.write(path, json.dumps(known).encode(), overwrite=True)

    def close(self) -> None:
        """See Index."""

    def _path(self, output: str) -> str:
        return join(self._folder, f"{hashlib.sha256(output.encode()).hexdigest()}.json")
