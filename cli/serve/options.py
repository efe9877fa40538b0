"""What the commands ``serve`` and ``work`` can be told, beside Machine and the bundle."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from impasto.runtime import ImpastoError, Machine, check_all, describe, setting

SERVE, BOTH = ("serve",), ("serve", "work")
GIGABYTE = 1_000_000_000
parse_bytes = describe(Machine)["memory"].about.parse
"""``64MB`` as bytes, as ``--memory`` reads it."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def missing(extra: str) -> Iterator[None]:
    """Tell which extra to install where one of its packages is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "impasto").startswith("impasto"):
            raise
        from impasto.cli.exporting import requirements

        names = [name for name in requirements(extra) if not name.startswith("impasto")]
        needed = " ".join(map(shlex.quote, names))
        raise ImpastoError(f"{error.name} is not installed: pip install {needed}") from None


@dataclass(frozen=True, kw_only=True)
class Service:
    """Every limit of the service has its field here."""

    GROUP: ClassVar[Literal["limits"]] = "limits"

    redis: str | None = setting(
        "Where the server leaves word of jobs.", None, commands=("work",), group="what"
    )
    host: str = setting(
        "Address to listen at; beyond this machine IMPASTO_TOKEN must be set.",
        "127.0.0.1",
        commands=SERVE,
        group="what",
    )
    port: int = setting(
        "Port to listen at; 0 is any.", 8700, least=0, most=65535, commands=SERVE, group="what"
    )
    data: str | None = setting(
        "Folder of jobs, results and checkpoints.",
        None,
        metavar="DIR",
        none="impasto in $XDG_STATE_HOME or ~/.local/state",
        commands=BOTH,
        group="what",
    )
    workers: str | None = setting(
        "Have the jobs painted by `impasto work` on other machines, as redis://HOST:PORT/0.",
        None,
        metavar="REDIS",
        none="painted here",
        commands=SERVE,
        group="what",
    )
    names: tuple[str, ...] = setting(
        "A name that clients may call this server, beside localhost and addresses; repeatable.",
        (),
        metavar="HOST",
        commands=SERVE,
        group="what",
    )
    origins: tuple[str, ...] = setting(
        "A web page that may use this server, as https://example.org; repeatable.",
        (),
        metavar="ORIGIN",
        commands=SERVE,
        group="what",
    )
    local: str | None = setting(
        "onnxruntime-web's dist folder: /local then is a page that paints in the browser itself.",
        None,
        metavar="DIR",
        none="there is no such page",
        commands=SERVE,
        group="what",
    )
    proxy: str | None = setting(
        "Address of a proxy whose X-Forwarded-For and X-Forwarded-Proto are believed.",
        None,
        metavar="ADDRESS",
        none="none",
        commands=SERVE,
        group="what",
    )
    at_once: int = setting(
        "Jobs that are painted at the same time.", 1, least=1, most=1000, commands=BOTH
    )
    queue: int = setting("Jobs that wait, at most.", 16, least=1, most=100_000, commands=SERVE)
    client_jobs: int = setting(
        "Jobs of one client that wait or are painted, at most.",
        4,
        least=1,
        most=100_000,
        commands=SERVE,
    )
    seconds: float = setting(
        "A job is painted no longer; its result is the best picture so far.",
        3600.0,
        unit="seconds",
        least=1,
        commands=BOTH,
    )
    max_body: int = setting(
        "Bytes of a request, at most.",
        64_000_000,
        unit="bytes",
        least=1000,
        metavar="64MB",
        commands=SERVE,
        parse=parse_bytes,
    )
    body_seconds: float = setting(
        "A request that takes longer to arrive is cut off; its headers, after 10 seconds at most.",
        60.0,
        unit="seconds",
        least=0.1,
        commands=SERVE,
    )
    result_pixels: int = setting(
        "Pixels of a result, at most.",
        16_777_216,
        unit="pixels",
        least=256,
        commands=SERVE,
    )
    connections: int = setting(
        "Connections at the same time, at most.", 1000, least=10, commands=SERVE
    )
    away: float = setting(
        "A job that asked to be attended ends when nobody has asked for it for so long.",
        15.0,
        unit="seconds",
        least=0.1,
        commands=SERVE,
    )
    keep: float = setting(
        "Results are removed so long after they are done.",
        86_400.0,
        unit="seconds",
        least=1,
        commands=SERVE,
    )
    data_size: int = setting(
        "Bytes of the data folder, at most; the oldest results go first.",
        10 * GIGABYTE,
        unit="bytes",
        least=1_000_000,
        metavar="10GB",
        commands=SERVE,
        parse=parse_bytes,
    )
    max_pixels: int | None = setting("What Machine says.", None, commands=(), none="its default")
    checkpoint_every: float = setting(
        "How often a job that is painted is kept in a file.",
        30.0,
        unit="seconds",
        least=0,
        commands=BOTH,
    )
    dead_after: float = setting(
        "A machine that gives no sign for so long is taken for dead, and others take its jobs.",
        20.0,
        unit="seconds",
        least=1,
        most=3600,
        commands=BOTH,
    )


def options_of(service: Mapping[str, Any], machine: Mapping[str, Any]) -> Service:
    """What a command line says of the service; ``max_pixels`` is each job's, not the engine's.

    Raises:
        SettingError: a value makes no sense.
    """
    pixels = check_all(Machine, {"max_pixels": machine.get("max_pixels")})
    return Service(**check_all(Service, service) | pixels)
