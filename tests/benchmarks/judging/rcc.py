"""Qt resource files, versions 1 to 3: a tree of names, and the files' data.

Integers are big-endian. A node has the offset of its name, its flags, and for a folder its
children's number and first index, for a file the offset of its data.
"""

from __future__ import annotations

import struct
import zlib

ZLIB, FOLDER, ZSTD = 1, 2, 4


def unpack(data: bytes) -> dict[str, bytes]:
    """The files by their paths.

    Raises:
        ValueError: this is no such file, or packed in a way that is not read here.
    """
    if data[:4] != b"qres":
        raise ValueError("no Qt resource file")
    version, tree, contents, names = struct.unpack_from(">4i", data, 4)
    node_size = 14 if version == 1 else 22
    files: dict[str, bytes] = {}

    def name_at(offset: int) -> str:
        (length,) = struct.unpack_from(">H", data, names + offset)
        start = names + offset + 6  # after the length there is a hash
        return data[start : start + 2 * length].decode("utf-16-be")

    def walk(index: int, above: str) -> None:
        start = tree + index * node_size
        name, flags = struct.unpack_from(">ih", data, start)
        path = f"{above}/{name_at(name)}" if index else ""
        if flags & FOLDER:
            number, first = struct.unpack_from(">2i", data, start + 6)
            for child in range(first, first + number):
                walk(child, path)
            return
        (offset,) = struct.unpack_from(">i", data, start + 10)
        (length,) = struct.unpack_from(">i", data, contents + offset)
        packed = data[contents + offset + 4 : contents + offset + 4 + length]
        if flags & ZSTD:
            raise ValueError(f"{path} is packed with zstd")
        files[path] = zlib.decompress(packed[4:]) if flags & ZLIB else packed

    walk(0, "")
    return files
