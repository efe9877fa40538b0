"""ONNX models taken apart and put together as bytes: no package for it at run time.

A message is a list of fields, in protobuf's wire format. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from impasto.runtime.bundle.wire import varint

MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE = 1, 5, 11, 12, 13
NODE_INPUT, NODE_OUTPUT = 1, 2
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_EXTERNAL, TENSOR_LOCATION = 1, 2, 8, 13, 14
VALUE_NAME = 1
ENTRY_KEY, ENTRY_VALUE = 1, 2
EXTERNAL = 1
"""A tensor's location: another file."""

Field = tuple[int, int, int | bytes]
"""Number, wire type (0: a number, 2: bytes, 1 and 5: fixed length) and value."""


def decode(message: bytes) -> list[Field]:
    """The fields of a well-formed message."""
    fields: list[Field] = []
    at, end = 0, len(message)
    while at < end:
        key, at = varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = varint(message, at)
            fields.append((number, wire, value))
            continue
        if wire == 2:
            length, at = varint(message, at)
        else:
            length = {1: 8, 5: 4}[wire]
        fields.append((number, wire, message[at : at + length]))
        at += length
    return fields


def encode(fields: Iterable[Field]) -> bytes:
    """The message of some fields."""
    parts = []
    for number, wire, value in fields:
        parts.append(_bytes_of(number << 3 | wire))
        if isinstance(value, int):
            parts.append(_bytes_of(value))
        else:
            if wire == 2:
                parts.append(_bytes_of(len(value)))
            parts.append(value)
    return b"".join(parts)


def named(number: int, value: str | bytes) -> Field:
    """A field of bytes."""
    return number, 2, value.encode() if isinstance(value, str) else value


def values(fields: Iterable[Field], number: int) -> list[bytes]:
    """Of the fields of bytes with a number, in their order."""
    return [value for n, _, value in fields if n == number and isinstance(value, bytes)]


def names(fields: Iterable[Field], number: int) -> list[str]:
    """The same, as text."""
    return [value.decode() for value in values(fields, number)]


def numbers(fields: Iterable[Field], number: int) -> list[int]:
    """Of a field of numbers, packed or not."""
    found: list[int] = []
    for n, _, value in fields:
        if n != number:
            continue
        if isinstance(value, int):
            found.append(value)
            continue
        at = 0
        while at < len(value):
            one, at = varint(value, at)
            found.append(one)
    return found


def external(name: str, kind: int, shape: Sequence[int], place: tuple[str, int, int]) -> Field:
    """An initializer whose bytes are elsewhere: (file, offset, length)."""
    entries = zip(("location", "offset", "length"), map(str, place), strict=True)
    fields: list[Field] = [(TENSOR_DIMS, 0, side) for side in shape]
    fields += [(TENSOR_TYPE, 0, kind), named(TENSOR_NAME, name)]
    for key, value in entries:
        entry = encode([named(ENTRY_KEY, key), named(ENTRY_VALUE, value)])
        fields.append(named(TENSOR_EXTERNAL, entry))
    fields.append((TENSOR_LOCATION, 0, EXTERNAL))
    return named(GRAPH_INITIALIZER, encode(fields))


def typed(name: str, kind: int, shape: Sequence[int]) -> bytes:
    """A value's name, type and shape."""
    sides = [named(1, encode([(1, 0, side)])) for side in shape]
    tensor: list[Field] = [(1, 0, kind), named(2, encode(sides))]
    return encode([named(VALUE_NAME, name), named(2, encode([named(1, encode(tensor))]))])


def place_of(tensor: Iterable[Field]) -> tuple[str, int, int] | None:
    """(file, offset, length) of an initializer whose bytes are elsewhere."""
    tensor = list(tensor)
    if numbers(tensor, TENSOR_LOCATION) != [EXTERNAL]:
        return None
    entries = {}
    for entry in map(decode, values(tensor, TENSOR_EXTERNAL)):
        entries[names(entry, ENTRY_KEY)[0]] = names(entry, ENTRY_VALUE)[0]
    return entries["location"], int(entries.get("offset", 0)), int(entries["length"])


def _bytes_of(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)
