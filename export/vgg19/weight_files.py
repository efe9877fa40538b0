"""VGG19's weights out of a file of PyTorch, safetensors or Keras.

The tensors needed are checked for their presence, type, shape and finiteness. Other tensors, such
as the classifier's, are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from .convolutions import CONVOLUTIONS, Convolution, WeightsError

Preprocessing = Literal["caffe", "torchvision"]

CAFFE_MEAN = (123.68, 116.779, 103.939)  # RGB, 0..255
TORCHVISION_MEAN = (255 * 0.485, 255 * 0.456, 255 * 0.406)
TORCHVISION_STD = (255 * 0.229, 255 * 0.224, 255 * 0.225)

_FEATURES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
_KERAS_LAYER = re.compile(r"(?:^|/)block(\d)_conv(\d)/")


@dataclass(frozen=True)
class _Contents:
    """What a file says, unchecked: layer -> its kernel and its bias, if they are there."""

    tensors: dict[str, tuple[Any, Any]]
    axes: str  # of the kernels: "OIHW" or "HWIO"
    preprocessing: Preprocessing  # that goes with the names used


def read(
    path: Path, preprocessing: Preprocessing | None = None
) -> tuple[dict[str, Convolution], tuple[float, float, float]]:
    """Read the convolutions and the RGB mean of a ``.pth``, ``.safetensors`` or Keras ``.h5`` file.

    ``preprocessing`` is what the network was trained on: ``caffe`` is BGR in 0..255 minus the mean,
    ``torchvision`` is RGB in [0, 1] minus the mean, over the deviation. None goes by the names in
    the file: ``features.0`` is torchvision's, ``conv1_1`` and ``block1_conv1`` are Caffe's.

    The path's suffix is one of `READERS`. Raises `WeightsError` when the file cannot be read or
    doesn't hold VGG19.
    """
    contents = READERS[path.suffix.lower()](path)
    convolutions = {name: _convolution(path, name, contents) for name in CONVOLUTIONS}
    if (preprocessing or contents.preprocessing) == "caffe":
        return convolutions, CAFFE_MEAN
    return convolutions | {"conv1_1": _from_torchvision(convolutions["conv1_1"])}, TORCHVISION_MEAN


def _read_pytorch(path: Path) -> _Contents:
    with _reading(path, "a PyTorch state dict"):
        state = torch.load(path, map_location="cpu", weights_only=True)
        return _from_state_dict(state.get("state_dict", state))


def _read_safetensors(path: Path) -> _Contents:
    with _reading(path, "safetensors"):
        return _from_state_dict(load_file(path))


def _read_keras(path: Path) -> _Contents:
    tensors = {}

    def collect(name: str, item: h5py.Group | h5py.Dataset) -> None:
        # The datasets' own names differ between versions of Keras, their ranks don't.
        if isinstance(item, h5py.Dataset) and (layer := _KERAS_LAYER.search(name)):
            tensors[f"conv{layer[1]}_{layer[2]}", item.ndim] = torch.from_numpy(item[()])

    with _reading(path, "Keras weights"), h5py.File(path) as file:
        file.get("model_weights", file).visititems(collect)
    layers = {name: (tensors.get((name, 4)), tensors.get((name, 1))) for name in CONVOLUTIONS}
    return _Contents(layers, "HWIO", "caffe")


READERS = {".pth": _read_pytorch, ".safetensors": _read_safetensors, ".h5": _read_keras}


def _from_state_dict(state: Mapping[str, Any]) -> _Contents:
    torchvision = any(key.startswith("features.") for key in state)
    keys = [f"features.{n}" for n in _FEATURES] if torchvision else CONVOLUTIONS
    layers = {
        name: (state.get(f"{key}.weight"), state.get(f"{key}.bias"))
        for name, key in zip(CONVOLUTIONS, keys, strict=True)
    }
    return _Contents(layers, "OIHW", "torchvision" if torchvision else "caffe")


@contextmanager
def _reading(path: Path, kind: str) -> Iterator[None]:
    try:
        path.open("rb").close()
    except OSError as error:
        raise WeightsError(f"{path} cannot be opened: {error.strerror}.") from error
    try:
        yield
    except Exception as error:  # on damaged files these libraries raise nearly anything
        raise WeightsError(
            f"{path} cannot be read as {kind}: it is truncated, damaged or something else."
        ) from error


def _convolution(path: Path, name: str, contents: _Contents) -> Convolution:
    inputs, outputs = CONVOLUTIONS[name]
    sizes = {"O": outputs, "I": inputs, "H": 3, "W": 3}
    shape = tuple(sizes[axis] for axis in contents.axes)
    kernel, bias = contents.tensors[name]
    kernel = _checked(f"{path}: {name}'s kernel", kernel, shape)
    order = [contents.axes.index(axis) for axis in "OIHW"]
    return Convolution(
        np.ascontiguousarray(kernel.transpose(order)),
        _checked(f"{path}: {name}'s bias", bias, (outputs,)),
    )


def _checked(what: str, value: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if value is None:
        raise WeightsError(
            f"{what} of shape {shape} is missing: layers are named as torchvision (features.0), "
            "Caffe (conv1_1) or Keras (block1_conv1) name them."
        )
    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or not _is_dense(value):
        raise WeightsError(f"{what} is not a dense tensor of floating-point numbers: convert it.")
    if tuple(value.shape) != shape:
        raise WeightsError(
            f"{what} has shape {tuple(value.shape)}, VGG19's has {shape}: give VGG19's weights."
        )
    array: NDArray[np.float32] = value.detach().to(torch.float32).contiguous().numpy()
    if not np.isfinite(array).all():
        raise WeightsError(f"{what} has values that are not finite in float32: give sound weights.")
    return array


def _is_dense(tensor: torch.Tensor) -> bool:
    return tensor.layout is torch.strided and not tensor.is_meta


def _from_torchvision(first: Convolution) -> Convolution:
    """Turn it into the same function of BGR pixels in 0..255 minus the mean.

    The network's borders are zeros after the subtraction either way, so this is exact.
    """
    kernel = first.kernel / np.array(TORCHVISION_STD).reshape(3, 1, 1)  # in float64
    return Convolution(np.ascontiguousarray(kernel[:, ::-1], np.float32), first.bias)
