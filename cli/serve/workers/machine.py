"""A machine that paints a server's jobs: ``impasto work``."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import dramatiq
from dramatiq.worker import Worker

from impasto.cli.console import say
from impasto.cli.interrupts import interrupts
from impasto.cli.serve.job.folder import OVER, JobFolder
from impasto.cli.serve.job.painting import Painting, sentence_of
from impasto.cli.serve.options import Service
from impasto.runtime import BundleError, Engine, ImpastoError, Jobs

from .queue import ACTOR, Queue, shown
from .signs import Lease, Presence

LOOK_EVERY = 0.25
"""Seconds."""
LEASE_EVERY = 2.0
"""Seconds between looks at a job that another machine seems to paint."""
SERVER = "server.json"
"""What the server says of itself, in the shared folder."""


def introduce(data: Path, engine: Engine) -> None:
    """Say which version and bundle a server has."""
    about = {"version": metadata.version("impasto"), "bundle": engine.digest}
    (data / SERVER).write_text(json.dumps(about))


def work(options: Service, data: Path, model: str | None, machine: Mapping[str, Any]) -> None:
    """Paint until a signal comes."""
    engine = Engine.load(model, **machine)
    digest = engine.digest
    _check_server(data, digest)
    queue = Queue(options.redis or "", digest, options.dead_after)
    queue.check()
    hand = _Hand(queue, data, engine, options)
    with interrupts.mode("drain"):
        say(f"painting for {shown(queue.url)}, jobs in {data}; Ctrl-C ends it")
        hand.work()


def _check_server(data: Path, digest: str) -> None:
    """See whether version and bundle are the server's.

    Raises:
        BundleError, ImpastoError: one is another.
    """
    try:
        server = json.loads((data / SERVER).read_bytes())
    except (OSError, ValueError):
        return  # it has not started yet; the queue's name keeps others apart
    version = metadata.version("impasto")
    if server.get("version") != version:
        raise ImpastoError(
            f"the server has impasto {server.get('version')}, and this is {version}: install that "
            "one"
        )
    if server.get("bundle") != digest:
        raise BundleError(
            f"the server has the bundle {str(server.get('bundle'))[:12]}, and this is "
            f"{digest[:12]}: give that one as --model"
        )


class _Hand:
    """What takes messages, and paints."""

    def __init__(self, queue: Queue, data: Path, engine: Engine, options: Service) -> None:
        self._queue, self._data, self._engine, self._options = queue, data, engine, options
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._ending = threading.Event()
        about = {"host": socket.gethostname(), "device": engine.device, "at_once": options.at_once}
        self._presence = Presence(data, self._owner, about)

    def work(self) -> None:
        """Until a signal comes."""
        options = self._options
        with Jobs(
            self._engine,
            workers=options.at_once,
            queue=options.at_once + 1,
            memory=self._engine.machine.memory,
            seconds=options.seconds,
        ) as jobs:

            def paint(job: str) -> None:
                self._paint(jobs, JobFolder(self._data / "jobs" / job))

            actor = dramatiq.actor(
                actor_name=ACTOR, queue_name=self._queue.name, broker=self._queue.broker
            )
            actor(paint)
            worker = Worker(
                self._queue.broker,
                queues={self._queue.name},
                worker_threads=options.at_once,
                worker_timeout=1000,
            )
            worker.queue_prefetch = options.at_once  # what it cannot begin is for others
            worker.start()
            try:
                while not interrupts.requested:
                    self._presence.show()
                    time.sleep(LOOK_EVERY)
            finally:
                self._ending.set()
                self._presence.end()
                worker.stop()

    def _paint(self, jobs: Jobs, folder: JobFolder) -> None:
        """One job, as long as nobody else does."""
        lease = Lease(folder.path, self._owner, self._options.dead_after)
        if not folder.path.exists() or folder.status in (*OVER, "paused"):
            return  # its message came twice
        if self._ending.is_set():
            self._queue.send(folder.id)
            return
        if not lease.take():  # somebody is at it, or was a moment ago
            self._queue.send(folder.id, later=LEASE_EVERY)
            return
        try:
            painting = Painting(folder, self._engine, self._options)
            painting.begin(jobs)
        except (ImpastoError, OSError, ValueError) as error:
            folder.tell("status", status="failed", error=sentence_of(error), at=time.time())
            lease.release()
            return
        while not painting.ended.wait(LOOK_EVERY):
            painting.look()
            if self._ending.is_set() or not lease.renew():
                painting.suspend()
        lease.release()
        if painting.is_suspended:
            self._queue.send(folder.id)
