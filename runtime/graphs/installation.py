"""What is installed here and what works: ONNX Runtime's builds, providers, CUDA, convolutions."""

from __future__ import annotations

from dataclasses import dataclass

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.errors import ImpastoError

from .convolutions import choose_convolutions
from .device import Device, cuda_problem, installed_builds, onnxruntime


@dataclass(frozen=True)
class Installation:
    """Facts, and what is wrong with each mend."""

    builds: dict[str, str]
    """The distributions that bring the module onnxruntime, with their versions."""
    providers: tuple[str, ...]
    """Of that module; none if it does not start."""
    bundle: str
    """The folder of the bundle that is taken by default; empty: there is none."""
    convolutions: str
    """What ``auto`` is here, and why."""
    cuda: str
    """``works``, or why not."""
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
        convolutions=str(choose_convolutions("auto", on_cpu=True)),
        cuda=cuda,
        problems=tuple(problems),
    )
