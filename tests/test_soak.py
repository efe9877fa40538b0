"""What takes minutes and says little that other tests do not: `make soak`."""

from __future__ import annotations

import gc
import io
import os
import random
import re
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from impasto.runtime import Engine

pytestmark = pytest.mark.soak
ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "models" / "example"
PICTURES, WARM = 300, 60
GROWTH = 30_000_000
"""Bytes that a process may grow by after it is warm: the allocator's, not ours."""


def used() -> tuple[int, int, int]:
    """Resident bytes, open files and threads."""
    gc.collect()
    process = psutil.Process()
    return process.memory_info().rss, process.num_fds(), process.num_threads()


def test_an_engine_that_has_painted_hundreds_of_pictures_is_as_large_as_before() -> None:
    """Of many sizes, whole and in tiles, cancelled, failed, resumed: memory, files, threads."""
    engine, chance = Engine.load(device="cpu"), random.Random(0)
    noise = np.random.default_rng(0)
    for number in range(PICTURES):
        if number == WARM:
            warm = used()
        height, width = chance.randrange(16, 97), chance.randrange(16, 97)
        content, style = (noise.random((height, width, 3), np.float32) for _ in "cs")
        run = engine.start(
            content,
            style,
            size=max(height, width),
            iterations=2,
            optimizer=chance.choice(["lbfgs", "adam"]),
            pooling=chance.choice(["avg", "max"]),
            memory=chance.choice([None, "1.5GB"]),
        )
        kind = chance.randrange(4)
        if kind == 0:
            next(run)
            run.cancel()
        elif kind == 1:
            next(run)
            with pytest.raises(ZeroDivisionError):
                run.finish(on_step=lambda step: 1 // 0)
        else:
            run.finish()
    memory, files, threads = used()
    assert files <= warm[1]
    assert threads <= warm[2]
    assert memory <= warm[0] + GROWTH


def test_what_the_readme_says_to_embed_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## To embed it in a service")[1].split("\n## ")[0]
    (block,) = re.findall(r"(?m)((?:^    .*\n|^\n)+)", section.split("\n\n", 1)[1])[:1]
    for name, file in {"photo.jpg": "photo.jpg", "painting.jpg": "painting.jpg"}.items():
        os.symlink(EXAMPLE / file, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    previews: list[Any] = []
    response = io.BytesIO()
    names = {"client_is_gone": lambda: False, "preview": previews.append, "response": response}
    exec(textwrap.dedent(block), names)
    assert response.getvalue().startswith(b"RIFF")
    assert (tmp_path / "out.png").stat().st_size
    assert (tmp_path / "same.png").stat().st_size
    assert previews
    assert threading.active_count() == 1
