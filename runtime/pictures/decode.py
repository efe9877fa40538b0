"""Whatever Pillow opens becomes upright sRGB on white: formats, modes, profiles, transparency.

Files are matched against a fixed list of formats by their first bytes. ``Image.open`` is not used:
it warns of, and refuses, large pictures by a limit that holds for the whole process, where here
each call has its own.
"""

from __future__ import annotations

import math
import threading
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import (  # importing a plugin registers its format
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from impasto.runtime.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from numpy.typing import NDArray

    T = TypeVar("T")

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
    )
)

_warning_filters = threading.Lock()

_ORIENTATION = 0x0112  # the EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_GRAY = {"1", "L", "LA"}
_DEEP = {"I;16", "I;16B", "I;16L", "I;16N", "I", "F"}  # single channel, more than 8 bits
_MANAGED = {"L", "RGB", "CMYK", "I;16", "I;16B"}  # Pillow hands other modes to lcms as 8-bit gray


def open_header(file: IO[bytes]) -> Image.Image | None:
    """Read ``file`` up to its pixels; None if it is in none of ``FORMATS``."""
    prefix = file.read(16)
    for name in FORMATS:
        opener, accepts = Image.OPEN[name]
        verdict = accepts(prefix) if accepts else False
        if verdict and not isinstance(verdict, str):  # a string says: not in this build of Pillow
            file.seek(0)
            return opener(file, "")  # without a name Pillow does not map the file into memory
    return None


def decode(image: Image.Image, name: str) -> NDArray[np.float32]:
    """Decode the current frame of ``image`` to (height, width, 3) float32 RGB in [0, 1].

    Raises ImageError, with ``name`` in it, for samples out of range, and whatever Pillow raises.
    """
    _load(image)
    image = _upright(image)
    if image.mode in {"La", "RGBa"}:  # premultiplied
        image = image.convert(image.mode.upper())
    picture = _unit_rgb(_srgb(_opaque(image)), name)
    if image.has_transparency_data:
        alpha = _alpha(image)[:, :, None]
        picture *= alpha
        picture += 1 - alpha
    return picture


def _load(image: Image.Image) -> None:
    """Decode ``image``; its size was judged before, so Pillow need not warn of it again, for TIFF.

    Warning filters belong to the whole process: they are touched for huge pictures only, one at a
    time.
    """
    if image.width * image.height <= (Image.MAX_IMAGE_PIXELS or math.inf):
        image.load()
        return
    with _warning_filters, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image.load()


def _upright(image: Image.Image) -> Image.Image:
    """``image`` turned as its EXIF orientation says.

    ``ImageOps.exif_transpose`` would fail on a damaged tag, and rewrites the EXIF data.
    """
    method = _unless_broken(lambda: _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1)), None)
    return image if method is None else image.transpose(method)


def _opaque(image: Image.Image) -> Image.Image:
    """Drop the transparency of ``image``: L, RGB, CMYK, LAB or one of the deep modes remains."""
    if image.mode in _DEEP | {"CMYK", "LAB"}:
        return image
    if image.mode in _GRAY:
        return image.convert("L")
    if image.mode in {"P", "PA"}:  # its transparency, left in a palette, makes Pillow warn
        image = image.convert("RGBA")
    return image.convert("RGB")


def _alpha(image: Image.Image) -> NDArray[np.float32]:
    """(height, width) float32 in [0, 1], 1 where ``image`` is opaque."""
    if image.mode in _DEEP:  # Pillow would cut the samples to 8 bits before it looks for the key
        opaque: NDArray[np.bool_] = np.asarray(image) != image.info["transparency"]
        return opaque.astype(np.float32)
    return np.asarray(image.convert("RGBA").getchannel("A"), np.float32) / np.float32(255)


def _srgb(image: Image.Image) -> Image.Image:
    """``image`` taken to sRGB by its profile, or as it is without a profile that fits."""
    if image.mode == "LAB":
        return _through(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    profile = image.info.get("icc_profile")
    if profile and image.mode in _MANAGED:
        embedded = BytesIO(profile)
        image = _unless_broken(lambda: _through(image, ImageCms.ImageCmsProfile(embedded)), image)
    return image.convert("RGB") if image.mode == "CMYK" else image


def _through(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    assert converted is not None  # it is None only when converting in place
    return converted


def _unit_rgb(image: Image.Image, name: str) -> NDArray[np.float32]:
    """(height, width, 3) float32 in [0, 1] from an L, RGB or deep image."""
    samples = np.asarray(image)
    white = {"F": 1, "L": 255, "RGB": 255}.get(image.mode, 65535)
    if image.mode in _DEEP:
        low, high = samples.min(), samples.max()
        if not 0 <= low <= high <= white:  # false for NaN too
            raise ImageError(
                f"{name} has samples from {low:g} to {high:g} where 0 to {white} is expected; "
                "save it with 8 or 16 bits a channel"
            )
    unit = np.divide(samples, np.float32(white), dtype=np.float32)
    return unit if unit.ndim == 3 else np.repeat(unit[:, :, None], 3, axis=2)


def _unless_broken(read: Callable[[], T], default: T) -> T:
    """``read()``, or ``default``: damaged metadata does not make a picture unreadable."""
    try:
        return read()
    except Exception:  # what a parser of hostile bytes raises cannot be listed
        return default
