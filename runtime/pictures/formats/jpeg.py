"""What a JPEG holds of a picture, without the rest: metadata by the megabyte, and other pictures.

Pillow keeps every segment before the pixels, joins EXIF data a segment at a time, and has libjpeg
decode however many scans there are. So the segments are looked at here first (ITU-T T.81, annex B),
and Pillow sees those that say how the picture is to be shown.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from PIL.JpegImagePlugin import JpegImageFile

from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.sources import PIECES

if TYPE_CHECKING:
    from typing import IO

    from _typeshed import WriteableBuffer

BUFFERED = "impasto: buffered"
"""In ``info``: bytes that libjpeg keeps of all scans until the last one, whatever size is made."""

_MARKER = re.compile(rb"\xff[^\x00\xff]")
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # restarts belong to a scan
_ALONE = {0x01, *range(0xD0, 0xD9)}
_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_KEPT = {0xE0: b"JFIF", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_ONCE = (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0")
_SOS, _EOI, _COMMENT, _APP1 = 0xDA, 0xD9, 0xFE, 0xE1

_MOST_SEGMENTS = 10_000
_MOST_TABLES = 1 << 20
"""Bytes of segments that are no metadata, before the first scan."""
_MOST_WORK = 4_000_000_000
"""Pixels times scans: some seconds. Encoders make 10 or so."""
_BLOCK, _HEAD = 1 << 14, 40


@dataclass
class _Segments:
    """What is to be seen of a file before its first scan, which begins at ``pixels``."""

    pieces: list[tuple[int, int]] = field(default_factory=list)
    pixels: int = 0
    frame: bytes = b""
    marker: int = 0
    components: int = 0
    """In the first scan."""


def open_jpeg(file: IO[bytes], name: str) -> JpegImageFile:
    """Open the first picture in ``file`` up to its pixels.

    Raises:
        ImageError: it takes too much work to read.
        Exception: whatever Pillow raises.
    """
    segments = _segments(file, name)
    file.seek(0, io.SEEK_END)
    pieces = [*segments.pieces, (segments.pixels, file.tell())]
    image = JpegImageFile(cast("IO[bytes]", _Cut(file, pieces)), "")
    image.info[BUFFERED] = 0
    progressive = segments.marker in _PROGRESSIVE
    if progressive or segments.components < len(image.layer):
        most = [max(layer[n] for layer in image.layer) for n in (1, 2)]
        shares = [layer[1] * layer[2] / (most[0] * most[1]) for layer in image.layer]
        pixels = image.width * image.height
        image.info[BUFFERED] = round(2 * pixels * sum(shares))
        _count_scans(file, name, segments.pixels, pixels)
    return image


def _segments(file: IO[bytes], name: str) -> _Segments:
    found, place, tables, seen = _Segments([(0, 2)]), 2, 0, set[bytes]()
    for _ in range(_MOST_SEGMENTS):
        marker, place, head = _next(file, place, _MARKER)
        if marker in _ALONE:
            continue
        end = place + int.from_bytes(head[:2], "big")
        if marker == _EOI or end < place + 2:
            raise ValueError("no pixels")
        if marker == _SOS:
            found.pixels, found.components = place - 2, head[2]
            return found
        body = head[2:]
        if marker == _APP1:
            kind = next((kind for kind in _ONCE if body.startswith(kind)), b"")
            keep = bool(kind) and kind not in seen
            seen.add(kind)
        elif 0xE0 <= marker <= 0xEF or marker == _COMMENT:
            keep = marker in _KEPT and body.startswith(_KEPT[marker])
        else:
            keep = True
            tables += end - place
            if marker in _FRAME:
                found.marker = marker
        if keep:
            start, last = found.pieces[-1]
            if last == place - 2:
                found.pieces[-1] = start, end
            else:
                found.pieces.append((place - 2, end))
        if tables > _MOST_TABLES:
            break
        place = end
    raise ImageError(PIECES.format(name))


def _next(file: IO[bytes], place: int, pattern: re.Pattern[bytes]) -> tuple[int, int, bytes]:
    """Find the next marker: itself, the place behind it, and the ``_HEAD`` bytes that are there."""
    file.seek(place)
    data = file.read(2 + _HEAD)
    while len(data) > 1:
        if matched := pattern.search(data):
            start = matched.end()
            if len(data) < start + _HEAD:
                file.seek(place)
                data = file.read(start + _HEAD)
            return matched[0][1], place + start, data[start : start + _HEAD]
        place += len(data) - 1  # 0xFF may be its last byte
        file.seek(place)
        data = file.read(_BLOCK)
    raise ValueError("no pixels")


def _count_scans(file: IO[bytes], name: str, place: int, pixels: int) -> None:
    """Refuse more scans than can be decoded in some seconds; what follows them is not read."""
    scans = 0
    try:
        for _ in range(_MOST_SEGMENTS):
            marker, place, head = _next(file, place, _AFTER_SCAN)
            if marker == _EOI:
                return
            if marker == _SOS:
                scans += 1
                if scans * pixels > _MOST_WORK:
                    raise ImageError(
                        f"{name} has {scans} scans or more, too many for its size; save it as PNG"
                    )
            if marker not in _ALONE:
                place += max(2, int.from_bytes(head[:2], "big"))
    except ValueError:  # it is cut short, as Pillow will find
        return
    raise ImageError(PIECES.format(name))


class _Cut(io.RawIOBase):
    """Some pieces of a file, one after the other; ``fileno`` would be that of the whole."""

    def __init__(self, file: IO[bytes], pieces: list[tuple[int, int]]) -> None:
        self._file, self._pieces, self._place = file, pieces, 0
        self._length = sum(end - start for start, end in pieces)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._place, self._length)[whence]
        self._place = max(0, base + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        view, begin, done = memoryview(buffer), 0, 0
        for start, end in self._pieces:
            size = end - start
            skip = self._place + done - begin
            if 0 <= skip < size and done < len(view):
                self._file.seek(start + skip)
                data = self._file.read(min(size - skip, len(view) - done))
                view[done : done + len(data)] = data
                done += len(data)
            begin += size
        self._place += done
        return done
