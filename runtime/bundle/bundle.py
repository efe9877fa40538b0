"""A bundle: a folder with a manifest and the files it names, checked before anything is opened."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from importlib import resources
from pathlib import Path

from impasto.runtime.errors import BundleError

from .checks import check_manifest
from .graph_checks import check_graph, check_ports
from .manifest import CONFORMANCE, FILE_NAME, WEIGHTS, File, Manifest
from .random import make_weights
from .scan import Contents

DEFAULT = "vgg19"
ENVIRONMENT = "IMPASTO_MODEL"
PACKAGED = Path(str(resources.files("impasto.models")))
MAX_MANIFEST = 1 << 20


class Bundle:
    """A checked bundle, in memory. ``files`` are the very bytes that were checked."""

    def __init__(self, location: str | os.PathLike[str] | None = None) -> None:
        """A folder, the name of a packaged one, or None: $IMPASTO_MODEL, else the packaged one.

        Raises:
            BundleError: something is missing, altered, or not what a bundle may hold.
        """
        self.path: Path = locate(location)
        source = self.path / FILE_NAME
        text = _read(source, MAX_MANIFEST)
        self.manifest: Manifest = Manifest.from_json(text, str(source))
        self.digest: str = hashlib.sha256(_identity(text, self.manifest)).hexdigest()
        """Of the manifest, which has those of the files; the conformance file is not in it."""
        check_manifest(self.manifest, source)
        self.files: dict[str, bytes] = {
            name: self._made(expected)
            if name == WEIGHTS and self.manifest.random
            else _verified(self.path / name, expected)
            for name, expected in self.manifest.files.items()
        }
        entry = self.manifest.conformance
        self.conformance: bytes | None = (
            _verified(self.path / CONFORMANCE, entry) if entry else None
        )
        """The bytes of the conformance file, if the bundle has one."""
        self.checked: set[tuple[str, int, int, int]] = set()
        """Files, sizes and regions that ``check_bounds`` has passed."""
        self._contents: dict[str, Contents] = {}
        self.packaged: bool = self.path.parent == PACKAGED
        """As good as this file beside it: its graphs need no checks."""
        if not self.packaged:
            for name in self.files:
                if name.endswith(".onnx"):
                    self._scan(name)

    def _made(self, expected: File) -> bytes:
        """The weights that no file holds."""
        assert self.manifest.random
        content = make_weights(self.manifest.random)
        return _checked(self.path / WEIGHTS, content, expected)

    def contents(self, file: str) -> Contents:
        """What is in a graph.

        Raises:
            BundleError: not what a bundle's graph may have.
        """
        if file not in self._contents:
            self._contents[file] = self._scan(file)
        return self._contents[file]

    def _scan(self, file: str) -> Contents:
        path = self.path / file
        contents = check_graph(path, self.files[file])
        check_ports(self.manifest, file, contents, path)
        return contents

    def operators(self, file: str) -> Counter[str]:
        """The operators of a graph, with their counts."""
        return self.contents(file).operators


def read_manifest(location: str | os.PathLike[str] | None = None) -> Manifest:
    """The manifest of a bundle alone, whose files are not looked at. ``location`` as of ``Bundle``.

    Raises:
        BundleError: there is none, or it is damaged.
    """
    source = locate(location) / FILE_NAME
    return Manifest.from_json(_read(source, MAX_MANIFEST), str(source))


def locate(location: str | os.PathLike[str] | None) -> Path:
    """The folder of a bundle."""
    wanted = os.fspath(location or os.environ.get(ENVIRONMENT) or DEFAULT)
    if re.fullmatch(r"\w[\w-]*", wanted) and (PACKAGED / wanted / FILE_NAME).is_file():
        return PACKAGED / wanted
    path = Path(wanted)
    if not (path / FILE_NAME).is_file():
        raise BundleError(
            f"{wanted}: no bundle here ({FILE_NAME} is missing): "
            "name a folder that `impasto export` wrote"
        )
    return path


def _identity(text: bytes, manifest: Manifest) -> bytes:
    """What a painting's bundle is known by: a bundle that gets a new conformance file is the same.

    It is the text of the manifest as it would be without the file.
    """
    if manifest.conformance is None:
        return text
    return manifest.without_conformance().to_json().encode()


def _verified(path: Path, expected: File) -> bytes:
    return _checked(path, _read(path, expected.size), expected)


def _checked(path: Path, content: bytes, expected: File) -> bytes:
    if len(content) != expected.size:
        raise BundleError(
            f"{path}: {len(content)} bytes, not {expected.size}: copy or export the bundle again"
        )
    if hashlib.sha256(content).hexdigest() != expected.sha256:
        raise BundleError(
            f"{path}: its SHA-256 is not the manifest's: the file was changed or damaged; "
            "copy or export the bundle again"
        )
    return content


def _read(path: Path, limit: int) -> bytes:
    again = "copy or export the bundle again"
    try:
        if not path.is_file():  # to open a pipe could wait for ever
            raise BundleError(f"{path}: missing, or no file: {again}")
        if path.stat().st_size > limit:
            raise BundleError(f"{path}: more than {limit} bytes: {again}")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
