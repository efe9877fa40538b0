"""That a graph is made of what a bundle may have, and is the one that the manifest describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from impasto.runtime.errors import BundleError

from .manifest import WEIGHTS, Manifest
from .scan import Contents, Port, scan
from .shapes import Shape

OPSETS = range(17, 19)
FLOAT32 = 1
MOST_NODES = 20_000

OPERATORS = frozenset(
    word
    for line in (
        "Abs Add And ArgMax AveragePool BatchNormalization Cast Ceil Clip Concat Constant",
        "ConstantOfShape Conv Cos DepthToSpace Div Einsum Equal Erf Exp Expand Flatten Floor",
        "Gather GatherElements GatherND Gemm Greater GreaterOrEqual HardSigmoid Identity LeakyRelu",
        "Less LessOrEqual Log MatMul Max MaxPool Min Mod Mul Neg Not Or Pad Pow Range Reciprocal",
        "ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare",
        "Relu Reshape Resize Round ScatterElements ScatterND Shape Sigmoid Sign Sin Size Slice",
        "Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Trilu",
        "Unsqueeze Where",
    )
    for word in line.split()
)
"""Standard operators without control flow, functions, files or randomness."""


def check_graph(path: Path, content: bytes) -> Contents:
    """Its contents, if they are standard operators of the right opset, and what they refer to."""
    try:
        found = scan(content)
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
    if len(found.nodes) > MOST_NODES:
        raise BundleError(f"{path}: {len(found.nodes)} operators, but at most {MOST_NODES} may be")
    return found


def check_ports(manifest: Manifest, file: str, contents: Contents, path: Path) -> None:
    """That a graph takes and gives what the manifest says, in that order."""
    names = {stand_in: name for name, stand_in in manifest.winograd.items()}
    signature = manifest.signatures.get(names.get(file, file))
    if signature is None:
        return  # a file that nothing refers to is never opened
    pairs = ((signature.inputs, contents.inputs), (signature.outputs, contents.outputs))
    for what, (said, found) in zip(("inputs", "outputs"), pairs, strict=True):
        if list(said.items()) != [(name, port.shape) for name, port in found.items()]:
            raise BundleError(
                f"{path}: its {what} are not those in the manifest ({_difference(said, found)}): "
                "export the bundle again"
            )
        for name, port in found.items():
            if port.kind != FLOAT32:
                raise BundleError(f"{path}: {name} is not float32: export the bundle again")


def _difference(said: Mapping[str, Shape], found: Mapping[str, Port]) -> str:
    for name, shape in said.items():
        if name not in found:
            return f"{name[:60]!r} is missing"
        if found[name].shape != shape:
            return f"{name[:60]!r} is {str(found[name].shape)[:60]}"
    return "more, or another order"
