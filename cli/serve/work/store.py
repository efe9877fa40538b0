"""The server's jobs: taken in, followed until they are done, kept for a while, and removed."""

from __future__ import annotations

import math
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from impasto.cli.serve.options import Service
from impasto.runtime import ImpastoError, SettingError, show_bytes

from .folder import Event, JobFolder, Order
from .local import Crew
from .painting import sentence_of
from .table import Row, Table

if TYPE_CHECKING:
    from impasto.runtime import Engine, Plan

LOOK_EVERY, SWEEP_EVERY = 0.2, 5.0
"""Seconds."""
FLOAT_RGB = 12
"""Bytes of a pixel."""
SPARE = 1 << 20
"""Bytes of a job's events, previews and the rest."""


class TooManyError(ImpastoError):
    """A place that is not free now, and may be later."""


class DrainingError(ImpastoError):
    """The server is about to end."""


class FullError(ImpastoError):
    """The data folder has no room."""


class Store:
    """All jobs of a data folder."""

    def __init__(
        self, data: Path, engine: Engine, options: Service, crew: Callable[[int], Crew]
    ) -> None:
        """``crew`` makes who paints, told how many jobs are there from before."""
        self._root = data / "jobs"
        self._root.mkdir(parents=True, exist_ok=True)
        self.table = Table(data / "jobs.sqlite")
        self._engine, self._options = engine, options
        self.ended: Callable[[Row], None] = lambda row: None
        """Called with each job that has ended."""
        self.draining = False
        self._seen: dict[str, float] = {}
        self._watchers: Counter[str] = Counter()
        self._places: dict[str, int] = {}
        self._accepting, self._over = threading.Lock(), threading.Event()
        self._swept = 0.0
        active = self.table.active()
        self._crew = crew(len(active))
        self._go_on(active)
        self._follower = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._follower.start()

    @property
    def problem(self) -> str:
        """Why jobs are not painted now; empty: they are."""
        return "the server is about to end" if self.draining else self._crew.problem

    def get(self, id: str) -> Row | None:
        """A job, if it is there."""
        row = self.table.get(id)
        return None if row is None or self.folder(id).is_removed else row

    def folder(self, id: str) -> JobFolder:
        """A job's."""
        return JobFolder(self._root / id)

    def ahead(self, row: Row) -> int:
        """How many jobs are before one that waits."""
        found = self._crew.ahead(row.id)
        if found is not None:
            return found
        ids = [other.id for other in self.table.active()]
        return ids.index(row.id) if row.id in ids else 0

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
            plan = self._plan(folder, order)
            folder.write_order(order)
            with self._accepting:
                self.check_room(client)
                row = self._row(folder, order, plan, client)
                self._make_room(row.bytes)
                self.table.add(row)
        except BaseException:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        self.see(row.id)
        try:
            self._crew.send(folder, order.within)
        except ImpastoError:
            self._forget(row.id)
            raise
        return row

    def stop(self, id: str) -> None:
        """End a job soon; what was painted is its result."""
        self.folder(id).ask_to_stop()

    def remove(self, id: str) -> None:
        """Forget a job, once it has ended."""
        row = self.table.get(id)
        if row is not None and row.is_active:
            self.folder(id).remove_later()
            self.stop(id)
        else:
            self._forget(id)

    def see(self, id: str, watching: int = 0) -> None:
        """Somebody asks for a job, begins to watch it (1), or no longer does (-1)."""
        if watching < 0 and id not in self._watchers:  # forgotten meanwhile
            return
        self._seen[id] = time.monotonic()
        self._watchers[id] += watching

    def close(self) -> None:
        """Suspend what is painted, and end."""
        self.draining = True
        self._crew.close()
        self._over.set()
        self._follower.join()
        self.table.close()

    def _plan(self, folder: JobFolder, order: Order) -> Plan:
        """What would be done.

        Raises:
            ImageError, SettingError: nothing can be.
        """
        found = {name: folder.picture(name) for name in ("content", "init_image")}
        content, image = (p if n in order.pictures else None for n, p in found.items())
        try:
            plan = self._engine.plan(
                content, folder.styles(order), init_image=image, **order.settings
            )
        except ImpastoError as error:
            words = [
                folder.spoken(part, order) if isinstance(part, str) else part for part in error.args
            ]
            error.args = tuple(words)
            raise
        height, width = plan.size
        if height * width > self._options.result_pixels:
            raise SettingError(
                "size",
                order.settings.get("size"),
                f"{width} x {height} pixels are more than the {self._options.result_pixels} that "
                "this server paints: choose a smaller one",
            )
        return plan

    def _row(self, folder: JobFolder, order: Order, plan: Plan, client: str) -> Row:
        height, width = plan.size
        images = max(2 * scale.history + 8 for scale in plan.scales)
        checkpoint = images * FLOAT_RGB * math.prod(plan.size)
        about = {
            "width": width,
            "height": height,
            "scales": len(plan.scales),
            "settings": vars(plan.settings),
            "pictures": order.pictures,
            "notes": [],
        }
        return Row(
            id=folder.id,
            client=client,
            status="queued",
            priority=order.priority,
            attended=order.attended,
            created=time.time(),
            bytes=folder.size() + 2 * checkpoint + 6 * math.prod(plan.size) + SPARE,
            about=about,
        )

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
            self._read_events(row)
            if (now := self.table.get(row.id)) is None or not now.is_active:
                continue
            self.table.update(row.id, status="queued")
            folder = self.folder(row.id)
            try:
                order = folder.order()
                within = order.within and max(0.001, order.within - (time.time() - row.created))
                self._crew.send(folder, within)
            except (ImpastoError, OSError, ValueError) as error:
                told = {"status": "failed", "error": sentence_of(error), "at": time.time()}
                folder.path.mkdir(exist_ok=True)
                folder.tell("status", **told)

    def _follow(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self._crew.look()
            self._look()
        self._look()

    def _look(self) -> None:
        now = time.monotonic()
        for row in self.table.active():
            self._read_events(row)
            away = now - self._seen.get(row.id, now) > self._options.away
            if row.attended and away and not self._watchers[row.id]:
                self.stop(row.id)
        if now - self._swept > SWEEP_EVERY:
            self._swept = now
            for row in self.table.ended():
                if row.ended is not None and row.ended + self._options.keep < time.time():
                    self._forget(row.id)

    def _read_events(self, row: Row) -> None:
        """Put what has happened to a job into the table."""
        for event in self.folder(row.id).events(self._places.get(row.id, 0)):
            self._places[row.id] = event.place
            row = self._read_event(row, event)

    def _read_event(self, row: Row, event: Event) -> Row:
        data: dict[str, Any] = dict(event.data)
        if event.name == "note":
            about = row.about | {"notes": [*row.about["notes"], data["text"]]}
            self.table.update(row.id, about=about)
            return replace(row, about=about)
        if event.name != "status":
            return row
        status, at = data.pop("status"), data.pop("at", time.time())
        if status == "running":
            started = row.started or at
            self.table.update(row.id, status=status, started=started)
            return replace(row, status=status, started=started)
        row = replace(row, status=status, ended=at, about=row.about | data)
        if self.folder(row.id).is_removed:
            self.ended(row)
            self._forget(row.id)
            return row
        size = self.folder(row.id).size()
        self.table.update(row.id, status=status, ended=at, about=row.about, bytes=size)
        self.ended(row)
        return row

    def _forget(self, id: str) -> None:
        self.table.remove(id)
        shutil.rmtree(self.folder(id).path, ignore_errors=True)
        for memory in (self._seen, self._watchers, self._places):
            memory.pop(id, None)
