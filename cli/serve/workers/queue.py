"""The queue between a server and the machines that paint for it: Dramatiq's, in Redis.

A message is a job's id, and nothing else is in Redis: pictures and checkpoints are in the folder
that all of them see. A message is acknowledged when its job is over, and comes back when who took
it gives no sign any more. The queue's name has version and bundle in it, so that no other paints.
"""

from __future__ import annotations

import logging
from importlib import metadata
from typing import Any

from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from redis.exceptions import RedisError

from impasto.runtime import ImpastoError

NAMESPACE, ACTOR = "impasto", "paint"
ALWAYS = 1_000_000
"""Of Dramatiq's chances to look for the dead, in a million."""
WAIT = 3
"""Seconds for an answer of Redis."""


class Queue:
    """Where messages go. ``bundle`` is the SHA-256 of its manifest."""

    def __init__(self, url: str, bundle: str, dead_after: float) -> None:
        logging.getLogger("dramatiq").setLevel(logging.CRITICAL)  # what matters is told here
        self.url, self.name = url, f"paint-{metadata.version('impasto')}-{bundle[:16]}"
        try:
            self.broker: Any = RedisBroker(  # type: ignore[no-untyped-call]
                url=_with_timeouts(url),
                middleware=[],
                namespace=NAMESPACE,
                heartbeat_timeout=round(dead_after * 1000),
                maintenance_chance=ALWAYS,
            )
        except (ValueError, RedisError) as error:
            raise ImpastoError(f"{shown(url)}: {error}; give redis://HOST:PORT/0") from None
        self.broker.declare_queue(self.name)

    def send(self, job: str, later: float | None = None) -> bool:
        """Leave word of a job, now or so many seconds later; whether that could be done."""
        message: Any = Message(
            queue_name=self.name, actor_name=ACTOR, args=(job,), kwargs={}, options={}
        )
        try:
            self.broker.enqueue(message, delay=later and round(later * 1000))
        except RedisError:
            return False
        return True

    def life(self) -> str | None:
        """What Redis calls its life since it started; None: it cannot be reached."""
        try:
            return str(self.broker.client.info("server")["run_id"])
        except (RedisError, KeyError):
            return None

    def check(self) -> None:
        """See whether Redis is there.

        Raises:
            ImpastoError: it is not.
        """
        if self.life() is None:
            raise ImpastoError(
                f"{shown(self.url)} cannot be reached: start Redis there, or give another address"
            )


def shown(url: str) -> str:
    """An address without its password."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _with_timeouts(url: str) -> str:
    sign = "&" if "?" in url else "?"
    return f"{url}{sign}socket_timeout={WAIT}&socket_connect_timeout={WAIT}"
