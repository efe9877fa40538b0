"""What a graph can take, from shapes alone, before ONNX Runtime opens it: it folds while opening.

What is promised of a bundle that nobody vouches for, at every size that a graph is opened at:

- Every shape in it is known before; one that follows from data is refused.
- Values that live at once, in the order of the file, are at most four times what the manifest
  says (and the plan counts), and 256 MB besides.
- Constants, with all that can be folded into them, have at most 64 bytes for each byte of
  weights.bin, 128 MB besides, and never more than 2 GB; and one kilobyte a pixel.
- The work of a call and of its longest node grows with the canvas as ``FLOAT_WORK`` and
  ``FLOAT_NODE`` say; a job that is cancelled ends after the node that is running.

Not promised: that ONNX Runtime has no faults, the memory that its kernels use besides (cuDNN's
above all), the order in which it runs nodes, and seconds: work is counted, not timed.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any

from impasto.runtime.errors import BundleError

from .manifest import WEIGHTS
from .operators import Call, Shape, Value, outputs_of, stored, work
from .scan import Contents, Node, Port
from .shapes import fix

if TYPE_CHECKING:
    from .bundle import Bundle

Outcome = tuple[list[Value], int]
"""Of a node: what it gives, and its work."""
SIDE = r"(height|width)(/[1-9]\d{0,3})?|regions"
"""Of an input or output, where it is no number."""

# Our own graphs take a third of what memory they may, and a tenth of the work, or less.
FLOAT_WORK, FIXED_WORK = 1 << 23, 1 << 36
"""Multiply-adds of a call, for each float of the canvas and besides."""
FLOAT_NODE, FIXED_NODE = 1 << 19, 1 << 33
"""The same of one node."""
LIVE, PIXEL_LIVE, FIXED_LIVE = 4, 1 << 10, 1 << 28
"""Bytes that live at once: a factor for the manifest's, what a pixel may take besides, and all."""
STORED_FOLDED, FIXED_FOLDED, MOST_FOLDED = 64, 1 << 27, 1 << 31
"""Bytes of constants: for a byte of weights.bin, besides, and ever."""
STORED_FOLDING, FIXED_FOLDING = 1 << 12, 1 << 32
"""Multiply-adds to fold them: for a byte of weights.bin, and besides."""


WORDS = {
    "live": "bytes of working memory",
    "folded": "bytes of constants",
    "folding": "multiply-adds for its constants",
    "work": "multiply-adds",
    "node": "multiply-adds in one node",
}


@dataclasses.dataclass(slots=True)
class Bounds:
    """What a graph takes at a size, or what it may take."""

    live: int = 0
    """Bytes that live at once, if nodes run in the order of the file."""
    folded: int = 0
    """Bytes of all constants, and of all that follows from them."""
    folding: int = 0
    """Multiply-adds that fold them."""
    work: int = 0
    """Multiply-adds of a call."""
    node: int = 0
    """Multiply-adds of one node, at most."""


def check_bounds(bundle: Bundle, file: str, height: int, width: int, regions: int = 1) -> None:
    """That a graph of the bundle may be opened at a size; the second time it costs nothing.

    Args:
        bundle: with ``file`` among its files.
        file: of the very graph that will be opened, with Winograd's convolutions or without.
        height: of the picture or tile, in pixels.
        width: the same.
        regions: how many.

    Raises:
        BundleError: its shapes cannot be told, or it would take more than it may.
    """
    if (file, height, width, regions) in bundle.checked:
        return
    allowed = allowance(bundle, file, height, width, regions)
    try:
        infer(bundle.contents(file), height, width, allowed, regions)
    except ValueError as error:
        raise BundleError(
            f"{bundle.path / file}: not opened at {width}x{height}: {error}; "
            "use a bundle that `impasto export` wrote"
        ) from None
    bundle.checked.add((file, height, width, regions))


def allowance(bundle: Bundle, file: str, height: int, width: int, regions: int = 1) -> Bounds:
    """What a graph of the bundle may take at a size."""
    manifest, pixels = bundle.manifest, height * width
    names = {stand_in: name for name, stand_in in manifest.winograd.items()}
    signature = manifest.signatures[names.get(file, file)]
    ports = [*signature.inputs.values(), *signature.outputs.values()]
    floats = sum(math.prod(fix(shape, height, width, regions)) for shape in ports)
    weights, canvas = len(bundle.files[WEIGHTS]), manifest.canvas.channels * pixels
    return Bounds(
        live=int(LIVE * 4 * (signature.live(regions) * pixels + floats))
        + PIXEL_LIVE * pixels
        + FIXED_LIVE,
        folded=min(STORED_FOLDED * weights + FIXED_FOLDED, MOST_FOLDED) + PIXEL_LIVE * pixels,
        folding=STORED_FOLDING * weights + FIXED_FOLDING,
        work=FLOAT_WORK * canvas + FIXED_WORK,
        node=FLOAT_NODE * canvas + FIXED_NODE,
    )


def infer(
    contents: Contents, height: int, width: int, allowed: Bounds | None = None, regions: int = 1
) -> tuple[dict[str, Value], Bounds]:
    """The values of a graph at a size, by name, and what it takes.

    Raises:
        ValueError: a shape cannot be told, or it takes more than is ``allowed``.
    """
    values: dict[str, Value] = {}
    seen: dict[tuple[Any, ...], Outcome] = {}
    found, living = Bounds(), 0
    for name, port in contents.inputs.items():
        _define(values, name, Value(_fixed(port, height, width, regions), port.kind))
    for tensor in contents.initializers:
        _define(values, tensor.name, stored(tensor))
        found.folded += values[tensor.name].bytes
    ends = _ends(contents)
    for at, node in enumerate(contents.nodes):
        try:
            call = Call(node, [_value(values, name) for name in node.inputs])
            outputs, cost = _outcome(call, seen)
        except (ValueError, LookupError, TypeError, ArithmeticError) as error:
            raise ValueError(f"the shape of {_show(node)} cannot be told: {error}") from None
        for name, value in zip(node.outputs, outputs, strict=True):
            _define(values, name, value)
        size = sum([value.bytes for value in outputs])
        if outputs[0].constant:
            found.folded += size
            found.folding += cost
        else:
            living += size
            found.live = max(found.live, living)
            found.work += cost
            found.node = max(found.node, cost)
        for name in ends[at]:
            if not values[name].constant:
                living -= values[name].bytes
        if allowed:
            _compare(node, found, allowed)
    for name, port in contents.outputs.items():
        if name not in values or values[name].shape != _fixed(port, height, width, regions):
            raise ValueError(f"its output {name[:60]!r} is not what it says")
    return values, found


def _outcome(call: Call, seen: dict[tuple[Any, ...], Outcome]) -> Outcome:
    """What a node gives and costs; of many nodes that take the same shapes, it is found once."""
    node, key = call.node, None
    if call.values and not any(value and value.data is not None for value in call.values):
        taken = [value and (value.shape, value.kind, value.constant) for value in call.values]
        key = (node.operator, len(node.outputs), node.written, *taken)
        if key in seen:
            return seen[key]
    outputs = outputs_of(call)
    outcome = outputs, work(call, outputs)
    if key:
        seen[key] = outcome
    return outcome


def _fixed(port: Port, height: int, width: int, regions: int) -> Shape:
    if not all(isinstance(side, int) or re.fullmatch(SIDE, side) for side in port.shape):
        raise ValueError(f"an input or output has the shape {str(port.shape)[:60]}")
    return fix(port.shape, height, width, regions)


def _value(values: dict[str, Value], name: str) -> Value | None:
    if name and name not in values:
        raise ValueError(f"there is no value {name[:60]!r} yet")
    return values.get(name)


def _define(values: dict[str, Value], name: str, value: Value) -> None:
    if name in values:
        raise ValueError(f"it has {name[:60]!r} twice")
    if name:
        values[name] = value


def _ends(contents: Contents) -> list[list[str]]:
    """By node, the values that are not used after it, but for the graph's inputs and outputs."""
    last = {name: at for at, node in enumerate(contents.nodes) for name in node.inputs if name}
    ends: list[list[str]] = [[] for _ in contents.nodes]
    for name, at in last.items():
        if name not in contents.inputs and name not in contents.outputs:
            ends[at].append(name)
    return ends


def _compare(node: Node, found: Bounds, allowed: Bounds) -> None:
    if (
        found.live <= allowed.live
        and found.folded <= allowed.folded
        and found.folding <= allowed.folding
        and found.work <= allowed.work
        and found.node <= allowed.node
    ):
        return
    for what, words in WORDS.items():
        taken, most = getattr(found, what), getattr(allowed, what)
        if taken > most:
            raise ValueError(f"with {_show(node)} it takes {taken:.1e} {words}, and may {most:.1e}")


def _show(node: Node) -> str:
    return f"{node.operator} {node.outputs[0][:60]!r}" if node.outputs else node.operator
