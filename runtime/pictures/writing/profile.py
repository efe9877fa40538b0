"""The colour profile in every file: sRGB, the same bytes whenever it is made."""

from __future__ import annotations

import functools
import struct

CREATED = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
"""LittleCMS would write the time of the call: a run gives the same bytes today and tomorrow."""
_CREATION = slice(24, 36)
"""Of the header (ICC.1:2022, table 17)."""


@functools.cache
def srgb() -> bytes:
    """IEC 61966-2-1, as an ICC profile."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[_CREATION] = CREATED
    return bytes(profile)
