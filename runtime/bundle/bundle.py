"""A bundle: a folder with a manifest and the files it names, checked before anything is opened."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from importlib import resources
from pathlib import Path

from impasto.runtime.errors import BundleError

from . import scan as onnx_scan
from .manifest import FILE_NAME, WEIGHTS, File, Manifest

DEFAULT = "vgg19"
ENVIRONMENT = "IMPASTO_MODEL"
OPSETS = range(17, 19)
MAX_MANIFEST = 1 << 20

OPERATORS = frozenset(
    word
    for line in (
        "Abs Add And AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape",
        "Conv Cos",
        "DepthToSpace Div Einsum Equal Erf Exp Expand Flatten Floor Gather GatherElements",
        "GatherND Gemm Greater GreaterOrEqual HardSigmoid Identity LeakyRelu Less LessOrEqual",
        "Log MatMul Max MaxPool Min Mod Mul Neg Not Or Pad Pow Range Reciprocal ReduceL1",
        "ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu",
        "Reshape Resize Round ScatterElements ScatterND Shape Sigmoid Sign Sin Size Slice",
        "Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Trilu",
        "Unsqueeze Where",
    )
    for word in line.split()
)
"""Standard operators without control flow, functions, files or randomness."""


class Bundle:
    """A checked bundle, in memory. ``files`` are the very bytes that were checked."""

    def __init__(self, location: str | os.PathLike[str] | None = None) -> None:
        """A folder, the name of a packaged one, or None: $IMPASTO_MODEL, else the packaged one.

        Raises:
            BundleError: something is missing, altered, or not what a bundle may hold.
        """
        self.path = locate(location)
        source = self.path / FILE_NAME
        self.manifest = Manifest.from_json(_read(source, MAX_MANIFEST), str(source))
        check_names(self.manifest, source)
        check_values(self.manifest, source)
        self.files = {
            name: _verified(self.path / name, expected)
            for name, expected in self.manifest.files.items()
        }
        for name, content in self.files.items():
            if name.endswith(".onnx"):
                check_graph(self.path / name, content)

    def operators(self, name: str) -> Counter[str]:
        """The operators of a graph, with their counts."""
        return onnx_scan.scan(self.files[name]).operators


def locate(location: str | os.PathLike[str] | None) -> Path:
    """The folder of a bundle."""
    wanted = os.fspath(location or os.environ.get(ENVIRONMENT) or DEFAULT)
    packaged = Path(str(resources.files("impasto.models")))
    if re.fullmatch(r"\w[\w-]*", wanted) and (packaged / wanted / FILE_NAME).is_file():
        return packaged / wanted
    path = Path(wanted)
    if not (path / FILE_NAME).is_file():
        raise BundleError(
            f"{wanted}: no bundle here ({FILE_NAME} is missing): "
            "name a folder that `impasto export` wrote"
        )
    return path


def check_names(manifest: Manifest, source: Path) -> None:
    """Only plain names of the two kinds that a bundle has, and every graph among the files."""
    for name in manifest.files:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*\.onnx", name) and name != WEIGHTS:
            raise BundleError(f"{source}: a bundle cannot hold a file named {name!r}")
    objectives = manifest.objectives.values()
    if (
        not manifest.presets
        or not objectives
        or not all(o.poolings and o.terms for o in objectives)
    ):
        raise BundleError(
            f"{source}: it has no preset, objective, pooling or term: export the bundle again"
        )
    graphs = manifest.graph_names()
    needed = {*graphs, *manifest.winograd.values(), WEIGHTS}
    for name in sorted(needed - set(manifest.files) | set(graphs) - set(manifest.signatures)):
        raise BundleError(f"{source}: it does not describe {name}: export the bundle again")
    for name in manifest.winograd:
        if name not in graphs:
            raise BundleError(f"{source}: {name}, which another stands for, is no graph of it")


def check_values(manifest: Manifest, source: Path) -> None:
    """What the types allow and the runtime cannot work with. Settings check the presets."""
    if min(*manifest.encoder.alignment, manifest.optimizers.history_size) < 1:
        raise BundleError(f"{source}: alignment and history_size must be 1 or more")
    terms = [term for objective in manifest.objectives.values() for term in objective.terms]
    shapes = [value.shape for term in terms for value in term.inputs]
    for signature in manifest.signatures.values():
        shapes += [*signature.inputs.values(), *signature.outputs.values()]
    for side in {side for shape in shapes for side in shape}:
        if not re.fullmatch(r"[1-9]\d*|(height|width)(/[1-9]\d*)?", str(side)):
            raise BundleError(f"{source}: a graph cannot have a side of {side!r}")


def check_graph(path: Path, content: bytes) -> None:
    """Standard operators of the right opset, and external data in the weights file alone."""
    try:
        found = onnx_scan.scan(content)
    except ValueError as error:
        raise BundleError(f"{path}: not an ONNX file: {error}") from None
    if unknown := sorted(set(found.operators) - OPERATORS):
        raise BundleError(f"{path}: operators that a bundle cannot have: {', '.join(unknown)}")
    if found.others:
        others = ", ".join(sorted(found.others))
        raise BundleError(f"{path}: more than operators and dense tensors: {others}")
    if set(found.opsets) != {""} or found.opsets[""] not in OPSETS:
        raise BundleError(f"{path}: opsets {found.opsets}, but a bundle's are 17 or 18")
    if strangers := sorted(found.locations - {WEIGHTS}):
        raise BundleError(f"{path}: it refers to other files: {', '.join(strangers)}")


def _verified(path: Path, expected: File) -> bytes:
    content = _read(path, expected.size)
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
