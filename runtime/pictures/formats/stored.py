"""A picture as its file stores it, decoded once and made colour a few rows at a time."""

from __future__ import annotations

import struct
from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from impasto.runtime.pictures.quiet import quiet_libtiff
from impasto.runtime.pictures.writing.profile import srgb

from .jpeg import BUFFERED
from .profiles import for_gray, of_chunks, of_code_points
from .tiff import BITS, ORIENTATION, ORIENTED, PLANAR, ROWS, TILE_WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    T = TypeVar("T")


Shown = Literal["white", "stored", "opacity"]
"""Of a picture that is transparent: its colours on white, as they are stored, or how opaque it is.
"""


class Stored:
    """``height`` and ``width`` are those of the stored rows; ``orientation`` is EXIF's, 1 to 8.

    ``extent`` is how much of (height, width) the picture fills: all, but for part of the last row
    and column where it is decoded smaller.

    Everything here raises ImageError, with ``name`` in it, or whatever Pillow raises.
    """

    def __init__(self, image: Image.Image, name: str) -> None:
        self.image: Image.Image = image
        self.name: str = name
        self.width: int
        self.height: int
        self.width, self.height = image.size
        self.extent: tuple[float, float] = self.height, self.width
        self.orientation: int = _orientation(image)
        self.profile: bytes | None = unless_broken(lambda: _profile(image), None)
        self.shown: Shown = "white"
        self.raw_mode: str
        self.raw_white: int | None
        self.raw_mode, self.raw_white = raw_mode(image)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the upright picture."""
        turned = self.orientation > 4
        return (self.width, self.height) if turned else (self.height, self.width)

    @property
    def decoding(self) -> int:
        """Bytes that ``load`` takes at its peak, as measured: what is kept, and the decoder's."""
        return decoding(self.image)

    def reduce(self, height: int, width: int) -> None:
        """Have a JPEG that is much larger than a size decoded at 1/2, 1/4 or 1/8 of its own.

        Twice the size is kept, so that the filter that makes it of that is the one that is seen.
        """
        if BUFFERED not in self.image.info:
            return
        rows, columns = (width, height) if self.orientation > 4 else (height, width)
        self.image.draft(None, (2 * columns, 2 * rows))
        times = -(-self.width // self.image.width)
        self.extent = self.height / times, self.width / times
        self.width, self.height = self.image.size

    def load(self) -> None:
        """Decode."""
        load(self.image)
        self.prepare()

    def rows(self, top: int, bottom: int) -> NDArray[np.float32]:
        """Make (bottom - top, width, 3) float32 in [0, 1] of the stored rows: see ``shown``."""
        colour, alpha = self.layers((0, top, self.width, bottom))
        if self.shown == "opacity":
            colour = np.ones_like(colour) if alpha is None else alpha
        if colour.shape[2] == 1:
            colour = np.repeat(colour, 3, axis=2)
        if alpha is not None and self.shown == "white":
            colour *= alpha
            colour += 1 - alpha
        return colour

    def prepare(self) -> None:
        """What is to be done once between decoding and ``layers``."""
        raise NotImplementedError

    def layers(
        self, box: tuple[int, int, int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Colour, (rows, width, 1 or 3), fresh, and opacity, (rows, width, 1), both in [0, 1]."""
        raise NotImplementedError

    def key(self, white: int) -> tuple[int, ...] | None:
        """The colour that is transparent, its samples from 0 to 255, or more if ``white`` is."""
        key = self.image.info.get("transparency")
        values = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(value, int) for value in values):
            return None
        factor = 255 // white if white < 255 else 1  # Pillow spreads samples of 2 and 4 bits
        return tuple((value & white) * factor for value in values)


def load(image: Image.Image) -> None:
    """Decode ``image``."""
    tiles: list[Any] = getattr(image, "tile", [])
    with quiet_libtiff() if tiles and tiles[0].codec_name == "libtiff" else nullcontext():
        image.load()


def decoding(image: Image.Image) -> int:
    """Bytes that loading ``image`` takes at its peak, or a little less; 0 if it is loaded.

    Beside its own pixels there are WebP's three canvases, what AVIF's and HEIC's decoders keep, a
    JPEG's coefficients where it has several scans, the strip and the file itself where libtiff
    works, and a TIFF while Pillow turns it upright.
    """
    tiles: list[Any] = getattr(image, "tile", [])
    pixels, bands = image.width * image.height, len(image.getbands())
    kept = {"1": 1, "L": 1, "P": 1}.get(image.mode, 2 if image.mode.startswith("I;16") else 4)
    if image.format == "WEBP":  # it has tiles only while it is loaded
        return pixels * (kept + 12) + _file_size(image)
    if image.format in {"AVIF", "HEIF"} and getattr(image, "fp", None):
        return pixels * (kept + 3 * bands) + _file_size(image)
    if not tiles:
        return 0
    if isinstance(image, TiffImageFile):
        return pixels * kept + _by_tiff(image, pixels, kept, tiles[0].codec_name)
    extra = 0
    if BUFFERED in image.info:
        return pixels * kept + int(image.info[BUFFERED])
    if image.info.get("progressive") or tiles[0].codec_name == "ppm_plain":
        extra = 2 * bands
    elif tiles[0].codec_name == "bmp_rle":
        extra = 2
    return pixels * (kept + extra)


def _by_tiff(image: TiffImageFile, pixels: int, kept: int, codec: str) -> int:
    tags = image.tag_v2
    needed = 0
    if tags.get(ORIENTATION, 1) != 1:
        needed += pixels * kept
    if codec == "libtiff":
        bits = sum(tags.get(BITS, (1,)))
        rows = 0 if TILE_WIDTH in tags else min(tags.get(ROWS, image.height), image.height)
        needed += _file_size(image) + rows * image.width * bits // 8
    elif tags.get(PLANAR) == 2:
        needed += 2 * pixels
    return needed


def _file_size(image: Image.Image) -> int:
    file = getattr(image, "fp", None)
    if file is None:
        return 0
    place = file.tell()
    size = int(file.seek(0, 2))
    file.seek(place)
    return size


def raw_mode(image: Image.Image) -> tuple[str, int | None]:
    """How an image that is not loaded has its samples in its file, as Pillow names it.

    The number is what white is, in a PPM that says so.
    """
    tiles: list[Any] = getattr(image, "tile", [])
    arguments = tiles[0].args if tiles else ""
    if not isinstance(arguments, tuple):
        return str(arguments or ""), None
    white = arguments[1] if tiles[0].codec_name == "ppm" else None
    return str(arguments[0] if arguments else ""), white


def turned(upright: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """View ``upright`` with the rows and columns that a file of this orientation stores."""
    view = upright.swapaxes(0, 1) if orientation > 4 else upright
    rows = -1 if orientation in {3, 4, 6, 7} else 1
    columns = -1 if orientation in {2, 3, 7, 8} else 1
    return view[::rows, ::columns]


def unit(samples: NDArray[Any], white: int) -> NDArray[np.float32]:
    """(rows, width, channels) float32 from samples whose white is given."""
    found: NDArray[np.float32] = np.divide(samples, np.float32(white), dtype=np.float32)
    return found if found.ndim == 3 else found[:, :, None]


def opaque(samples: NDArray[Any], key: tuple[int, ...]) -> NDArray[np.float32]:
    """(rows, width, 1): 0 where the samples are the transparent colour, else 1."""
    if samples.ndim == 2:
        samples = samples[:, :, None]
    found: NDArray[np.bool_] = (samples != np.array(key)).any(axis=2, keepdims=True)
    return found.astype(np.float32)


def unless_broken(read: Callable[[], T], default: T) -> T:
    """``read()``, or ``default``: damaged metadata does not make a picture unreadable."""
    try:
        return read()
    except Exception:  # what a parser of hostile bytes raises cannot be listed
        return default


def _orientation(image: Image.Image) -> int:
    """What EXIF says, or 1. Pillow itself turns a TIFF when it decodes it.

    A PNG's own ``getexif`` would decode it first, for EXIF data that come after the pixels.
    """
    if isinstance(image, TiffImageFile):
        found = image.info.get(ORIENTED, 1)
    else:
        exif = unless_broken(lambda: Image.Image.getexif(image), Image.Exif())
        if isinstance(image, PngImageFile) and image.tile and not exif:
            unless_broken(lambda: exif.load(b"Exif\0\0" + _chunk(image, b"eXIf", b"IEND")), None)
        found = unless_broken(lambda: int(exif.get(ORIENTATION) or 1), 1)
    return found if found in range(1, 9) else 1


def _profile(image: Image.Image) -> bytes | None:
    """The colour profile in the file, or that of what a PNG says instead (PNG, 4.3).

    None: the samples are sRGB's.
    """
    profile: bytes | None = image.info.get("icc_profile") or None
    if profile == srgb():  # ours: pictures are in it already
        return None
    if not isinstance(image, PngImageFile):
        return profile
    code = unless_broken(lambda: _chunk(image, b"cICP"), b"") if image.tile else b""
    made = of_code_points(code) if code else None
    if made is None:
        if profile or "srgb" in image.info:
            return profile
        made = of_chunks(image.info.get("gamma"), image.info.get("chromaticity"))
    return for_gray(made) if made and image.mode in {"1", "L", "LA", "I;16"} else made


def _chunk(image: PngImageFile, kind: bytes, last: bytes = b"IDAT") -> bytes:
    """What is in the first chunk of a kind; LookupError or struct.error if there is none."""
    file, place = image.fp, 8
    assert file is not None
    before = file.tell()
    try:
        while True:
            file.seek(place)
            size, found = struct.unpack(">I4s", file.read(8))
            if found == kind:
                return file.read(size)
            if found == last:
                raise LookupError(kind)
            place += 12 + size
    finally:
        file.seek(before)
