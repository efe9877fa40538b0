"""Which of its images a TIFF means, and what Pillow reads otherwise than it is written.

A camera's TIFF begins with a thumbnail and keeps the picture in a SubIFD; Pillow opens the first
image. Pillow also leaves samples of more than 8 bits as they are where white is zero, or does not
know their layout. Both are mended by a view of the file in which a few bytes differ.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

from PIL import ImagePalette
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from impasto.runtime.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Literal

    from _typeshed import WriteableBuffer

INVERTED = "impasto: white is zero"
"""In ``info``: the samples are to be subtracted from white."""
ORIENTED = "impasto: orientation"
"""In ``info``: that of a picture in a SubIFD, which the first directory tells."""

SUBFILE, OLD_SUBFILE, BITS, PHOTOMETRIC, ORIENTATION = 254, 255, 258, 262, 274
ROWS, PLANAR, COLORS, TILE_WIDTH, SUBIFDS, FORMAT = 278, 284, 320, 322, 330, 339
_ASIDE = 1 | 4 | 8 | 16  # a reduced image, a mask, a depth map, an enhanced image
_RAW = {32803, 34892}  # a sensor's mosaic, and linear light in the camera's own colours
_MOST = 100  # directories that are looked at


def open_tiff(file: IO[bytes], name: str) -> TiffImageFile:
    """Open the picture in ``file`` up to its pixels.

    Raises:
        ImageError: its samples are of a kind that would be read wrongly.
        Exception: whatever Pillow raises.
    """
    layout = _Layout(file)
    if layout.header[:4] == b"MM\0+":
        raise ImageError(f"{name} is a BigTIFF that cannot be read here; save it as TIFF or PNG")
    chosen = start, first = next(layout.directories())
    if _is_aside(first):
        others = layout.directories()
        chosen = next((found for found in others if not _is_aside(found[1])), chosen)
    offset, tags = chosen
    bits = max(tags.get(BITS, (1,)))
    _check(tags, bits, name)
    patches = {}
    if offset != start:  # the header tells the first directory at 4, that of a BigTIFF at 8
        patches[layout.size] = layout.number(offset)
    inverted = bits not in {1, 2, 4, 8} and tags.get(PHOTOMETRIC) == 0
    if inverted:
        patches[layout.find(offset, PHOTOMETRIC)[1]] = (1).to_bytes(2, layout.order)
    file.seek(0)
    image = TiffImageFile(cast("IO[bytes]", _Patched(file, patches)) if patches else file, "")
    image.info[INVERTED] = inverted
    if offset != start and ORIENTATION not in tags:
        image.info[ORIENTED] = first.get(ORIENTATION, 1)
    image.info.pop("xmp", None)  # Pillow would turn the picture by it, but gives the size unturned
    _mend_palette(image)
    return image


class _Layout:
    """Where things are in a file; ``size`` is that of an offset."""

    def __init__(self, file: IO[bytes]) -> None:
        file.seek(0)
        self.file, self.header = file, file.read(8)
        self.size = 4
        if self.header[2] == 43:  # BigTIFF, as far as Pillow knows it
            self.size, self.header = 8, self.header + file.read(8)
        self.order: Literal["little", "big"] = "little" if self.header[:1] == b"I" else "big"

    def directories(self) -> Iterator[tuple[int, ImageFileDirectory_v2]]:
        """Offset and tags of every image, one's own SubIFDs before the next page."""
        waiting, seen = [ImageFileDirectory_v2(self.header).next], set[int]()
        while waiting and len(seen) < _MOST:
            offset = waiting.pop(0)
            if not offset or offset in seen:
                continue
            seen.add(offset)
            tags = ImageFileDirectory_v2(self.header)
            self.file.seek(offset)
            tags.load(self.file)
            yield offset, tags
            count, place = self.find(offset, SUBIFDS)  # Pillow does not know their type in BigTIFF
            if count > 1:
                place = self.read(place, self.size)
            inner = [self.read(place + n * self.size, self.size) for n in range(min(count, _MOST))]
            waiting = [*inner, tags.next, *waiting]

    def find(self, offset: int, tag: int) -> tuple[int, int]:
        """How many values a tag has, and where they, or their place, are; (0, 0) without it."""
        head, entry = (8, 20) if self.size == 8 else (2, 12)
        for n in range(min(self.read(offset, head), 1 << 12)):
            place = offset + head + entry * n
            if self.read(place, 2) == tag:
                return self.read(place + 4, self.size), place + 4 + self.size
        return 0, 0

    def read(self, place: int, size: int) -> int:
        self.file.seek(place)
        return int.from_bytes(self.file.read(size), self.order)

    def number(self, value: int) -> bytes:
        return value.to_bytes(self.size, self.order)


def _is_aside(tags: ImageFileDirectory_v2) -> bool:
    return bool(tags.get(SUBFILE, 0) & _ASIDE) or tags.get(OLD_SUBFILE) == 2


def _check(tags: ImageFileDirectory_v2, bits: int, name: str) -> None:
    if tags.get(PHOTOMETRIC) in _RAW:
        raise ImageError(f"{name} holds a camera's raw data; develop it and save it as PNG or TIFF")
    if 2 in tags.get(FORMAT, (1,)) and bits < 32:
        raise ImageError(f"{name} has signed samples; save it with unsigned ones, of 8 or 16 bits")
    if tags.get(PLANAR) == 2 and bits > 8:
        raise ImageError(
            f"{name} keeps its channels apart, with {bits} bits a sample; save it with the "
            "channels of a pixel together, or as PNG"
        )


class _Patched(io.RawIOBase):
    """A file with other bytes at some places; libtiff, which has its descriptor, needs none."""

    def __init__(self, file: IO[bytes], patches: dict[int, bytes]) -> None:
        self._file, self._patches = file, patches

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def fileno(self) -> int:
        return self._file.fileno()

    def readinto(self, buffer: WriteableBuffer) -> int:
        start = self._file.tell()
        data = bytearray(self._file.read(len(memoryview(buffer))))
        for place, changed in self._patches.items():
            for position, byte in enumerate(changed, place - start):
                if 0 <= position < len(data):
                    data[position] = byte
        memoryview(buffer)[: len(data)] = data
        return len(data)


def _mend_palette(image: TiffImageFile) -> None:
    """Some writers keep 8 bits where the palette has 16: Pillow makes all colours black of them."""
    colors = image.tag_v2.get(COLORS, ())
    if image.mode in {"P", "PA"} and 0 < max(colors) < 256:
        image.palette = ImagePalette.raw("RGB;L", bytes(colors))
