"""Packages that are not always installed, imported when they are first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from impasto.runtime.errors import ImpastoError


def needed(name: str, sentence: str) -> Any:
    """A module.

    Raises:
        ImpastoError: it is not installed, or a library that it needs is not: the sentence.
    """
    try:
        return import_module(name)
    except (ImportError, OSError):  # OSError: soundfile without libsndfile
        raise ImpastoError(sentence) from None
