"""What happens to jobs, from their folders into the table."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from impasto.cli.serve.job.folder import Event, JobFolder

from .table import Row, Table


class Following:
    """Reads each job's events once."""

    def __init__(
        self, table: Table, folder: Callable[[str], JobFolder], forget: Callable[[str], None]
    ) -> None:
        """``forget`` is called with the id of a job that was to be removed at its end."""
        self._table, self._folder, self._forget = table, folder, forget
        self.ended: Callable[[Row], None] = lambda row: None
        """Called with each job that has ended."""
        self._places: dict[str, int] = {}
        self._reading = threading.Lock()

    def read(self, row: Row) -> Row:
        """A job as it is after all that has happened to it by now."""
        with self._reading:
            row = self._table.get(row.id) or row
            place = max(row.place, self._places.get(row.id, 0))
            return self._read(row, place)

    def drop(self, id: str) -> None:
        """A job is no more."""
        self._places.pop(id, None)

    def _read(self, row: Row, place: int) -> Row:
        folder = self._folder(row.id)
        for event in folder.events(place):
            self._places[row.id] = event.place
            if event.name == "note":
                about = row.about | {"notes": [*row.about["notes"], event.data["text"]]}
                row = self._changed(row, about=about, place=event.place)
            elif event.name == "status":
                row = self._status(row, event, folder)
        return row

    def _status(self, row: Row, event: Event, folder: JobFolder) -> Row:
        data: dict[str, Any] = dict(event.data)
        status, at = data.pop("status"), data.pop("at", time.time())
        place = event.place
        if status == "queued":  # it goes on
            return self._changed(row, status=status, ended=None, place=place)
        if status == "running":
            return self._changed(row, status=status, started=row.started or at, place=place)
        if status != "paused":
            self.ended(replace(row, status=status, ended=at))
        if folder.is_removed:
            self._forget(row.id)
            return replace(row, status=status)
        about, size = row.about | data, folder.size()
        return self._changed(row, status=status, ended=at, about=about, bytes=size, place=place)

    def _changed(self, row: Row, **changes: Any) -> Row:
        self._table.update(row.id, **changes)
        return replace(row, **changes)
