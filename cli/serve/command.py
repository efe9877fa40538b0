"""The commands ``serve`` and ``work``."""

from __future__ import annotations

import os

from impasto.cli.options import Given
from impasto.runtime import SettingError

from .options import is_loopback, missing, options_of

TOKEN = "IMPASTO_TOKEN"
"""The environment variable: a command line can be seen by others."""


def serve(command: str, given: Given) -> None:
    """Serve until a signal comes."""
    options = options_of(given.own, given.machine)
    token = os.environ.get(TOKEN) or None
    if token is None and not is_loopback(options.host):
        raise SettingError(
            "host",
            options.host,
            f"others can reach that address: set {TOKEN} to a long random text, or listen at "
            "127.0.0.1",
        )
    with missing("serve"):
        from .server import run
    own = {name: value for name, value in given.machine.items() if name != "max_pixels"}
    run(options, given.files.get("model"), own, token)


def work(command: str, given: Given) -> None:
    """Paint the jobs of a server elsewhere until a signal comes."""
    options = options_of(given.own, given.machine)
    if options.data is None:
        raise SettingError("data", None, "give the folder that the server has, as it is seen here")
    with missing("workers"):
        from .workers.machine import work as paint
    from .data import prepared

    own = {name: value for name, value in given.machine.items() if name != "max_pixels"}
    paint(options, prepared(options), given.files.get("model"), own)
