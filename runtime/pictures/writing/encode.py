"""From a picture to a file, which appears whole or not at all, or to an open one."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image, features

from impasto.runtime.errors import Field, ImageError, OutOfMemoryError, SettingError
from impasto.runtime.machine.outputs import check_file, telling, write_file
from impasto.runtime.settings import Files, describe
from impasto.runtime.settings.files import Format

from . import deep
from .embedded import XMP_TAG, png_info, xmp_packet
from .profile import srgb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Target: TypeAlias = str | os.PathLike[str] | IO[bytes]
"""A path, or a file that is open for writing bytes."""

SUFFIXES: dict[str, Format] = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".avif": "avif",
    ".tif": "tiff",
    ".tiff": "tiff",
}
DEEP = ("png", "tiff")
"""Formats that have 16 bits a channel."""
CLEAR = ("png", "webp", "avif", "tiff")
"""Formats that can be transparent."""
_OPTIONS: dict[Format, dict[str, Any]] = {
    "jpeg": {"subsampling": 0},  # full colour resolution, 4:4:4
    "webp": {"quality": 95},
    "avif": {"quality": 90, "subsampling": "4:4:4"},
}


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a picture is written, checked."""

    format: Format
    depth: int
    jpeg_quality: int

    @property
    def texts(self) -> dict[str, str]:
        """What of it decides the samples that a reader finds."""
        if self.format == "jpeg":
            return {"jpeg_quality": str(self.jpeg_quality)}
        return {"depth": str(self.depth)} if self.depth > 8 else {}


def encoding(
    target: Target | None,
    *,
    format: str | None = None,
    depth: int | None = None,
    jpeg_quality: int | None = None,
) -> Encoding:
    """How to write to a target, by its suffix or ``format``; png, for an open file.

    Raises:
        ImageError: the name has a suffix of no format, or none, and none is given.
        SettingError: a value is out of range, or the format has not so many bits.
    """
    fields, suffix = describe(Files), ""
    chosen = fields["format"].check(format)
    if isinstance(target, str | os.PathLike):
        name = os.fspath(target)
        suffix = os.path.splitext(os.path.basename(name))[1].lower()
        if suffix not in SUFFIXES and not chosen:
            raise ImageError(
                f"cannot tell a format from the name {name!r}; let it end in one of "
                f"{', '.join(SUFFIXES)}, or give ",
                Field("format"),
            )
        if chosen and SUFFIXES.get(suffix, chosen) != chosen:
            raise SettingError("format", chosen, f"{name} says another: give one of the two")
    bits, quality = (
        fields[name].default if value is None else fields[name].check(value)
        for name, value in (("depth", depth), ("jpeg_quality", jpeg_quality))
    )
    kind = chosen or SUFFIXES.get(suffix, "png")
    if bits not in (8, 16):
        raise SettingError("depth", bits, "give 8 or 16 bits a channel")
    if bits == 16 and kind not in DEEP:
        raise SettingError("depth", 16, f"{kind} has 8 bits a channel: write a .png or a .tif")
    if kind == "avif" and not features.check("avif"):
        raise ImageError("this build of Pillow writes no AVIF; write a .webp or a .png")
    return Encoding(format=kind, depth=bits, jpeg_quality=quality)


def write_image(
    picture: NDArray[np.float32] | NDArray[np.uint8],
    target: Target,
    *,
    overwrite: bool = False,
    parameters: Mapping[str, str] | None = None,
    format: str | None = None,
    depth: int | None = None,
    jpeg_quality: int | None = None,
    alpha: NDArray[np.float32] | None = None,
) -> None:
    """Write ``picture``, (height, width, 3) RGB clipped to [0, 1] or uint8, as sRGB.

    The suffix of a path chooses PNG, JPEG, WebP, AVIF or TIFF, else ``format``; an open file takes
    PNG by default. ``depth`` is 8 or, for PNG and TIFF, 16 bits a channel. The file carries
    ``parameters`` as texts, and the profile of sRGB. At a path it appears whole or not at all, and
    takes the place of another only with ``overwrite``; then a link is followed, and the mode is
    kept. With ``alpha``, (height, width) in [0, 1], it is as opaque as that says; a JPEG is laid on
    white.

    Raises:
        ImageError: the picture cannot be encoded or written.
        SettingError: a value is out of range, or the format has not so many bits.
    """
    how = encoding(target, format=format, depth=depth, jpeg_quality=jpeg_quality)
    if not isinstance(target, str | os.PathLike):
        if not callable(getattr(target, "write", None)):
            kind = type(target).__name__
            raise ImageError(f"cannot write to a {kind}; give a path or a file open for writing")
        data = encode(picture, how, "the picture", parameters or {}, alpha)
        with telling("the picture"):
            _write_all(target, data)
        return
    name = os.fspath(target)
    check_file(name, overwrite=overwrite)
    data = encode(picture, how, name, parameters or {}, alpha)
    write_file(name, data, overwrite=overwrite)


def check_output(
    path: str | os.PathLike[str] | None,
    overwrite: bool = False,
    *,
    format: str | None = None,
    depth: int | None = None,
    jpeg_quality: int | None = None,
) -> None:
    """Raise what ``write_image`` would, as far as can be told before; None is an open file."""
    encoding(path, format=format, depth=depth, jpeg_quality=jpeg_quality)
    if path is not None:
        check_file(path, overwrite=overwrite)


def encode(
    picture: NDArray[Any],
    how: Encoding,
    name: str,
    texts: Mapping[str, str],
    alpha: NDArray[np.float32] | None = None,
) -> bytes:
    """The bytes of a file; ``name`` is for sentences, for ``alpha`` see ``write_image``.

    Raises:
        ImageError: the picture is none, or too large for the format.
    """
    _check_shape(picture, name)
    if picture.dtype == np.uint8 and (how.depth > 8 or alpha is not None):
        picture = np.asarray(picture / np.float32(255), np.float32)
    if alpha is not None:
        opacity = alpha[:, :, None]
        on_white = picture * opacity + (1 - opacity)
        picture = np.concatenate([picture, opacity], 2) if how.format in CLEAR else on_white
    try:
        return _encoded(samples(picture, how.depth, name), how, texts)
    except ImageError:
        raise
    except Exception as error:  # such as a side over the format's limit
        reason = str(error) or type(error).__name__
        raise ImageError(
            f"{name} cannot be encoded ({reason}); try .png or a smaller picture"
        ) from error


def as_png(picture: NDArray[np.float32]) -> bytes:
    """The bytes of a PNG with 8 bits a channel, and without texts. ImageError: see ``encode``."""
    return encode(picture, encoding(None), "the picture", {})


def to_pil(picture: NDArray[np.float32]) -> Image.Image:
    """RGB with 8 bits a channel.

    Raises:
        ImageError: it is no (height, width, 3) picture.
        OutOfMemoryError: it does not fit into memory.
    """
    _check_shape(picture, "the picture")
    try:
        return Image.fromarray(samples(picture, 8, "the picture"))
    except MemoryError as error:
        raise OutOfMemoryError("the picture does not fit into memory with 8 bits, too") from error


def _encoded(pixels: NDArray[Any], how: Encoding, texts: Mapping[str, str]) -> bytes:
    if how.depth == 16 and how.format == "png":
        return deep.png(pixels, _chunks(texts))
    if how.depth == 16:
        return deep.tiff(pixels, srgb(), xmp_packet(texts))
    data, options = BytesIO(), {"icc_profile": srgb(), **_OPTIONS.get(how.format, {})}
    if how.format == "jpeg":
        options["quality"] = how.jpeg_quality
    packet = xmp_packet(texts)
    if how.format == "png":
        options["pnginfo"] = png_info(texts)
    elif packet and how.format == "tiff":
        options["tiffinfo"] = {XMP_TAG: packet}
    elif packet:
        options["xmp"] = packet
    Image.fromarray(pixels).save(data, how.format.upper(), **options)
    return data.getvalue()


def _chunks(texts: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """What a PNG says before its samples."""
    profile = (b"iCCP", b"ICC Profile\0\0" + zlib.compress(srgb()))
    return [profile, *((name, data) for name, data, *_ in png_info(texts).chunks)]


def _check_shape(picture: NDArray[Any], name: str) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ImageError(
            f"the picture for {name} has shape {picture.shape}, not (height, width, 3)"
        )


def samples(picture: NDArray[Any], depth: int, name: str) -> NDArray[Any]:
    """8 or 16 bits of each sample, rounded, made a few rows at a time: a copy would be large."""
    if picture.dtype == np.uint8:
        return picture
    white = (1 << depth) - 1
    found = np.empty(picture.shape, np.uint8 if depth == 8 else np.uint16)
    for top in range(0, len(picture), 64):
        band = np.clip(picture[top : top + 64], 0, 1)
        if np.isnan(band).any():
            raise ImageError(f"the picture for {name} holds NaN; give numbers from 0 to 1")
        found[top : top + 64] = np.rint(band * np.float64(white))
    return found


def _write_all(file: IO[bytes], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = file.write(rest)  # a raw file may take a part
        rest = rest[len(rest) if written is None else written :]
