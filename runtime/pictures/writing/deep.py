"""PNG and TIFF of RGB or RGBA with 16 bits a channel, which Pillow does not write."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

ROWS = 64
"""Rows that are made at once."""
LONGEST = (1 << 32) - (1 << 20)
"""Bytes of a TIFF's samples: its offsets have 32 bits."""
_SHORT, _LONG, _BYTE, _UNDEFINED = 3, 4, 1, 7
_LENGTHS = {_SHORT: 2, _LONG: 4, _BYTE: 1, _UNDEFINED: 1}


def png(samples: NDArray[np.uint16], chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The file of (height, width, 3 or 4) samples; ``chunks`` go before them (PNG, 3rd edition)."""
    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 16, 6 if channels == 4 else 2, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header)]
    parts += [_chunk(name, data) for name, data in chunks]
    parts += [_chunk(b"IDAT", data) for data in _deflated(samples)]
    return b"".join([*parts, _chunk(b"IEND", b"")])


def tiff(samples: NDArray[np.uint16], profile: bytes, xmp: bytes) -> bytes:
    """The file of (height, width, 3 or 4) samples, uncompressed in one strip (TIFF 6.0).

    Raises:
        ValueError: it is too large for a TIFF.
    """
    height, width, channels = samples.shape
    if samples.nbytes > LONGEST:
        raise ValueError("a TIFF holds at most 4 GB")
    entries = {
        256: (_LONG, 1, struct.pack("<I", width)),
        257: (_LONG, 1, struct.pack("<I", height)),
        258: (_SHORT, channels, struct.pack(f"<{channels}H", *[16] * channels)),
        259: (_SHORT, 1, struct.pack("<H", 1)),  # uncompressed
        262: (_SHORT, 1, struct.pack("<H", 2)),  # RGB
        273: (_LONG, 1, b""),  # where the strip begins: known below
        277: (_SHORT, 1, struct.pack("<H", channels)),
        278: (_LONG, 1, struct.pack("<I", height)),
        279: (_LONG, 1, struct.pack("<I", samples.nbytes)),
        284: (_SHORT, 1, struct.pack("<H", 1)),  # channels side by side
    }
    if channels == 4:
        entries[338] = (_SHORT, 1, struct.pack("<H", 2))  # opacity, colours not multiplied by it
    if xmp:
        entries[700] = (_BYTE, len(xmp), xmp)
    entries[34675] = (_UNDEFINED, len(profile), profile)
    place = 8 + 2 + 12 * len(entries) + 4
    outside = {tag: value + b"\0" * (len(value) % 2) for tag, (*_, value) in entries.items()}
    outside = {tag: value for tag, value in outside.items() if len(value) > 4}
    start = place + sum(map(len, outside.values()))
    entries[273] = (_LONG, 1, struct.pack("<I", start))
    directory = struct.pack("<H", len(entries))
    for tag, (kind, count, value) in entries.items():
        inside = value.ljust(4, b"\0")
        if tag in outside:
            inside = struct.pack("<I", place)
            place += len(outside[tag])
        directory += struct.pack("<HHI", tag, kind, count) + inside
    head = struct.pack("<2sHI", b"II", 42, 8) + directory + struct.pack("<I", 0)
    return b"".join([head, *outside.values(), samples.astype("<u2", copy=False).tobytes()])


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _deflated(samples: NDArray[np.uint16]) -> Iterator[bytes]:
    """The rows, each less the one above (filter 2: pictures are smooth), compressed."""
    packer = zlib.compressobj(6)
    above = np.zeros((1, samples[0].nbytes), np.uint8)
    for top in range(0, len(samples), ROWS):
        band = samples[top : top + ROWS].astype(">u2")
        rows = band.reshape(len(band), -1).view(np.uint8)
        filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
        filtered[:, 0] = 2
        filtered[:, 1:] = rows - np.concatenate([above, rows[:-1]])
        above = rows[-1:]
        if packed := packer.compress(filtered.tobytes()):
            yield packed
    yield packer.flush()
