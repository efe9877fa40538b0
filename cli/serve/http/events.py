"""A job as it is painted: server-sent events, which a client takes up again where it left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from impasto.cli.serve.store.store import Store

LOOK_EVERY = 0.2
"""Seconds."""
PING_EVERY = 15
SEND_WITHIN = 30
"""Seconds; who takes longer to read has gone."""
OVER = {"paused", "done", "failed", "cancelled"}


def stream(request: Request, store: Store, id: str) -> Response:
    """What happened after the event that Last-Event-ID names, or all of it, and what happens now.

    An event's id is its place in the job's file of events. After the last one there is nothing:
    204, which tells a browser not to ask again.
    """
    place, folder = 0, store.folder(id)
    with suppress(ValueError):
        place = max(0, min(int(request.headers.get("last-event-id", "0")[:19]), 1 << 60))
    row = store.get(id)
    if row is not None and not row.is_active and 0 < place == folder.place:
        return Response(status_code=204)
    if place > folder.place:
        place = 0
    return EventSourceResponse(
        _events(store, id, place),
        ping=PING_EVERY,
        send_timeout=SEND_WITHIN,
        headers={"Cache-Control": "no-store"},
    )


async def _events(store: Store, id: str, place: int) -> AsyncIterator[ServerSentEvent]:
    folder, ahead = store.folder(id), -1
    store.see(id, +1)
    try:
        while not store.draining:
            row = store.get(id)
            if row is None:
                break
            if row.status == "queued" and (now := store.ahead(row)) != ahead:
                ahead = now
                yield ServerSentEvent(json.dumps({"ahead": ahead}), event="queue")
            if folder.place > place:
                for event in folder.events(place):
                    place = event.place
                    text = json.dumps(event.data)
                    yield ServerSentEvent(text, event=event.name, id=str(place))
                    over = event.name == "status" and event.data.get("status") in OVER
                    if over and place == folder.place:  # else it went on
                        return
            elif not row.is_active:  # there is nothing more to come
                break
            await asyncio.sleep(LOOK_EVERY)
    finally:
        store.see(id, -1)
