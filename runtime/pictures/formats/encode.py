"""From a picture to a file: its suffix names the format, and it appears whole or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from impasto.runtime.errors import ImageError
from impasto.runtime.machine.atomic import find_target, probe_folder, refusal, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_JPEG = ("JPEG", {"quality": 95, "subsampling": 0})  # 0: full colour resolution, 4:4:4
_ENCODINGS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": ("WEBP", {"quality": 95}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
}


def write_image(
    picture: NDArray[np.float32],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    parameters: Mapping[str, str] | None = None,
) -> None:
    """Write ``picture``, (height, width, 3) RGB clipped to [0, 1], with 8 bits a channel.

    The suffix of ``path`` chooses PNG, JPEG, WebP or TIFF; a PNG carries ``parameters`` as text.
    The file appears whole or not at all, and takes the place of another only with ``overwrite``;
    then a link is followed, and the mode is kept.

    Raises ImageError if the picture cannot be encoded or written.
    """
    name = os.fspath(path)
    check_output(name, overwrite)
    data = _encode(picture, name, parameters or {})
    with _writing(name):
        write_atomically(name, data, overwrite=overwrite)


def check_output(path: str | os.PathLike[str], overwrite: bool) -> None:
    """Raise the ImageError that writing to ``path`` would end in, as far as can be told before."""
    name = os.fspath(path)
    folder, base = os.path.split(name)
    if os.path.splitext(base)[1].lower() not in _ENCODINGS:
        known = ", ".join(_ENCODINGS)
        raise ImageError(
            f"cannot tell a format from the name {name!r}; let it end in one of {known}"
        )
    with _writing(name):
        if os.path.isdir(name):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.path.isdir(folder or os.curdir):
            raise ImageError(f"there is no folder {folder} to write {base} into; create it first")
        target = find_target(name, overwrite=overwrite)
        probe_folder(os.path.dirname(target) or os.curdir)


def _encode(picture: NDArray[np.float32], name: str, parameters: Mapping[str, str]) -> bytes:
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ImageError(
            f"the picture for {name} has shape {picture.shape}, not (height, width, 3)"
        )
    kind, options = _ENCODINGS[os.path.splitext(name)[1].lower()]
    data = BytesIO()
    try:
        if kind == "PNG":
            text = PngInfo()
            for key, value in parameters.items():
                text.add_text(key, value)
            options = {"pnginfo": text}
        Image.fromarray(_samples(picture, name)).save(data, kind, **options)
    except ImageError:
        raise
    except Exception as error:  # such as a side over the format's limit
        reason = str(error) or type(error).__name__
        raise ImageError(
            f"{name} cannot be encoded ({reason}); try .png or a smaller picture"
        ) from error
    return data.getvalue()


def _samples(picture: NDArray[np.float32], name: str) -> NDArray[np.uint8]:
    """8 bits of each sample, made a few rows at a time: a copy of floats would be four times it."""
    samples = np.empty(picture.shape, np.uint8)
    for top in range(0, len(picture), 64):
        band = np.clip(picture[top : top + 64], 0, 1)
        if np.isnan(band).any():
            raise ImageError(f"the picture for {name} holds NaN; give numbers from 0 to 1")
        samples[top : top + 64] = np.rint(band * 255)
    return samples


@contextmanager
def _writing(name: str) -> Iterator[None]:
    """Turn what the system refuses into one sentence about ``name``."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise ImageError(f"{name} ", *refusal(error)) from error
