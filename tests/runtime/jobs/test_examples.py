"""The examples of docs/jobs.md, run as they are, on a tiny bundle."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import impasto.models
from impasto.runtime import Engine, Jobs

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples" / "embed"
PLAIN = ROOT / "tests" / "data" / "plain"


@pytest.fixture
def folder(tmp_path: Path, photo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """With photo.jpg and painting.jpg; the bundle that is taken by default is a tiny one."""
    monkeypatch.setenv("IMPASTO_MODEL", str(PLAIN))
    paths = (str(Path(impasto.models.__path__[0]).parents[1]), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    for name, source in (("photo", "chelsea"), ("painting", "coffee")):
        pixels = np.uint8(photo(source, 24, 32) * 255)
        Image.fromarray(pixels).save(tmp_path / f"{name}.jpg")  # type: ignore[arg-type]
    return tmp_path


def changed(text: str, **settings: str) -> str:
    """The example in less time: other values of settings that it has."""
    for name, value in settings.items():
        text, count = re.subn(rf"\b{name}=\d+", f"{name}={value}", text)
        assert count
    return text


def test_an_endpoint(folder: Path) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    file = folder / "endpoint.py"
    file.write_text(changed((EXAMPLES / "endpoint.py").read_text(), size="24, iterations=1"))
    spec = importlib.util.spec_from_file_location("endpoint", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["endpoint"] = module  # where FastAPI looks up annotations
    spec.loader.exec_module(module)
    photo, painting = ((folder / name).read_bytes() for name in ("photo.jpg", "painting.jpg"))
    with testclient.TestClient(module.app) as client:
        answer = client.post("/paint", files={"photo": photo, "painting": painting})
        assert answer.status_code == 200
        expected = Engine.load().stylize(photo, painting, size=24, iterations=1)
        seen = np.asarray(Image.open(io.BytesIO(answer.content)))
        assert np.array_equal(seen, np.asarray(expected.to_pil()))
        answer = client.post("/paint", files={"photo": b"none", "painting": painting})
        assert (answer.status_code, "the content" in answer.json()["detail"]) == (422, True)


def test_a_pool_of_threads(folder: Path) -> None:
    script = changed((EXAMPLES / "threads.py").read_text(), size="24, iterations=1")
    words = [sys.executable, "-c", script, "painting.jpg", "photo.jpg", "none.jpg"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    painted, missing = done.stdout.splitlines()
    assert Image.open(folder / painted).size == (24, 18)
    assert missing.startswith("none.jpg does not exist")


def test_a_notebook(folder: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    text = changed((EXAMPLES / "live.ipynb").read_text(), size="24, iterations=40")
    notebook = nbformat.reads(text.replace("time.sleep(0.5)", "time.sleep(0.05)"), as_version=4)
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}).execute()
    bar, picture = notebook.cells[2].outputs
    assert "40 iterations, finished" in bar.data["text/html"]
    assert picture.data["image/png"]
    assert Image.open(folder / "painted.png").size == (24, 18)
    assert not json.loads(text)["cells"][2]["outputs"]


def test_the_snippet_of_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    text = (ROOT / "docs" / "jobs.md").read_text()
    (block,) = re.findall(r"(?m)(?:^    .*\n|^\n)+", text.split("run.\n", 1)[1])[:1]
    source = re.sub(r"(?m)^    ", "", changed(block, size="24, iterations=2"))
    names: dict[str, Any] = {}
    exec(source, names)
    assert isinstance(names["jobs"], Jobs)
    assert names["job"].status == "done"
