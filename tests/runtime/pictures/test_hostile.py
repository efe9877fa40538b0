"""Whatever the bytes are: a picture, or one sentence, and nothing on stderr."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest

from .hostile import mutations, pictures, verdict

SAMPLE = 150
SECONDS = 5.0
"""That one of them may take; here they take hundredths."""


def judged(files: dict[str, bytes], count: int, seed: int) -> Counter[bool]:
    """How many were read, and how many refused, of the files and of their mutations."""
    found = Counter[bool]()
    for name, content in [*files.items(), *mutations(files, count, seed)]:
        start = time.perf_counter()
        try:
            answer = verdict(content)
        except Exception as error:
            raise AssertionError(f"{name}: {error!r}") from error
        found[answer == "read"] += 1
        assert re.fullmatch(r"read|the picture (?s:.+); (?s:.+)", answer), name
        assert time.perf_counter() - start < SECONDS, name
    return found


def test_what_is_whole_is_read() -> None:
    for name, content in pictures().items():
        assert verdict(content) == "read", name


def test_a_sample_of_damaged_pictures(capfd: pytest.CaptureFixture[str]) -> None:
    """Some are still read: not every byte counts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = judged(pictures(), SAMPLE, seed=15)
    assert min(found.values()) > SAMPLE // 10
    assert not [str(warning.message) for warning in caught]
    assert capfd.readouterr().err == ""


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_damaged_pictures(seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Of every format, and of IMPASTO_HOSTILE's folder, where it names one.

    Pillow's own tests have such a folder: Tests/images in its source distribution.
    """
    files = pictures()
    if folder := os.environ.get("IMPASTO_HOSTILE"):
        files |= {
            str(path): path.read_bytes()
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file() and path.stat().st_size < 3_000_000
        }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = judged(files, 1000, seed)
    assert sum(found.values()) >= 1000
    assert not [str(warning.message) for warning in caught]
    assert capfd.readouterr().err == ""
