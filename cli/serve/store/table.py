"""The table of all jobs, in SQLite: what the server knows of each."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from impasto.runtime import ImpastoError

Status = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
ACTIVE = ("queued", "running")
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, client TEXT NOT NULL, status TEXT NOT NULL, priority INTEGER NOT NULL,
    attended INTEGER NOT NULL, created REAL NOT NULL, started REAL, ended REAL,
    bytes INTEGER NOT NULL, place INTEGER NOT NULL, about TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_status ON jobs (status, created);
PRAGMA user_version = 1;
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A job. Times are seconds since 1970."""

    id: str
    client: str
    status: Status
    priority: int
    attended: bool
    created: float
    started: float | None = None
    ended: float | None = None
    bytes: int
    """Of its folder, as it is when the job has ended; as expected, before."""
    place: int = 0
    """How far its events have been read; steps are read by who wants them."""
    about: dict[str, Any] = field(default_factory=dict)
    """What is shown of it: settings, size, scales, pictures, notes, error, loss."""

    @property
    def is_active(self) -> bool:
        """Whether it waits or is painted."""
        return self.status in ACTIVE


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))


class Table:
    """Rows by id. Any thread may ask; what is written is on the disk before the call returns."""

    def __init__(self, path: Path) -> None:
        try:
            self._database = sqlite3.connect(
                path, timeout=1, isolation_level=None, check_same_thread=False
            )
            # One server a folder: the lock ends with the process, however that ends.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise ImpastoError(
                    f"{path.parent} is another server's: stop that one, or choose another folder"
                ) from None
            raise ImpastoError(f"{path} cannot be opened: {error}") from None
        except sqlite3.DatabaseError as error:
            raise ImpastoError(
                f"{path}: no table of jobs ({error}); move it away, or choose another folder"
            ) from None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            self._database.close()

    def add(self, row: Row) -> None:
        """A new one."""
        marks = ", ".join("?" * len(COLUMNS))
        self._write(f"INSERT INTO jobs ({', '.join(COLUMNS)}) VALUES ({marks})", _values(row))

    def update(self, id: str, **changes: Any) -> None:
        """Change some columns of one."""
        if "about" in changes:
            changes["about"] = json.dumps(changes["about"])
        names = ", ".join(f"{name} = ?" for name in changes)
        self._write(f"UPDATE jobs SET {names} WHERE id = ?", (*changes.values(), id))

    def remove(self, id: str) -> None:
        """Forget one."""
        self._write("DELETE FROM jobs WHERE id = ?", (id,))

    def get(self, id: str) -> Row | None:
        """One, if it is there."""
        return next(iter(self._read("WHERE id = ?", id)), None)

    def active(self) -> list[Row]:
        """Those that wait or are painted, in the order in which their turn comes."""
        return self._read("WHERE status IN (?, ?) ORDER BY priority DESC, created", *ACTIVE)

    def ended(self) -> list[Row]:
        """The others, the oldest first."""
        return self._read("WHERE status NOT IN (?, ?) ORDER BY ended", *ACTIVE)

    def latest(self, limit: int, before: float) -> list[Row]:
        """Those that were submitted before a time, the latest first."""
        return self._read("WHERE created < ? ORDER BY created DESC LIMIT ?", before, limit)

    def counts(self) -> dict[str, int]:
        """How many there are in each status."""
        with self._lock:
            return dict(self._database.execute("SELECT status, count(*) FROM jobs GROUP BY status"))

    def bytes(self) -> int:
        """Of all folders."""
        with self._lock:
            found = self._database.execute("SELECT coalesce(sum(bytes), 0) FROM jobs").fetchone()
        return int(found[0])

    def _read(self, where: str, *values: Any) -> list[Row]:
        with self._lock:
            found = self._database.execute(
                f"SELECT {', '.join(COLUMNS)} FROM jobs {where}", values
            ).fetchall()
        return [_row(values) for values in found]

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._lock:
            self._database.execute(statement, values)


def _values(row: Row) -> tuple[Any, ...]:
    return tuple(
        json.dumps(value) if name == "about" else value
        for name, value in ((name, getattr(row, name)) for name in COLUMNS)
    )


def _row(values: tuple[Any, ...]) -> Row:
    found = dict(zip(COLUMNS, values, strict=True))
    found["about"], found["attended"] = json.loads(found["about"]), bool(found["attended"])
    return Row(**found)
