"""What the program says: sentences for people on stderr, JSON for programs on stdout."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

OFTEN = 30.0
"""Seconds between two lines of a long work where there is no terminal."""
BAR = 16
"""Columns of the bar: all fits 80."""
FULL, EMPTY = "\N{BOX DRAWINGS HEAVY HORIZONTAL}", "\N{BOX DRAWINGS LIGHT HORIZONTAL}"

_shown = 0
"""Columns of the status that stands on the terminal's last line."""


def say(text: str) -> None:
    """One line on stderr, whatever the text holds; nothing where there is no stderr."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    show("")
    write(f"impasto: {line}\n")


def show(status: str) -> None:
    """Show a status in place of the last one, cut to the terminal's width; empty: none."""
    global _shown
    columns = shutil.get_terminal_size().columns - 1  # in the last column some break the line
    status = status[:columns]
    if status or _shown:
        write(f"\r{status}{' ' * (_shown - len(status))}{'' if status else chr(13)}")
    _shown = len(status)


def bar(share: float) -> str:
    """A share of the whole, in figures and drawn."""
    filled = round(share * BAR)
    return f"{share:4.0%} {FULL * filled}{EMPTY * (BAR - filled)}"


def has_terminal() -> bool:
    """Whether stderr is a terminal on which a line can be drawn anew."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return is_terminal and os.environ.get("TERM") != "dumb"


def suited(files: Mapping[str, Any], events: T, silence: T, drawn: T, lines: T) -> T:
    """Which of these kinds of report suits ``--json``, ``--quiet`` and the kind of stderr."""
    if files.get("json"):
        return events
    if files.get("quiet"):
        return silence
    return drawn if has_terminal() else lines


@contextmanager
def cleared() -> Iterator[None]:
    """Leave no status on the terminal at the end."""
    try:
        yield
    finally:
        show("")


def keep_status() -> None:
    """Leave the status where it is, and go on below it."""
    global _shown
    if _shown:
        write("\n")
    _shown = 0


def write(text: str) -> None:
    """On stderr. That a terminal has gone is no reason to lose a picture."""
    with suppress(OSError):
        if sys.stderr is not None:  # print would turn to stdout
            sys.stderr.write(text)
            sys.stderr.flush()


def print_json(value: Any) -> None:
    """One line on stdout. NaN and infinity, which JSON has not, become null."""
    print(json.dumps(finite(value), allow_nan=False), flush=True)


def emit(event: Any) -> str | None:
    """Print an event; why it cannot be, where who reads has gone: then none is printed any more."""
    try:
        print_json(event)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what Python flushes at exit
        return f"stdout cannot be written: {error.strerror}"
    return None


def duration(seconds: float) -> str:
    """``45 s``, ``1 min 50 s``, ``2 h 10 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def finite(value: Any) -> Any:
    """A value for JSON, which has neither NaN nor infinity: they become null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
