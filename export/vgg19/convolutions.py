"""VGG19's sixteen convolutions as arrays.

Kernels are (output channels, input channels, 3, 3) and take what the Caffe network took: BGR pixels
in 0..255 minus a mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.export.tensors import Codebook, Stored
from impasto.runtime.errors import ImpastoError

CONVOLUTIONS: dict[str, tuple[int, int]] = {  # name -> (input channels, output channels)
    "conv1_1": (3, 64),
    "conv1_2": (64, 64),
    "conv2_1": (64, 128),
    "conv2_2": (128, 128),
    "conv3_1": (128, 256),
    "conv3_2": (256, 256),
    "conv3_3": (256, 256),
    "conv3_4": (256, 256),
    "conv4_1": (256, 512),
    "conv4_2": (512, 512),
    "conv4_3": (512, 512),
    "conv4_4": (512, 512),
    "conv5_1": (512, 512),
    "conv5_2": (512, 512),
    "conv5_3": (512, 512),
    "conv5_4": (512, 512),
}


class WeightsError(ImpastoError):
    """Weights that cannot be had, or that are not VGG19's."""


@dataclass(frozen=True, eq=False)
class Convolution:
    """A 3x3 convolution: (O, I, 3, 3) and (O,)."""

    weight: Stored
    bias: NDArray[np.float32]

    @property
    def kernel(self) -> NDArray[np.float32]:
        """(O, I, 3, 3), whichever way it is stored."""
        return self.weight.values if isinstance(self.weight, Codebook) else self.weight


@dataclass(frozen=True, eq=False)
class Weights:
    """All of VGG19's convolutions, in network order, and where they come from."""

    convolutions: dict[str, Convolution]
    mean: tuple[float, float, float]  # RGB, 0..255: what the kernels expect to be subtracted
    source: str  # a sentence
    licence: str  # a sentence

    def stored(self) -> dict[str, Stored]:
        """``conv1_1.weight``, ``conv1_1.bias``, ..."""
        found: dict[str, Stored] = {}
        for name, convolution in self.convolutions.items():
            found |= {f"{name}.weight": convolution.weight, f"{name}.bias": convolution.bias}
        return found


_CODEBOOKS = np.dtype(
    [
        field
        for name, (inputs, outputs) in CONVOLUTIONS.items()
        for field in (
            (f"{name}.table", "<f4", (256,)),
            (f"{name}.index", "u1", (outputs, inputs, 3, 3)),
            (f"{name}.bias", "<f4", (outputs,)),
        )
    ]
)


def unpack(data: bytes) -> dict[str, Convolution]:
    """Read what `Layout.pack` made of codebooks of the whole network.

    Raises `WeightsError` when ``data`` has not exactly their size.
    """
    if len(data) != _CODEBOOKS.itemsize:
        raise WeightsError(
            f"weights.bin has {len(data)} bytes, VGG19's codebooks take {_CODEBOOKS.itemsize}: "
            "it is truncated or holds other weights, reinstall impasto."
        )
    tensors = np.frombuffer(data, _CODEBOOKS)[0]
    return {
        name: Convolution(
            Codebook(tensors[f"{name}.index"].copy(), tensors[f"{name}.table"].astype(np.float32)),
            tensors[f"{name}.bias"].astype(np.float32),
        )
        for name in CONVOLUTIONS
    }
