"""What a user's type checker says of a file that calls the API."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

GOOD = """
from impasto.runtime import Engine

engine = Engine.load(device="cpu", threads=2, convolutions="plain", memory="3GB")
result = engine.stylize("a.jpg", ["b.jpg"], size=384, style_weight=2, blend=[1, 2.5], deadline=3)
for step in engine.start("a.jpg", "b.jpg", optimizer="adam", weights={"style.conv1_1": 2}):
    print(step.loss)
engine.estimate("a.jpg", iterations=None)
"""
BAD = {
    'engine.start("a.jpg", "b.jpg", sise=384)': 'Unexpected keyword argument "sise"',
    'engine.stylize("a.jpg", "b.jpg", size="384")': 'Argument "size"',
    'engine.start("a.jpg", "b.jpg", optimizer="sgd")': 'Argument "optimizer"',
    'engine.estimate("a.jpg", blend=3)': 'Argument "blend"',
    "Engine.load(treads=2)": 'Unexpected keyword argument "treads"',
    'Engine.load(convolutions="fast")': 'Argument "convolutions"',
    "result.loss.upper()": '"float" has no attribute "upper"',
}


def test_mypy_takes_the_right_calls_and_catches_the_wrong_ones(tmp_path: Path) -> None:
    lines = GOOD.strip().splitlines()
    (tmp_path / "user.py").write_text("\n".join([*lines, *BAD]) + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "user.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = {
        int(match[1]): match[2]
        for match in re.finditer(r"^user\.py:(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    }
    assert sorted(found) == list(range(len(lines) + 1, len(lines) + 1 + len(BAD))), done.stdout
    for (line, expected), message in zip(
        BAD.items(), (found[n] for n in sorted(found)), strict=True
    ):
        assert expected in message, line
