"""Who may: a token, and requests that come from where they say.

A page elsewhere must not use this server in the name of whoever has it open. So a request's Host is
looked at (a foreign name may lead here), and its Origin.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.cli.serve.options import Service

from .problems import Problem

COOKIE = "impasto"
LASTING = 30 * 86400
"""Seconds that a cookie is good for."""
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
FREE = {"/health", "/ready", "/session"}
"""What needs no token; the page does not, either, since it holds nothing and asks for one."""
GUARDED = ("/jobs", "/styles", "/settings", "/metrics", "/openapi.json")
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
LOCAL = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Access:
    """Looks at every request before anything else does, and at every answer after."""

    def __init__(self, app: ASGIApp, options: Service, token: str | None) -> None:
        self._app, self._token = app, token
        self._names = LOOPBACK | {name.lower() for name in options.names}
        self._origins = {origin.rstrip("/").lower() for origin in options.origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, if it may be answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        local = path == "/local" or path.startswith("/local/")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", LOCAL if local else PAGE)
                if local:  # threads in WebAssembly
                    headers["Cross-Origin-Embedder-Policy"] = "require-corp"
            await send(message)

        problem = self._problem(HTTPConnection(scope), scope)
        answer = self._app if problem is None else problem.response()
        await answer(scope, receive, with_headers)

    def _problem(self, request: HTTPConnection, scope: Scope) -> Problem | None:
        host = request.headers.get("host", "")
        if not self._is_known(_name(host)):
            return Problem(
                421, f"this server is not called {host[:80]!r}: start it with --name if it is"
            )
        origin = request.headers.get("origin")
        if origin is not None and not self._is_from_here(origin, host, scope["scheme"]):
            return Problem(
                403, f"a page of {origin[:80]} may not use this server: start it with --origin"
            )
        preflight = scope["method"] == "OPTIONS" and origin is not None
        guarded = scope["path"].startswith(GUARDED) and not preflight
        if guarded and not self._may(request):
            return Problem(
                401,
                "a token is needed: send it as Authorization: Bearer TOKEN, or POST it so to "
                "/session for a cookie",
                WWW_Authenticate="Bearer",
            )
        return None

    def _is_known(self, name: str) -> bool:
        """A name of ours, or an address: those cannot be made to lead here by others."""
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _is_from_here(self, origin: str, host: str, scheme: str) -> bool:
        return origin.lower() in {f"{scheme}://{host.lower()}", *self._origins}

    def _may(self, request: HTTPConnection) -> bool:
        if self._token is None or has_bearer(request, self._token):
            return True
        return is_cookie(request.cookies.get(COOKIE, ""), self._token)


def has_bearer(request: HTTPConnection, token: str) -> bool:
    """Whether a request brings the token itself."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(), token.encode())
    return kind.lower() == "bearer" and same


def cookie(token: str) -> str:
    """What stands for the token for a while: when that ends, and a proof that we said so."""
    until = str(int(time.time()) + LASTING)
    return f"{until}.{_proof(token, until)}"


def is_cookie(value: str, token: str) -> bool:
    """Whether it is one, and still good."""
    until, _, proof = value.partition(".")
    genuine = hmac.compare_digest(proof.encode(), _proof(token, until).encode())
    return genuine and until.isdecimal() and int(until) > time.time()


def _proof(token: str, until: str) -> str:
    return hmac.new(token.encode(), f"cookie {until}".encode(), hashlib.sha256).hexdigest()


def _name(host: str) -> str:
    """Of a Host header, without the port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
