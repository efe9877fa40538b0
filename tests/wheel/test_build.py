"""What is built from a tree that was built before."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_module_that_is_gone_does_not_ship(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, tree)
    for name in ("cli", "export", "models", "runtime"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("*.onnx", "*.bin"))
    stale = tree / "build" / "lib" / "impasto" / "runtime" / "gone.py"
    stale.parent.mkdir(parents=True)
    stale.touch()
    links = tree / "build" / "__editable__.impasto-0.1.0-py3-none-any" / "impasto"
    links.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), "."]
    subprocess.run(command, cwd=tree, check=True)
    assert links.exists()  # an editable installation lives in them
    (wheel,) = tmp_path.glob("*.whl")
    names = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    assert Path("impasto/runtime/gone.py") not in names
    sources = {path.relative_to(ROOT) for path in (ROOT / "runtime").rglob("*.py")}
    assert {"impasto" / path for path in sources} <= names
