"""What the program says: sentences for people on stderr, JSON for programs on stdout."""

from __future__ import annotations

import json
import math
import sys
from contextlib import suppress
from typing import Any


def say(text: str) -> None:
    """One line on stderr, whatever the text holds; nothing where there is no stderr."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    with suppress(OSError):
        if sys.stderr is not None:  # print would turn to stdout
            print(f"impasto: {line}", file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """One line on stdout. NaN and infinity, which JSON has not, become null."""
    print(json.dumps(_finite(value), allow_nan=False), flush=True)


def duration(seconds: float) -> str:
    """``45 s``, ``1 min 50 s``, ``2 h 10 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
