"""What earlier versions wrote is read, or refused in a sentence: docs/compatibility.md."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import impasto.runtime
from impasto.runtime import CheckpointError, Engine, SettingError, Settings, read_checkpoint
from impasto.runtime.checkpoint import DIGEST, FORMAT, MAGIC

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
RELEASES = sorted(DATA.glob("[0-9]*"))


@pytest.fixture(params=RELEASES, ids=lambda folder: str(folder.name))
def release(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_public_names_stay(release: Path) -> None:
    assert {*(release / "names.txt").read_text().split()} <= {*impasto.runtime.__all__}


def test_settings_of_a_png_or_a_queue_are_read(release: Path) -> None:
    text = (release / "settings.json").read_text()
    found, raw = Settings.from_json(text), json.loads(text)
    now = json.loads(found.to_json())
    assert {name: now[name] for name in raw} == raw
    default = json.loads(Settings().to_json())
    assert all(now[name] == default[name] for name in now.keys() - raw.keys())


def test_what_was_added_since_is_the_default() -> None:
    raw = json.loads(Settings(preset="paint", size=99).to_json())
    for name in ("detail", "color", "schedule", "weights", "iterations"):
        del raw[name]
    assert Settings.from_json(json.dumps(raw)) == Settings(preset="paint", size=99)
    del raw["size"]  # but this is no settings of any version
    with pytest.raises(SettingError, match="missing or unknown entries"):
        Settings.from_json(json.dumps(raw))


def test_a_settings_file_is_read(release: Path) -> None:
    values = tomllib.loads((release / "settings.toml").read_text())
    machine = values.pop("machine")
    engine = Engine.load("vgg19", device="cpu", **machine)
    found = engine.settings(**values)
    for name, value in values.items():
        assert getattr(found, name) == (tuple(value) if isinstance(value, list) else value), name


def test_a_bundle_of_before_a_setting_was_added(tmp_path: Path) -> None:
    folder = shutil.copytree(DATA / "plain", tmp_path / "bundle")
    manifest = json.loads((folder / "manifest.json").read_text())
    for preset in manifest["presets"].values():
        preset["settings"].pop("detail", None)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert Engine.load(folder, device="cpu").settings().detail == Settings().detail


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    picture = np.zeros((32, 32, 3), np.uint8)
    engine = Engine.load(DATA / "plain", device="cpu")
    run = engine.start(picture, picture, size=32, min_size=32, iterations=2)
    next(run)
    run.save(tmp_path / "run.checkpoint")
    return tmp_path / "run.checkpoint"


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Another header, with the digest that belongs to it."""
    data, start = path.read_bytes(), len(MAGIC) + 8
    end = start + int.from_bytes(data[len(MAGIC) : start], "little")
    header = json.loads(data[start:end])
    change(header)
    text = json.dumps(header).encode()
    body = MAGIC + len(text).to_bytes(8, "little") + text + data[end:-DIGEST]
    path.write_bytes(body + hashlib.sha256(body).digest())


@pytest.mark.parametrize(
    "change",
    [
        lambda header: None,
        lambda header: header["plan"]["settings"].pop("detail"),
        lambda header: header["plan"]["settings"].update(unheard_of=1),
        lambda header: header.update(format=0),
        lambda header: header.pop("arrays"),
    ],
)
def test_a_checkpoint_of_another_version_says_so_whatever_else_it_holds(
    checkpoint: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    def other(header: dict[str, Any]) -> None:
        change(header)
        header["version"] = "0.0.9"

    rewrite(checkpoint, other)
    with pytest.raises(CheckpointError, match=r"written by impasto 0\.0\.9, and this is "):
        read_checkpoint(checkpoint)


def test_a_checkpoint_of_another_format(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda header: header.update(format=FORMAT + 1))
    with pytest.raises(CheckpointError, match=f"of another format than {FORMAT}"):
        read_checkpoint(checkpoint)


def test_every_test_that_the_page_names_is_there() -> None:
    text = (ROOT / "docs" / "compatibility.md").read_text()
    named = re.findall(r"`(tests/\S+?\.py)`: `(test_\w+)`", text)
    assert len(named) >= 8
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), name
