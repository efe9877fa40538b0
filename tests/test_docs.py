"""What the docs print of the code is the code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DESIGN = ROOT / "docs" / "design.md"


def test_the_loop_is_printed_as_it_is_and_fits_on_a_screen() -> None:
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", DESIGN.read_text(), re.DOTALL)
    assert {path for path, _ in blocks} == {
        "runtime/loop.py",
        "runtime/optimizers/lbfgs.py",
        "runtime/run.py",
    }
    for path, text in blocks:
        source = (ROOT / path).read_text()
        for part in text.strip("\n").split("\n\n"):
            assert part in source, f"{path}: {part.splitlines()[0]}"
    assert sum(text.count("\n") for _, text in blocks) <= 120
