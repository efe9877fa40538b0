"""What is installed here, what works, and which device is taken."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

import numpy as np

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.shapes import fix
from impasto.runtime.errors import DeviceError, Field, ImpastoError, SettingError
from impasto.runtime.machine.memory import caveat, free, show_bytes, total
from impasto.runtime.machine.processors import default_threads

from .convolutions import choose_convolutions, processor
from .device import (
    INSTALL_GPU,
    Device,
    experimental_devices,
    installed_builds,
    onnxruntime,
)
from .session import Graph


@dataclass(frozen=True)
class Installation:
    """Facts, and what is wrong with each mend."""

    builds: dict[str, str]
    """The distributions that bring the module onnxruntime, with their versions."""
    providers: tuple[str, ...]
    """Of that module; none if it does not start."""
    bundle: str
    """The folder of the bundle that is taken by default; empty: there is none."""
    processor: str
    """Its kind, and how many threads are taken."""
    convolutions: str
    """What ``auto`` is here, and why."""
    cuda: str
    """``works``, or why not."""
    memory: str
    """How much there is and how much is free; what is less certain about it on this system."""
    problems: tuple[str, ...]


def examine_installation() -> Installation:
    """Look at everything that an engine needs; nothing is raised."""
    builds, problems = installed_builds(), []
    providers: tuple[str, ...] = ()
    bundle: Bundle | None = None
    try:
        providers = tuple(onnxruntime().get_available_providers())
    except ImpastoError as error:
        problems.append(str(error))
    try:
        bundle = Bundle()
    except ImpastoError as error:
        problems.append(str(error))
    cuda = "not tried"
    if providers and bundle is not None:
        reason = cuda_problem(Device("cuda"), bundle)
        cuda = reason or "works"
        if reason and "onnxruntime-gpu" in builds:  # who installed it expects it to work
            problems.append(f"CUDA does not work: {reason}")
    return Installation(
        builds=builds,
        providers=providers,
        bundle=str(bundle.path) if bundle else "",
        processor=f"{processor()}, {default_threads()} threads",
        convolutions=str(choose_convolutions("auto", Device("cpu"))),
        cuda=cuda,
        memory=", ".join(filter(None, (_memory(), caveat()))),
        problems=tuple(problems),
    )


def _memory() -> str:
    return f"{show_bytes(total())}, {show_bytes(free())} of it free"


def choose_device(
    wanted: str,
    bundle: Bundle,
    tf32: bool = False,
    cuda_graphs: bool = False,
) -> Device:
    """The device of ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; one that has run a real graph.

    Or, by its name alone, an experimental one: any other provider that this ONNX Runtime has. It
    has not computed anything yet: see ``DeviceCheck``.

    Raises:
        DeviceError: CUDA was asked for by name and does not work.
        SettingError: no such device exists.
    """
    matched = re.fullmatch(r"auto|cpu|cuda(?::(\d{1,3}))?", wanted)
    if not matched:
        others = experimental_devices()
        if wanted in others:
            return Device(wanted, provider=others[wanted])
        more = "; Macs have cpu" if wanted in ("mps", "metal", "coreml") else ""
        more += f"; experimental here: {', '.join(others)}" if others else ""
        raise SettingError("device", wanted, f"say auto, cpu, cuda or cuda:N{more}")
    if wanted == "cpu":
        onnxruntime()
        return Device("cpu")
    device = Device("cuda", int(matched[1] or 0), tf32, cuda_graphs)
    problem = cuda_problem(device, bundle)
    if problem is None:
        return device
    if wanted == "auto":
        return Device("cpu")
    raise DeviceError(
        f"{device} cannot be had: {problem}; ", Field("device", "cpu"), " always works"
    )


def cuda_problem(device: Device, bundle: Bundle) -> str | None:
    """Why CUDA does not work here, found by running a small graph on it; None if it does."""
    module = onnxruntime()
    if "CUDAExecutionProvider" not in module.get_available_providers():
        if sys.platform == "darwin":
            return "Macs have no CUDA"
        if "onnxruntime-gpu" in installed_builds():
            return (
                "onnxruntime and onnxruntime-gpu are both installed, so the module is CPU-only: "
                f"pip uninstall onnxruntime onnxruntime-gpu, then {INSTALL_GPU}"
            )
        return (
            f"this build of ONNX Runtime has no CUDA: pip uninstall onnxruntime, then {INSTALL_GPU}"
        )
    module.preload_dlls()
    name, size = bundle.manifest.optimizers.adam, bundle.manifest.encoder.alignment
    try:
        graph = Graph(bundle, name, *size, device)
        shapes = bundle.manifest.signatures[name].inputs
        graph.run(
            {k: device.upload(np.zeros(fix(s, *size), np.float32)) for k, s in shapes.items()}
        )
    except DeviceError as error:
        return str(error)
    except Exception as error:  # the provider's errors have no common type
        return str(error).splitlines()[0][:200]
    return None
