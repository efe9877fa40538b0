"""Jobs that other machines paint: the server's side."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from impasto.cli.serve.job.folder import OVER, JobFolder
from impasto.cli.serve.options import Service
from impasto.runtime import Jobs

from .queue import Queue, shown
from .signs import machines

LOOK_EVERY = 1.0
"""Seconds between looks at Redis and at the machines."""


class Remote:
    """Sends the next jobs as there are machines for them, so that priorities count to the last."""

    is_elsewhere = True

    def __init__(self, queue: Queue, data: Path, options: Service, jobs: Jobs) -> None:
        """``jobs`` plans; it paints nothing."""
        self.jobs = jobs
        self._queue, self._data, self._options = queue, data, options
        self._waiting: list[tuple[int, float, str, JobFolder]] = []
        self._sent: dict[str, JobFolder] = {}
        self._life: str | None = queue.life()
        self._room, self._looked = 1, 0.0
        self._lock = threading.RLock()
        self.problem = ""
        self._look_around()

    def send(self, folder: JobFolder) -> None:
        """Have it painted when its turn comes."""
        order = folder.order()
        with self._lock:
            self._sent.pop(folder.id, None)  # it was left for later
            self._waiting.append((-order.priority, order.created, folder.id, folder))
            self._waiting.sort(key=lambda entry: entry[:3])

    def ahead(self, id: str) -> int | None:
        """Those that are sent, and those before it that are not."""
        with self._lock:
            if id in self._sent:
                return 0
            ids = [entry[2] for entry in self._waiting]
            return len(self._sent) + ids.index(id) if id in ids else None

    def look(self) -> None:
        """Send what there is room for; all again that was sent, where Redis has begun anew."""
        with self._lock:
            self._sent = {id: folder for id, folder in self._sent.items() if _is_there(folder)}
            self._conclude()
            if time.monotonic() - self._looked > LOOK_EVERY:
                self._look_around()
            while self._waiting and len(self._sent) < self._room:
                *_, id, folder = self._waiting[0]
                if not self._queue.send(id):
                    return
                del self._waiting[0]
                self._sent[id] = folder

    def close(self) -> None:
        """Nothing: what is painted goes on without the server."""

    def _look_around(self) -> None:
        self._looked = time.monotonic()
        present = machines(self._data, self._options.dead_after)
        self._room = 1 + sum(int(str(machine.get("at_once", 1))) for machine in present)
        life = self._queue.life()
        if life is None:
            self.problem = f"{shown(self._queue.url)} cannot be reached"
            return
        self.problem = "" if present else "no machine paints: start `impasto work` on one"
        if life != self._life and self._send_all():
            self._life = life  # what it had forgotten is there again; twice does no harm

    def _send_all(self) -> bool:
        return all(self._queue.send(id) for id in self._sent)

    def _conclude(self) -> None:
        """End those that are not painted by anybody, where somebody asked for that."""
        folders = [*self._sent.values(), *(entry[3] for entry in self._waiting)]
        for folder in folders:
            asked = folder.asked
            if not asked or (folder.path / "lease").exists():
                continue
            if asked == "stop" and folder.checkpoint.exists() and self.problem == "":
                continue  # who takes it makes a picture of the checkpoint
            status = "paused" if asked == "pause" else "cancelled"
            folder.tell("status", status=status, at=time.time())
            self._waiting = [entry for entry in self._waiting if entry[2] != folder.id]
            self._sent.pop(folder.id, None)


def _is_there(folder: JobFolder) -> bool:
    """Whether there is still something to be done."""
    return folder.path.exists() and folder.status not in (*OVER, "paused")
