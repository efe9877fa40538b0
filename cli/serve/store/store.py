"""The server's jobs: taken in, followed until they are done, kept for a while, and removed."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from impasto.cli.serve.job.folder import JobFolder, Order
from impasto.cli.serve.job.painting import sentence_of
from impasto.cli.serve.options import Service
from impasto.cli.serve.workers.local import Workers
from impasto.runtime import ImpastoError, show_bytes

from .admission import new_row, planned
from .following import Following
from .table import Row, Table

LOOK_EVERY, SWEEP_EVERY = 0.2, 5.0
"""Seconds."""


class TooManyError(ImpastoError):
    """A place that is not free now, and may be later."""


class DrainingError(ImpastoError):
    """The server is about to end."""


class FullError(ImpastoError):
    """The data folder has no room."""


class Store:
    """All jobs of a data folder."""

    def __init__(self, data: Path, options: Service, workers: Callable[[int], Workers]) -> None:
        """``workers`` makes who paints, told how many jobs are there from before."""
        self._root = data / "jobs"
        self._root.mkdir(parents=True, exist_ok=True)
        self.table = Table(data / "jobs.sqlite")
        self._options = options
        self._following = Following(self.table, self.folder, self._forget)
        self.draining = False
        self._seen: dict[str, float] = {}
        self._watchers: Counter[str] = Counter()
        self._accepting, self._over = threading.Lock(), threading.Event()
        self._swept = 0.0
        active = self.table.active()
        self._workers = workers(len(active))
        self._go_on(active)
        self._follower = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._follower.start()

    @property
    def problem(self) -> str:
        """Why jobs are not painted now; empty: they are."""
        return "the server is about to end" if self.draining else self._workers.problem

    def get(self, id: str) -> Row | None:
        """A job as it is now, if it is there."""
        row = self.table.get(id)
        if row is None or self.folder(id).is_removed:
            return None
        return self._following.read(row) if row.is_active else row

    def folder(self, id: str) -> JobFolder:
        """A job's."""
        return JobFolder(self._root / id)

    def ahead(self, row: Row) -> int:
        """How many jobs are before one that waits."""
        found = self._workers.ahead(row.id)
        if found is not None:
            return found
        ids = [other.id for other in self.table.active()]
        return ids.index(row.id) if row.id in ids else 0

    def when_ended(self, call: Callable[[Row], None]) -> None:
        """Have a function called with each job that has ended."""
        self._following.ended = call

    def expires(self, row: Row) -> float | None:
        """When a job that has ended is removed."""
        return None if row.ended is None else row.ended + self._options.keep

    def check_room(self, client: str) -> None:
        """See whether a client's next job has a place, before its pictures come.

        Raises:
            DrainingError, TooManyError: it has none.
        """
        if self.draining:
            raise DrainingError("the server is about to end: ask again when it is back")
        active = self.table.active()
        if sum(row.client == client for row in active) >= self._options.client_jobs:
            raise TooManyError(
                f"{self._options.client_jobs} jobs of yours wait or are painted: wait for one, or "
                "remove one"
            )
        if sum(row.status == "queued" for row in active) >= self._options.queue:
            raise TooManyError(f"{self._options.queue} jobs wait already: try again later")

    def accept(self, order: Order, pictures: Mapping[str, IO[bytes]], client: str) -> Row:
        """Take in a job: what is returned survives a restart.

        Raises:
            DrainingError, FullError, TooManyError: it has no place.
            ImageError, SettingError: it cannot be painted.
        """
        folder = self.folder(secrets.token_hex(8))
        folder.path.mkdir()
        try:
            for name, file in pictures.items():
                with open(folder.picture(name), "wb") as copy:
                    shutil.copyfileobj(file, copy)
            plan = planned(self._workers.jobs, folder, order, self._options)
            folder.write_order(order)
            with self._accepting:
                self.check_room(client)
                row = new_row(folder, order, plan, client)
                self._make_room(row.bytes)
                self.table.add(row)
        except BaseException:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        self.see(row.id)
        try:
            self._workers.send(folder)
        except ImpastoError:
            self._forget(row.id)
            raise
        return row

    def stop(self, row: Row) -> None:
        """End a job soon; what was painted is its result."""
        self.folder(row.id).ask("stop")
        if row.status == "paused":  # its picture is in the checkpoint
            self._send_again(row)

    def pause(self, row: Row) -> None:
        """Have a job go on later."""
        self.folder(row.id).ask("pause")

    def go_on(self, row: Row, client: str) -> None:
        """Paint a paused job further.

        Raises:
            DrainingError, TooManyError: it has no place.
        """
        with self._accepting:
            self.check_room(client)
            self.folder(row.id).ask("")
            self._send_again(row)

    def remove(self, id: str) -> None:
        """Forget a job, once it has ended."""
        row = self.table.get(id)
        if row is not None and row.is_active:
            self.folder(id).remove_later()
            self.stop(row)
        else:
            self._forget(id)

    def see(self, id: str, watching: int = 0) -> None:
        """Somebody asks for a job, begins to watch it (1), or no longer does (-1)."""
        if watching < 0 and id not in self._watchers:  # forgotten meanwhile
            return
        self._seen[id] = time.monotonic()
        self._watchers[id] += watching

    def drain(self) -> None:
        """Take no more jobs, and keep those that are painted, so that they go on later."""
        self.draining = True
        self._workers.close()

    def close(self) -> None:
        """End."""
        if not self.draining:
            self.drain()
        self._over.set()
        self._follower.join()
        self.table.close()

    def _make_room(self, needed: int) -> None:
        """Remove the oldest results until a job of so many bytes fits."""
        most = self._options.data_size
        for row in self.table.ended():
            if self.table.bytes() + needed <= most:
                return
            self._forget(row.id)
        if self.table.bytes() + needed > most:
            raise FullError(
                f"the job needs {show_bytes(needed)}, and the jobs that wait leave no room for it "
                f"in {show_bytes(most)}: try again later, or choose a smaller size"
            )

    def _go_on(self, rows: list[Row]) -> None:
        """Send those again that were there when the last server ended."""
        known = {row.id for row in rows} | {row.id for row in self.table.ended()}
        for path in self._root.iterdir():
            if path.name not in known:  # it was being taken in
                shutil.rmtree(path, ignore_errors=True)
        for row in rows:
            self.see(row.id)
            if not self._following.read(row).is_active:
                continue
            if not self._workers.is_elsewhere:
                self.table.update(row.id, status="queued")
            self._send(row, self.folder(row.id))

    def _follow(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self._workers.look()
            self._look()
        self._look()

    def _look(self) -> None:
        now = time.monotonic()
        for row in self.table.active():
            row = self._following.read(row)
            if not row.is_active:
                continue
            away = now - self._seen.get(row.id, now) > self._options.away
            if row.attended and away and not self._watchers[row.id]:
                self.stop(row)
        if now - self._swept > SWEEP_EVERY:
            self._swept = now
            for row in self.table.ended():
                if row.ended is not None and row.ended + self._options.keep < time.time():
                    self._forget(row.id)

    def _send_again(self, row: Row) -> None:
        folder = self.folder(row.id)
        folder.tell("status", status="queued", at=time.time())
        row = self._following.read(row)
        self._send(row, folder)

    def _send(self, row: Row, folder: JobFolder) -> None:
        """To whoever paints; a job that cannot be painted any more has failed."""
        try:
            self._workers.send(folder)
        except (ImpastoError, OSError, ValueError) as error:
            folder.path.mkdir(exist_ok=True)
            folder.tell("status", status="failed", error=sentence_of(error), at=time.time())

    def _forget(self, id: str) -> None:
        self.table.remove(id)
        shutil.rmtree(self.folder(id).path, ignore_errors=True)
        self._seen.pop(id, None)
        self._watchers.pop(id, None)
        self._following.drop(id)
