"""What is built: from a tree that was built before, twice, and from the sdist."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache"
)


def build(tree: Path, kind: str, into: Path, **environment: str) -> Path:
    """A wheel or an sdist by the tree's own backend, as any frontend calls it."""
    into.mkdir(exist_ok=True)
    code = f"import os, backend; os.umask(0o077); backend.build_{kind}({str(into)!r})"
    path = {"PYTHONPATH": str(tree / "distribution")}
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=tree, env=os.environ | path | environment, check=True, stdout=-3)
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("tree") / "impasto", ignore=LEFT)


@pytest.fixture(scope="module")
def sdist(tree: Path) -> Path:
    return build(tree, "sdist", tree.parent / "sdist")


@pytest.fixture(scope="module")
def wheel(tree: Path) -> Path:
    return build(tree, "wheel", tree.parent / "wheel")


def test_a_module_that_is_gone_does_not_ship(tree: Path, wheel: Path, tmp_path: Path) -> None:
    """Nor anything else that differs from build to build: these two have the same bytes."""
    stale = tree / "build" / "lib" / "impasto" / "runtime" / "gone.py"
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.touch()
    links = tree / "build" / "__editable__.impasto-0.1.0-py3-none-any" / "impasto"
    links.mkdir(parents=True)
    os.utime(tree / "runtime" / "run.py", (1e9, 1e9))
    os.chmod(tree / "runtime" / "loop.py", 0o600)
    again = build(tree, "wheel", tmp_path / "again")
    assert links.exists()  # an editable installation lives in them
    names = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    assert Path("impasto/runtime/gone.py") not in names
    sources = {path.relative_to(ROOT) for path in (ROOT / "runtime").rglob("*.py")}
    assert {"impasto" / path for path in sources} <= names
    assert again.read_bytes() == wheel.read_bytes()


def test_the_page_ships_as_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as built:
        for path in (ROOT / "cli" / "serve" / "page").rglob("*"):
            if path.is_file():
                assert built.read(f"impasto/{path.relative_to(ROOT)}") == path.read_bytes()


def test_the_sdist_is_the_repository(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
    found = {member.name.partition("/")[2] for member in members}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    made = {name for name in found if "egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    assert found - made == {*listed.split()} or not listed  # an sdist has no history of its own


def test_the_same_tree_at_another_time_gives_the_same_sdist(
    tree: Path, sdist: Path, tmp_path: Path
) -> None:
    os.utime(tree / "runtime" / "level.py", (1e9, 1e9))
    os.chmod(tree / "runtime" / "loop.py", 0o664)
    assert build(tree, "sdist", tmp_path / "again").read_bytes() == sdist.read_bytes()
    other = build(tree, "sdist", tmp_path / "dated", SOURCE_DATE_EPOCH="1800000000")
    with tarfile.open(other) as archive:
        assert {member.mtime for member in archive.getmembers()} == {1800000000}


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    assert build(unpacked, "wheel", tmp_path / "wheel").read_bytes() == wheel.read_bytes()


def test_the_wheel_is_below_32_megabytes(wheel: Path) -> None:
    assert wheel.stat().st_size < 32e6


def test_no_link_of_the_description_needs_the_repository(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        text = str(email.message_from_bytes(archive.read(name)).get_payload())
    assert "# Impasto" in text
    assert "To embed it in a service" in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert all(link.startswith("https://") for link in links)


def test_with_an_address_pictures_and_links_lead_there() -> None:
    code = (
        "import backend, pathlib; "
        "print(backend.description(pathlib.Path('README.md').read_text(), 'https://example.org/a/'))"
    )
    path = {"PYTHONPATH": str(ROOT / "distribution")}
    command = [sys.executable, "-c", code]
    text = subprocess.check_output(command, cwd=ROOT, env=os.environ | path, text=True)
    readme = (ROOT / "README.md").read_text()
    assert "](https://example.org/a/models/paintings/village-street.jpg)" in text
    assert text.count("](https://example.org/a/") == len(re.findall(r"\]\((?!https:)", readme))
    assert all(link.startswith("https:") for link in re.findall(r"\]\(([^)]+)\)", text))
