"""The protobuf wire format (https://protobuf.dev/programming-guides/encoding), without protobuf."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator

ANY = range(1, 1 << 29)  # all numbers that a field can have

Value = int | bytes | float | None
"""A varint (of 64 bits, unsigned), what is length-delimited, 32 bits as a float; None for 64 bits.

Parsers skip a field of another type than they expect, so it must not pass for the field's value.
"""


def fields(
    message: bytes, plain: Container[int], kind: str, others: set[str]
) -> Iterator[tuple[int, Value]]:
    """The fields' numbers and values; numbers not in ``plain`` go to ``others`` with the kind.

    Raises:
        ValueError: the bytes are no protobuf message, or one that parsers read in two ways.
    """
    at, end = 0, len(message)
    while at < end:
        key = message[at]
        if key < 128:  # most take one byte
            at += 1
        else:
            key, at = varint(message, at)
        number, wire = key >> 3, key & 7
        if number not in plain:
            if number not in ANY:  # parsers that keep 32 bits of it would see another one
                raise ValueError(f"unknown field {number}")
            others.add(f"{kind} field {number}")
        if wire == 0:
            value, at = varint(message, at)
            yield number, value
            continue
        if wire == 2:
            length, at = varint(message, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire}")
        part = message[at : at + length]
        if len(part) < length:
            raise ValueError("the file ends too early")
        at += length
        if wire == 2:
            yield number, part
        else:
            yield number, struct.unpack("<f", part)[0] if wire == 5 else None


def varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where the next field begins."""
    if at < len(message) and message[at] < 128:
        return message[at], at + 1
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value & (1 << 64) - 1, at
    raise ValueError("a number never ends")


def message(value: Value) -> bytes:
    """What is length-delimited."""
    if not isinstance(value, bytes):
        raise ValueError("a number where a message belongs")
    return value


def text(value: Value) -> str:
    """UTF-8."""
    return message(value).decode("utf-8")


def signed(value: Value) -> int:
    """An int64, or an int32 that is within its range."""
    if not isinstance(value, int):
        raise ValueError("a message where a number belongs")
    return value - (1 << 64) if value >> 63 else value


def integers(value: Value) -> list[int]:
    """One entry of a repeated int64, or several that are packed."""
    if not isinstance(value, bytes):
        return [signed(value)]
    found, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        found.append(signed(number))
    return found


def floats(value: Value) -> list[float]:
    """One entry of a repeated float, or several that are packed."""
    if isinstance(value, float):
        return [value]
    packed = message(value)
    return [number for (number,) in struct.iter_unpack("<f", packed[: len(packed) // 4 * 4])]
