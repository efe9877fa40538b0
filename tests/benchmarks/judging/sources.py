"""Where the pictures come from: packages of Debian and of Python. Nothing is installed.

With JUDGE_SOURCES, a folder where the Debian packages are unpacked already (it has a folder usr),
none is downloaded.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from boards import assemble
from pairs import FOLDER, Source
from PIL import Image
from rcc import unpack

UNPACKED = FOLDER / "sources"
SKLEARN = "scikit-learn"
SKLEARN_IMAGES = "sklearn/datasets/images"


def load(source: Source) -> Image.Image:
    """A source's picture: RGB, cropped.

    Raises:
        SystemExit: it cannot be had; the sentence names the package.
    """
    image = _open(source).convert("RGB")
    return image.crop(source.crop) if source.crop else image


def _open(source: Source) -> Image.Image:
    match source.kind:
        case "skimage":
            return Image.open(_installed("skimage", f"data/{source.path}"))
        case "sklearn":
            return Image.open(io.BytesIO(_sklearn(source.path)))
        case "debian":
            return Image.open(_debian(source.package, source.path))
    files = _resource(source.package, source.resource)
    folder = f"/gcompris/src/activities/{source.resource}/resource"
    try:
        if source.kind == "board":
            return assemble(files, folder, source.path)
        return Image.open(io.BytesIO(files[f"{folder}/image/{source.path}"]))
    except KeyError as error:
        raise SystemExit(f"fetch: {source.package} has no {error} in this version") from error


def _installed(module: str, path: str) -> Path:
    """A file of a Python package, which need not be imported."""
    found = importlib.util.find_spec(module)
    if not found or not found.origin:
        raise SystemExit(f"fetch: the Python package {module} is not installed")
    return Path(found.origin).parent / path


def _sklearn(name: str) -> bytes:
    """From the package where it is installed, else from its wheel."""
    if importlib.util.find_spec("sklearn"):
        return _installed("sklearn", f"datasets/images/{name}").read_bytes()
    kept = UNPACKED / SKLEARN_IMAGES / name
    if not kept.is_file():
        _unpack_sklearn()
    return kept.read_bytes()


def _unpack_sklearn() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = ["download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder, SKLEARN]
        _call([sys.executable, "-m", "pip", *command], SKLEARN, "pip download")
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                if name.startswith(SKLEARN_IMAGES) and name.endswith(".jpg"):
                    wheel.extract(name, UNPACKED)


@functools.cache
def _resource(package: str, name: str) -> dict[str, bytes]:
    return unpack(_debian(package, f"gcompris-qt/rcc/{name}.rcc").read_bytes())


def _debian(package: str, path: str) -> Path:
    """A file below usr/share of a package."""
    given = os.environ.get("JUDGE_SOURCES")
    found = (Path(given) if given else _unpacked(package)) / "usr" / "share" / path
    if not found.is_file():
        where = f"JUDGE_SOURCES={given}" if given else "this version of it"
        raise SystemExit(f"fetch: the Debian package {package}: no usr/share/{path} in {where}")
    return found


@functools.cache
def _unpacked(package: str) -> Path:
    folder = UNPACKED / package
    if folder.is_dir():
        return folder
    UNPACKED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=UNPACKED) as work:
        _call(["apt-get", "download", "-q", package], package, "apt-get download", work)
        (archive,) = Path(work).glob("*.deb")
        whole = Path(work, "whole")
        _call(["dpkg-deb", "-x", str(archive), str(whole)], package, "dpkg-deb -x")
        whole.rename(folder)
    return folder


def _call(command: list[str], package: str, what: str, folder: str | None = None) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise SystemExit(
            f"fetch: {package} cannot be had: there is no {command[0]} here"
        ) from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["nothing"]
        raise SystemExit(f"fetch: {package} cannot be had: {what} said: {said[-1]}") from error
