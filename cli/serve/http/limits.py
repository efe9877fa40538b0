"""How much a request may bring, and how long it may take to do so."""

from __future__ import annotations

import time
from asyncio import timeout

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.cli.serve.options import Service
from impasto.runtime import show_bytes

from .problems import Problem


class Limits:
    """Bodies are counted while they stream: what a header promises is not believed."""

    def __init__(self, app: ASGIApp, options: Service) -> None:
        self._app, self._options = app, options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request within the limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._options.max_body:
            await self._too_large().response()(scope, receive, send)
            return
        count, until = 0, time.monotonic() + self._options.body_seconds
        whole = False

        async def counted() -> Message:
            nonlocal count, whole
            if whole:  # what comes now is that the client goes: that may take its time
                return await receive()
            try:
                async with timeout(max(0, until - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise Problem(
                    408,
                    f"the body was not here after {self._options.body_seconds:g} seconds: send it "
                    "faster, or less of it",
                    Connection="close",
                ) from None
            count += len(message.get("body", b""))
            if count > self._options.max_body:
                raise self._too_large()
            whole = not message.get("more_body", False)
            return message

        await self._app(scope, counted, send)

    def _too_large(self) -> Problem:
        most = show_bytes(self._options.max_body)
        return Problem(
            413, f"the body is larger than {most}: send smaller pictures", Connection="close"
        )
