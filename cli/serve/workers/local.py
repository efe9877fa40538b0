"""Jobs that are painted here, in the server's own process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from impasto.cli.serve.job.folder import JobFolder
from impasto.cli.serve.job.painting import Painting
from impasto.cli.serve.options import Service
from impasto.runtime import ImpastoError, Jobs

if TYPE_CHECKING:
    from impasto.runtime import Engine


ENDING = 10
"""Seconds, at most, from word of a job's end to that end."""


class Workers(Protocol):
    """Who paints jobs. What comes of one is in its folder, whoever did it."""

    is_elsewhere: bool
    """Whether it paints on while the server is away."""

    @property
    def jobs(self) -> Jobs:
        """A pool that plans as theirs."""

    def send(self, folder: JobFolder) -> None:
        """Have a job painted; of a job that is painted already nothing comes."""

    def look(self) -> None:
        """Do what has to be done now and then: every quarter of a second."""

    def ahead(self, id: str) -> int | None:
        """How many jobs are before one; None: it does not know."""

    @property
    def problem(self) -> str:
        """Why nothing is painted now, in a sentence; empty: it is."""

    def close(self) -> None:
        """Go. What is not done is left so that it goes on later."""


class Local:
    """A pool of jobs in this process."""

    is_elsewhere = False

    def __init__(self, engine: Engine, options: Service, waiting: int = 0) -> None:
        """``waiting``: so many jobs are there from before."""
        self._engine, self._options = engine, options
        self.jobs = Jobs(
            engine,
            workers=options.at_once,
            queue=max(options.queue + options.at_once, waiting),
            memory=engine.machine.memory,
            seconds=options.seconds,
        )
        self._paintings: dict[str, Painting] = {}
        self._lock = threading.Lock()
        self.problem = ""

    def send(self, folder: JobFolder) -> None:
        """Put it into the pool."""
        with self._lock:
            before = self._paintings.get(folder.id)
        if before is not None:  # it was left for later this moment
            before.ended.wait(ENDING)
        with self._lock:
            painting = self._paintings[folder.id] = Painting(folder, self._engine, self._options)
        try:
            painting.begin(self.jobs)
        except ImpastoError:
            with self._lock:
                del self._paintings[folder.id]
            raise

    def look(self) -> None:
        """Tell what began, end what is to end, forget what is over."""
        with self._lock:
            paintings = list(self._paintings.items())
        for id, painting in paintings:
            painting.look()
            with self._lock:
                if painting.ended.is_set() and self._paintings.get(id) is painting:
                    del self._paintings[id]

    def ahead(self, id: str) -> int | None:
        """As the pool counts."""
        with self._lock:
            painting = self._paintings.get(id)
        return painting.ahead if painting else None

    def close(self) -> None:
        """Suspend all."""
        with self._lock:
            paintings = list(self._paintings.values())
        for painting in paintings:
            painting.suspend()
        self.jobs.close(suspend=True)
