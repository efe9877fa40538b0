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
from impasto.runtime.machine.atomic import probe_folder, write_atomically

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

_FULL = "does not fit on its disk; free some space or choose another folder"
_LOCKED = "is in a folder that may not be written to; choose another or change its permissions"
_REFUSALS = {
    errno.EEXIST: "exists already; pass --overwrite (overwrite=True) to replace it",
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _LOCKED,
    errno.EPERM: _LOCKED,
    errno.EROFS: _LOCKED,
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
    The file appears whole or not at all, and takes the place of another only with ``overwrite``.

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
            raise ImageError(f"{name} is a folder; give the name of a file to write")
        if not os.path.isdir(folder or os.curdir):
            raise ImageError(f"there is no folder {folder} to write {base} into; create it first")
        if _exists(name) and not overwrite:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        probe_folder(folder or os.curdir)


def _exists(name: str) -> bool:
    """Tell if ``name`` is taken, be it by a dangling link; OSError if it cannot be a name."""
    try:
        os.lstat(name)
    except FileNotFoundError:
        return False
    return True


def _encode(picture: NDArray[np.float32], name: str, parameters: Mapping[str, str]) -> bytes:
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ImageError(
            f"the picture for {name} has shape {picture.shape}, not (height, width, 3)"
        )
    if np.isnan(picture).any():
        raise ImageError(f"the picture for {name} holds NaN; give numbers from 0 to 1")
    kind, options = _ENCODINGS[os.path.splitext(name)[1].lower()]
    data = BytesIO()
    try:
        if kind == "PNG":
            text = PngInfo()
            for key, value in parameters.items():
                text.add_text(key, value)
            options = {"pnginfo": text}
        samples = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
        Image.fromarray(samples).save(data, kind, **options)
    except Exception as error:  # such as a side over the format's limit
        reason = str(error) or type(error).__name__
        raise ImageError(
            f"{name} cannot be encoded ({reason}); try .png or a smaller picture"
        ) from error
    return data.getvalue()


@contextmanager
def _writing(name: str) -> Iterator[None]:
    """Turn what the system refuses into one sentence about ``name``."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or str(error)
        otherwise = f"cannot be written ({reason}); choose another place or name"
        refusal = _REFUSALS.get(getattr(error, "errno", 0), otherwise)
        raise ImageError(f"{name} {refusal}") from error
