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


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
