"""The commands ``serve`` and ``work``."""

from __future__ import annotations

import os
from typing import Any

from impasto.cli.options import Given
from impasto.runtime import ImpastoError, SettingError, check_all

from .options import Service

TOKEN = "IMPASTO_TOKEN"
"""The environment variable: a command line can be seen by others."""


def serve(command: str, given: Given) -> None:
    """Serve until a signal comes."""
    options = Service(**check_all(Service, given.service))
    with missing("serve"):
        from .http.access import is_loopback
        from .server import run
    token = os.environ.get(TOKEN) or None
    if token is None and not is_loopback(options.host):
        raise SettingError(
            "host",
            options.host,
            f"others can reach that address: set {TOKEN} to a long random text, or listen at "
            "127.0.0.1",
        )
    run(options, given.files.get("model"), given.machine, token)


def work(command: str, given: Given) -> None:
    """Paint the jobs of a server elsewhere until a signal comes."""
    raise ImpastoError("not yet")


class missing:  # noqa: N801
    """Tells which extra to install where a package is not there."""

    def __init__(self, extra: str) -> None:
        self._extra = extra

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("impasto"):
            raise ImpastoError(
                f"{error.name} is not installed: pip install 'impasto[{self._extra}]'"
            ) from None
