"""The server's process: from a data folder to a socket, and back when a signal comes."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn

from impasto.cli.console import say
from impasto.cli.interrupts import interrupts
from impasto.runtime import Engine, ImpastoError, Jobs

from .app import make_app
from .connections import connection
from .data import prepared
from .local import local_folders
from .options import Service, missing
from .store.store import Store
from .workers.local import Local, Workers

IDLE = 30
"""Seconds that a connection stays between two requests; less, and slow clients meet its end."""
GRACE = 5
"""Seconds for answers that are on their way when it ends."""


def run(options: Service, model: str | None, machine: Mapping[str, Any], token: str | None) -> None:
    """Serve until a signal comes."""
    listening = _listen(options)
    data = prepared(options)
    engine = Engine.load(model, **machine)
    local = local_folders(options.local, engine.model)

    def workers(waiting: int) -> Workers:
        if options.workers is None:
            return Local(engine, options, waiting)
        with missing("workers"):
            from .workers.machine import introduce
            from .workers.queue import Queue
            from .workers.remote import Remote
        introduce(data, engine)
        queue = Queue(options.workers, engine.digest, options.dead_after)
        queue.check()
        return Remote(queue, data, options, Jobs(engine, memory=engine.machine.memory))

    with interrupts.mode("drain"):
        store = Store(data, options, workers)
        app = make_app(store, options, token, engine.manifest, local)
        server = _Server(_config(app, options), store)
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        say(f"serving at http://{shown}:{port}, jobs in {data}; Ctrl-C ends it")
        try:
            server.run(sockets=[listening])
        finally:
            store.close()


def _listen(options: Service) -> socket.socket:
    """The socket, before anything else is done: most often that is what does not work."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((options.host, options.port))
    except OSError as error:
        found.close()
        raise ImpastoError(
            f"{options.host}, port {options.port}: cannot listen there ({error.strerror}): choose "
            "others with --host and --port"
        ) from None
    found.set_inheritable(True)
    return found


def _config(app: Any, options: Service) -> uvicorn.Config:
    logging.getLogger("sse_starlette").setLevel(logging.WARNING)
    return uvicorn.Config(
        app,
        http=connection(options.body_seconds),
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=options.proxy is not None,
        forwarded_allow_ips=options.proxy,
        limit_concurrency=options.connections,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=IDLE,
        backlog=1024,
    )


class _Server(uvicorn.Server):
    """Ends when ``interrupts`` says so: signals are this program's."""

    def __init__(self, config: uvicorn.Config, store: Store) -> None:
        super().__init__(config)
        self._store, self._draining = store, threading.Thread(target=store.drain, name="drain")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them where they are."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Whether it ends, asked ten times a second: once all that is painted is kept."""
        if interrupts.requested and not self._store.draining:
            self._store.draining = True
            self._draining.start()
        if self._store.draining and not self._draining.is_alive():
            self.should_exit = True
        return await super().on_tick(counter)
