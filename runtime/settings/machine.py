"""Machine: what a run may use of the machine. None of it changes what is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from impasto.runtime.machine import memory as memory_module

from .fields import LOSSES, PAINTING, SOUNDS, Group, setting

Convolutions = Literal["auto", "plain", "winograd"]

SERVING = ("serve", "work")
RUNNING = (*LOSSES, *SOUNDS, "resume", "replay", *SERVING)
READING = (*LOSSES, "replay", *SERVING)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The first five belong to an engine, the rest to each of its runs."""

    GROUP: ClassVar[Group] = "machine"

    device: str = setting(
        "Where to compute; auto is CUDA where it works, else the CPU. Experimental, and checked "
        "when taken: coreml, directml, openvino, webgpu, or what else this ONNX Runtime has.",
        "auto",
        metavar="auto|cpu|cuda[:N]|NAME",
        commands=RUNNING,
    )
    threads: int | None = setting(
        "Threads of the CPU's operators.",
        None,
        least=1,
        most=4096,
        none="one for each core that the process may use",
        commands=RUNNING,
    )
    convolutions: Convolutions = setting(
        "How a CPU convolves; auto goes by the processor.",
        "auto",
        commands=RUNNING,
    )
    tf32: bool = setting(
        "On CUDA: faster, 10 bits of mantissa.",
        False,
        commands=RUNNING,
    )
    cuda_graphs: bool = setting(
        "On CUDA: record an evaluation, and play it back.",
        False,
        commands=RUNNING,
    )
    memory: int | None = setting(
        "What the process may take, as in 3GB.",
        None,
        unit="bytes",
        least=1,
        none="most of what is free",
        metavar="2GB",
        commands=(*READING, *SOUNDS),
        parse=memory_module.parse,
    )
    deadline: float | None = setting(
        "Stop after so long, with the best picture so far.",
        None,
        unit="seconds",
        least=0,
        none="none",
        commands=(*PAINTING, *SOUNDS, "resume"),
        group="time",
    )
    max_pixels: int = setting(
        "Pictures with more are refused before they are decoded.",
        100_000_000,
        unit="pixels",
        least=1,
        commands=READING,
    )
