"""The manual page that ships is what help says now."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from impasto.cli.commands import COMMANDS
from impasto.cli.manual import manual

PAGE = Path(__file__).parents[2] / "docs" / "impasto.1"


def test_the_page_that_ships_is_made_of_the_help() -> None:
    assert PAGE.read_text() == manual(), "make man"
    for name in COMMANDS:
        title = name.replace("-", r"\-")
        assert f"\n.SS {title}\n" in manual()


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_reads_it_without_a_warning() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", PAGE], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "impasto photo.jpg painting.jpg" in done.stdout
