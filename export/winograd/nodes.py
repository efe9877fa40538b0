"""What can be told of a node before it is rewritten."""

from __future__ import annotations

import re
from typing import Any

import onnx_ir as ir

from .phases import channels_of

LEAST_CHANNELS = 128
"""With fewer, the sums cost what the products save."""

BLOCK = 16
"""Channels that lie side by side."""


def pays(node: ir.Node) -> bool:
    """A plain 3x3 convolution of many channels, with an even number of rows and of columns."""
    kernel, attributes = node.inputs[1], node.attributes
    if kernel is None or kernel.shape is None:
        return False
    return (
        kernel.shape[2:] == (3, 3)
        and attributes.get_ints("pads", ()) == (1, 1, 1, 1)
        and not any(
            n != 1 for key in ("strides", "dilations") for n in attributes.get_ints(key, ())
        )
        and attributes.get_int("group", 1) == 1
        and all(_many(channels_of(kernel, axis)) for axis in (0, 1))
        and splits(node.outputs[0])
    )


def _many(channels: int) -> bool:
    return channels >= LEAST_CHANNELS and channels % BLOCK == 0


def in_blocks(value: ir.Value) -> bool:
    """Whether it is, or can be, a feature map in the blocked layout."""
    shape = value.shape
    if shape is None or len(shape) != 4 or shape[0] != 1:
        return False
    return isinstance(shape[1], int) and shape[1] % BLOCK == 0


def splits(value: ir.Value) -> bool:
    """Whether it has four phases of one size in the blocked layout."""
    return in_blocks(value) and value.shape is not None and all(map(_even, value.shape[2:]))


def _even(side: Any) -> bool:
    """Whether a symbolic side such as ``4*s89`` is known to be even."""
    multiple = re.fullmatch(r"(\d+)\*\w+", str(side))
    return multiple is not None and int(multiple[1]) % 2 == 0


def halves(node: ir.Node) -> bool:
    """A pooling of 2x2 windows that do not overlap."""
    given = [node.attributes.get_ints(key, ()) for key in ("kernel_shape", "strides")]
    return (
        given == [(2, 2), (2, 2)]
        and not any(node.attributes.get_ints("pads", ()))
        and all(n == 1 for n in node.attributes.get_ints("dilations", ()))
    )


def given(node: ir.Node) -> list[ir.Value]:
    """A node's inputs, without those that are left out."""
    return [value for value in node.inputs if value is not None]


def numbers(node: ir.Node) -> list[Any]:
    """The constants among a node's inputs after the first, as lists; None for the others."""
    constants = [value.const_value if value else None for value in node.inputs[1:]]
    return [None if tensor is None else tensor.numpy().tolist() for tensor in constants]
