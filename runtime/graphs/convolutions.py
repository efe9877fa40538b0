"""Plain or Winograd's convolutions: what is faster on which processor, and how it is known."""

from __future__ import annotations

import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, get_args

from impasto.runtime.errors import SettingError

from .device import Device

Kind = Literal["plain", "winograd"]

SHORT = 400_000
"""Pixels of all evaluations of a run: with fewer, what Winograd's graph saves is not worth
preparing its kernels."""
USUAL = 40
"""Evaluations, where nothing is known of them."""


@dataclass(frozen=True)
class Convolutions:
    """What was taken, and why. As text: ``winograd (x86-64 with AVX-512: ...)``."""

    kind: Kind
    reason: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.reason})"

    def worth(self, pixels: int) -> bool:
        """Whether a run takes Winograd's graphs that evaluates so many pixels, all in all."""
        return self.kind == "winograd" and pixels >= SHORT


# A step with Winograd's graph, in units of one with the plain graph. Processors that are not here
# were never tried, not even by a stand-in: arm64's is AVX-512 without the blocked layout.
PROCESSORS: dict[str, tuple[Kind, str]] = {
    "x86-64 with AVX-512": ("winograd", "measured: 0.72 of a plain step"),
    "x86-64": ("winograd", "measured with AVX2: 0.75 of a plain step"),
    "arm64": ("winograd", "not measured; 0.62 where ONNX Runtime used no blocks"),
}
OTHERS: tuple[Kind, str] = ("plain", "Winograd's convolutions were not tried on it")


def choose_convolutions(wanted: str, device: Device) -> Convolutions:
    """What ``auto``, ``plain`` or ``winograd`` is here.

    Raises:
        SettingError: it is none of these.
    """
    if wanted not in ("auto", *get_args(Kind)):
        raise SettingError("convolutions", wanted, "say auto, plain or winograd")
    if not device.is_cpu:
        name = "cuDNN" if device.kind == "cuda" else str(device)
        return Convolutions("plain", f"{name} chooses its own")
    if wanted == "plain":
        return Convolutions("plain", "as asked")
    if wanted == "winograd":
        return Convolutions("winograd", "as asked")
    name = processor()
    kind, reason = PROCESSORS.get(name, OTHERS)
    return Convolutions(kind, f"{name}: {reason}")


def processor() -> str:
    """Of this machine: a key of PROCESSORS, or the machine's own name."""
    machine = platform.machine().lower()
    if machine in ("arm64", "aarch64"):
        return "arm64"
    if machine in ("x86_64", "amd64"):
        return "x86-64 with AVX-512" if _has_avx512() else "x86-64"
    return machine or "an unknown processor"


def _has_avx512() -> bool:
    """What NumPy found when it was imported; it says so in no public way."""
    with suppress(ImportError, AttributeError):
        module = import_module("numpy._core._multiarray_umath")
        return bool(module.__cpu_features__.get("AVX512F"))
    return False
