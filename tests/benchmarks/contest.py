"""pastiche's side of a contest: the files of a pair, its run, and how long that takes."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import in_child, in_turns
from painting import iteration
from pictures import cut
from PIL import Image
from rivals import pastiche_command, pastiche_step

from impasto.runtime import Engine

TURNS = 5


@dataclass(frozen=True)
class Pair:
    """A content and a style of the same size, and what pastiche makes of them, in a folder."""

    folder: Path
    name: str

    def file(self, kind: str) -> Path:
        """``content``, ``style``, ``pastiche`` or ``impasto``."""
        return self.folder / f"{self.name}-{kind}.png"

    @property
    def inputs(self) -> tuple[Path, Path]:
        """Content and style."""
        return self.file("content"), self.file("style")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        with Image.open(self.file("content")) as image:
            return image.size

    @property
    def losses(self) -> dict[int, float]:
        """What pastiche printed, by step."""
        rows = re.findall(r"^(\d+) +[\d.]+ +([\d.]+)$", self.log.read_text(), re.MULTILINE)
        return {int(step): float(loss) for step, loss in rows}

    @property
    def log(self) -> Path:
        """pastiche's stdout."""
        return self.folder / f"{self.name}.log"


def prepare(folder: Path, name: str, content: str, style: str, width: int, height: int) -> Pair:
    """Content and style as files."""
    folder.mkdir(parents=True, exist_ok=True)
    pair = Pair(folder, name)
    cut(content, width, height).save(pair.file("content"))
    cut(style, width, height).save(pair.file("style"))
    return pair


def run_pastiche(pair: Pair, steps: int, device: str) -> float:
    """Paint, keep picture and log; seconds of the whole command."""
    command = pastiche_command(*pair.inputs, pair.file("pastiche"), steps, device, max(pair.size))
    done = in_child(command)
    pair.log.write_text(done.output)
    return done.seconds


def estimate_pastiche(pair: Pair, steps: int, engine: Engine) -> float:
    """Seconds of the whole command: its start, and so many of the first steps' median.

    The steps are measured in turns with ours. Later ones take longer: L-BFGS' memory fills.
    """
    device, size = engine.device, max(pair.size)
    settings: dict[str, Any] = {"preset": "pastiche", "size": size, "iterations": 2 * TURNS}
    theirs = pastiche_step(*pair.inputs, device, size)
    step, _ = in_turns([theirs, iteration(engine, *pair.inputs, **settings)], TURNS)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "out.png")
        start = in_child(pastiche_command(*pair.inputs, output, 0, device, size)).seconds
    return start + steps * step
