"""What the runtime is compared with: plain PyTorch, torch.compile, and pastiche."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from settings import ROOT

Call = Callable[[], Any]


@functools.cache
def reference() -> ModuleType:
    """The module tests/reference.py. PyTorch then has a thread for every core."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tests" / "reference.py")
    assert spec
    assert spec.loader
    module = sys.modules["reference"] = importlib.util.module_from_spec(spec)  # for torch.compile
    spec.loader.exec_module(module)
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # the tests want one
    return module


class Eager:
    """Forward, losses and gradient by the tests' plain PyTorch reference.

    Content, style and first image are (1, 3, height, width) in [0, 1].
    """

    def __init__(
        self, pooling: str, content: NDArray[Any], style: NDArray[Any], device: str
    ) -> None:
        self.device = torch.device(device)
        with self.device, torch.no_grad():
            self._reference = reference().Reference(pooling, content, style)
            self.image = torch.tensor(content, requires_grad=True)

    def loss(self, image: torch.Tensor) -> torch.Tensor:
        """All terms, each with weight 1."""
        return torch.stack(list(self._reference.evaluate(image).values())).sum()

    def step(self, loss: Callable[[torch.Tensor], torch.Tensor] | None = None) -> None:
        """To the end: the gradient is there."""
        with self.device:
            torch.autograd.grad((loss or self.loss)(self.image), self.image)
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def eager_and_compiled(
    pooling: str, height: int, width: int, device: str
) -> tuple[Call, Call | None]:
    """The same step as it is and compiled; None where it cannot be compiled, and it says why."""
    random = np.random.default_rng(0)
    content, style = (random.random((1, 3, height, width), np.float32) for _ in range(2))
    eager = Eager(pooling, content, style, device)
    torch.compiler.reset()  # else the sizes before count as recompilations, up to a limit
    compiled = functools.partial(eager.step, torch.compile(eager.loss, dynamic=False))
    try:
        compiled()
    except RuntimeError as error:  # no C++ compiler, or no Triton
        print(f"torch.compile: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        return eager.step, None
    return eager.step, compiled


def pastiche_command(
    content: Path, style: Path, output: Path, steps: int, device: str, size: int
) -> list[str]:
    """A run of pastiche. Pictures whose long side is ``size`` are not resized."""
    options = {
        "-c": content,
        "-s": style,
        "-o": output,
        "--size": size,
        "--style-size": size,
        "--num-steps": steps,
        "--seed": 0,
        "--device": device,
        "--info-step": 25,
    }
    words = [str(word) for option in options.items() for word in option]
    return [sys.executable, "-m", "pastiche", *words]


def pastiche_step(content: Path, style: Path, device: str, size: int) -> Call:
    """One step after the other of pastiche, in this process."""
    from pastiche.pastiche import PasticheArtist

    artist = PasticheArtist(str(content), [str(style)], device=device, size=size, style_size=size)
    return artist.draw  # type: ignore[no-any-return]
