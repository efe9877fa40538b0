"""Whatever Pillow opens becomes upright sRGB on white: formats, modes, profiles, transparency.

Files are matched against a fixed list of formats by their first bytes. ``Image.open`` is not used:
it warns of, and refuses, large pictures by a limit that holds for the whole process, where here
each call has its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import (  # importing a plugin registers its format
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from impasto.runtime.errors import Field, ImageError
from impasto.runtime.machine.memory import allowance, show_bytes
from impasto.runtime.pictures.sources import PIECE, PIECES, Bounded

from .deep import DEEP, Deep, is_colour, is_deep
from .jpeg import open_jpeg
from .profiles import by_lcms, by_numbers
from .stored import Stored, opaque, raw_mode, unit, unless_broken
from .tiff import open_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from numpy.typing import NDArray

FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        WebPImagePlugin.WebPImageFile,
        TiffImagePlugin.TiffImageFile,
        BmpImagePlugin.BmpImageFile,
        GifImagePlugin.GifImageFile,
        PpmImagePlugin.PpmImageFile,
        AvifImagePlugin.AvifImageFile,
    )
)

_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_WHOLE = {"WEBP", "AVIF", "HEIC"}
"""Read into memory when they are opened."""
_OPENING, _OPENING_GIF, _LOADING = 20_000, 5_000, 500_000
"""Times that a file is read: Pillow appends to a GIF's comment at each of its blocks."""
_MOST_COMMENTS = 1000

_GRAY = {"1", "L", "LA"}
_MANAGED = {"L", "RGB", "CMYK"}  # Pillow hands other modes to lcms as 8-bit gray


def open_header(file: Bounded, name: str, memory: float = math.inf) -> Image.Image:
    """Read ``file`` up to its pixels.

    Raises:
        ImageError: it is in no known format, takes too much work, or more than ``memory`` bytes.
        Exception: whatever Pillow raises.
    """
    file.left = _OPENING
    file.seek(0)
    prefix = file.read(256)
    kind = _kind(prefix)
    if kind in _WHOLE and file.length > memory:
        raise ImageError(
            f"{name} has {show_bytes(file.length)}, and {show_bytes(memory)} are free to read it; "
            "make it smaller, or allow ",
            Field("memory", allowance(file.length)),
        )
    file.seek(0)
    if kind == "GIF":
        file.left = _OPENING_GIF
    image = _open(kind, cast("IO[bytes]", file), name)
    file.left = _LOADING
    return image


def _kind(prefix: bytes) -> str | None:
    """The format of a file that begins so."""
    if prefix[4:8] == b"ftyp":
        brands = prefix[8 : max(16, min(int.from_bytes(prefix[:4], "big"), len(prefix)))]
        found = {brands[n : n + 4] for n in range(0, len(brands), 4)}
        return "AVIF" if found & _AVIF else "HEIC" if found & _HEIC else None
    for kind in FORMATS:
        _, accepts = Image.OPEN[kind]
        verdict = accepts(prefix[:16]) if accepts else False
        if verdict and not isinstance(verdict, str):  # a string says: not in this build of Pillow
            return kind
    return None


def _open(kind: str | None, file: IO[bytes], name: str) -> Image.Image:
    if kind is None:
        raise ImageError(f"{name} is not a picture; give one of {', '.join(FORMATS)}, or HEIC")
    if kind == "TIFF":
        return open_tiff(file, name)
    if kind == "JPEG":
        return open_jpeg(file, name)
    if kind == "HEIC":
        try:
            from pi_heif import HeifImageFile
        except ImportError as error:
            raise ImageError(f"{name} is HEIC; to read it, pip install pi-heif") from error
        return cast("Image.Image", HeifImageFile(file, ""))
    if kind == "PPM":
        _check_comments(file, name)
    opener, _ = Image.OPEN[kind]
    return opener(file, "")  # without a name Pillow does not map the file into memory


def _check_comments(file: IO[bytes], name: str) -> None:
    """Refuse a plain anymap with many comments: Pillow copies a block for each of them."""
    if file.read(2) in {b"P1", b"P2", b"P3"}:
        comments = 0
        while block := file.read(PIECE):
            comments += block.count(b"#")
        if comments > _MOST_COMMENTS:
            raise ImageError(PIECES.format(name))
    file.seek(0)


def stored(image: Image.Image, name: str, file: Bounded | None = None) -> Stored:
    """The picture in ``image``, which ``open_header`` made of ``file``, or which somebody gave."""
    if file is None and is_deep(image) and raw_mode(image)[0] and image.tell() == 0:
        own = getattr(image, "fp", None)
        if own is not None:  # it is not loaded yet: another is, for it
            file = Bounded(own, name)
            image = open_header(file, name)
    if image.mode in DEEP or (file and is_deep(image)):
        other = open_header(file, name) if file and is_colour(image) else None
        return Deep(image, name, other)
    return Plain(image, name)


class Plain(Stored):
    """A picture of 8 bits a channel or less."""

    def __init__(self, image: Image.Image, name: str) -> None:
        super().__init__(image, name)
        self._key = self.key({"L;2": 3, "L;4": 15}.get(self.raw_mode, 255))

    def prepare(self) -> None:
        """Choose what takes the samples to sRGB."""
        mode, profile = _opaque(_straight(self.image.crop((0, 0, 1, 1)))).mode, self.profile
        self._managed: Callable[[Image.Image], Image.Image] | None = None
        if mode == "LAB":
            self._managed = by_lcms(None, mode)
        elif profile and mode in _MANAGED:
            self._managed = unless_broken(lambda: by_lcms(profile, mode), None)
        self._gray = None
        if self._managed and profile and mode == "L":  # lcms is up to 9 levels off in the dark
            self._gray = unless_broken(lambda: by_numbers(profile, 1), None)

    def layers(
        self, box: tuple[int, int, int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """As in ``Stored``."""
        band = _straight(self.image.crop(box))
        flat = _opaque(band)
        if self._gray:
            exact = self._gray(np.asarray(flat)[:, :, None].astype(np.uint16) * 257)
            return exact, self._alpha(band, flat)
        colour = self._managed(flat) if self._managed else flat
        if colour.mode == "CMYK":
            colour = colour.convert("RGB")
        return unit(np.asarray(colour), 255), self._alpha(band, flat)

    def _alpha(self, band: Image.Image, flat: Image.Image) -> NDArray[np.float32] | None:
        if not band.has_transparency_data:
            return None
        if self._key and band.mode in {"1", "L", "RGB"}:
            return opaque(np.asarray(flat), self._key)
        return unit(np.asarray(band.convert("RGBA").getchannel("A")), 255)


def _straight(image: Image.Image) -> Image.Image:
    """Undo that colour was multiplied by alpha."""
    return image.convert(image.mode.upper()) if image.mode in {"La", "RGBa"} else image


def _opaque(image: Image.Image) -> Image.Image:
    """Drop the transparency of ``image``: L, RGB, CMYK or LAB remains."""
    if image.mode in {"CMYK", "LAB"}:
        return image
    if image.mode in _GRAY:
        return image.convert("L")
    if image.mode in {"P", "PA"}:  # its transparency, left in a palette, makes Pillow warn
        image = image.convert("RGBA")
    return image.convert("RGB")
