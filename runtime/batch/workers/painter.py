"""One row, from its files to its output: what every worker does, whoever started it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from typing import Any, Literal

from impasto.runtime.batch.index import Entry, Index, Known, open_index
from impasto.runtime.batch.rows import Row
from impasto.runtime.batch.storage import join, storage_of
from impasto.runtime.engine import Engine
from impasto.runtime.errors import DivergenceError, Field, ImageError, ImpastoError
from impasto.runtime.inputs import Inputs, make_regions
from impasto.runtime.machine.atomic import is_full
from impasto.runtime.pictures.sources import Source
from impasto.runtime.pictures.writing.encode import Encoding, encoding
from impasto.runtime.results.result import Step
from impasto.runtime.run import Run
from impasto.runtime.settings import Settings

Status = Literal["painted", "skipped", "failed", "given up"]
KEPT = 16
"""Styles whose hashes, and bytes if they are not here, are kept."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a row."""

    row: Row
    status: Status
    """``skipped``: it was there, of the same inputs and settings."""
    problem: ImpastoError | None = None
    """Why it failed."""
    seconds: float = 0.0
    loss: float | None = None
    full: bool = False
    """Whether it failed because the disk of the outputs is full: so would the others."""

    @property
    def error(self) -> str:
        """Why it failed, in a sentence; empty: it did not."""
        return str(self.problem) if self.problem else ""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What every worker of a batch has to know."""

    model: str | None
    output: str
    """The batch's folder."""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """What ``Engine.load`` takes."""
    max_pixels: int | None = None
    depth: int | None = None
    jpeg_quality: int | None = None
    metadata: bool = True
    overwrite: bool = False

    def encoding(self, row: Row) -> Encoding:
        """How a row's output is written."""
        depth = self.depth if row.output.lower().endswith((".png", ".tif", ".tiff")) else None
        return encoding(row.output, depth=depth, jpeg_quality=self.jpeg_quality)


def _told(error: Exception) -> ImpastoError:
    """As it is, without the picture that it may hold; what nobody foresaw is told, too."""
    if isinstance(error, DivergenceError):
        return ImpastoError(str(error))
    return error if isinstance(error, ImpastoError) else ImpastoError(f"{error!r}")


class Painter:
    """Paints rows with one engine, one after the other."""

    def __init__(self, setup: Setup, writer: str) -> None:
        """``writer`` is a name in the index that no other painter has.

        Raises:
            ImpastoError: as ``Engine.load``.
        """
        self.engine: Engine = Engine.load(setup.model, **setup.machine)
        self._setup, self._storage = setup, storage_of(setup.output)
        self._index: Index = open_index(setup.output, writer)
        self._styles: dict[str, tuple[Source, str]] = {}
        self._run: Run | None = None
        self._cancelled = False
        self.idle: threading.Lock = threading.Lock()
        """Held while a row is painted."""

    def paint(
        self,
        row: Row,
        known: Known | None = None,
        on_step: Callable[[Step], object] | None = None,
    ) -> Outcome:
        """What becomes of a row; it never raises what the row is to blame for.

        ``known``: what the index has of the output, if the caller knows.
        """
        started = time.perf_counter()
        try:
            with self.idle:
                found = self._paint(row, known, on_step)
        except Exception as error:
            found = Outcome(row=row, status="failed", problem=_told(error), full=is_full(error))
        return replace(found, seconds=time.perf_counter() - started)

    def cancel(self) -> None:
        """Give up the row that is painted, and those that come; any thread may say so."""
        self._cancelled = True
        if run := self._run:
            run.cancel()

    def _paint(
        self, row: Row, known: Known | None, on_step: Callable[[Step], object] | None
    ) -> Outcome:
        content, digest = storage_of(row.content).source(row.content)
        read = {path: self._style(path) for path in row.paths[1:]}
        regions = make_regions(row.regions, lambda path: read[path][0])
        styles = [read[path][0] for path in row.styles]
        inputs = Inputs.of(content, styles, None, regions)
        settings = self.engine.settings(
            styles=len(inputs.styles), regions=len(inputs.regions), **row.settings
        )
        digests: list[Any] = [digest, *(read[path][1] for path in row.styles)]
        if row.regions:
            digests.append([[read[path][1] for path in files] for files in row.regions])
        key = self._key(settings, row, digests)
        path = join(self._setup.output, row.output)
        known = self._index.known(row.output) if known is None else known
        if self._is_there(path, key, known):
            return Outcome(row=row, status="skipped")
        self._storage.prepare(path, self._setup.overwrite)
        if self._cancelled:
            return Outcome(row=row, status="given up")
        run = self._run = self.engine.start(
            content,
            styles,
            regions=regions,
            max_pixels=self._setup.max_pixels,
            **row.settings,
        )
        result = run.finish(on_step=on_step, cancel=lambda: self._cancelled)
        self._run = None
        if self._cancelled:
            return Outcome(row=row, status="given up")
        how = asdict(self._setup.encoding(row))
        file = BytesIO()
        result.save(file, metadata=self._setup.metadata, **how)
        self._write(path, row, key, file.getvalue())
        return Outcome(row=row, status="painted", loss=result.loss)

    def _write(self, path: str, row: Row, key: str, data: bytes) -> None:
        """The index first: so what is there is always known."""
        digest = hashlib.sha256(data).hexdigest()
        self._index.add(Entry(row.output, key, digest))
        try:
            self._storage.write(path, data, overwrite=self._setup.overwrite)
        except ImageError:
            if self._storage.digest(path) != digest:  # else another painter of the row was faster
                raise

    def _is_there(self, path: str, key: str, known: Known) -> bool:
        """Whether it need not be painted.

        Raises:
            ImageError: something else is there, and must not be replaced.
        """
        there = self._storage.digest(path)
        if there is None:
            return False
        if known.get(there) == key:
            return True
        if not self._setup.overwrite:
            what = "other inputs or settings" if there in known else "what this batch does not know"
            raise ImageError(f"{path} exists already, of {what}; pass ", Field("overwrite"))
        return False

    def _style(self, path: str) -> tuple[Source, str]:
        found = self._styles.pop(path, None) or storage_of(path).source(path)
        self._styles[path] = found
        if len(self._styles) > KEPT:
            del self._styles[next(iter(self._styles))]
        return found

    def _key(self, settings: Settings, row: Row, digests: list[Any]) -> str:
        """SHA-256 of all that decides the output, but not of threads and memory.

        Of Settings what is not the default: a field that is added later changes no key.
        """
        default = asdict(Settings())
        said = {name: v for name, v in asdict(settings).items() if v != default[name]}
        how = asdict(self._setup.encoding(row)) | {"metadata": self._setup.metadata}
        whole = [digests, said, self.engine.digest, how]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
