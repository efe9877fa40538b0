"""Impasto's runtime: paint one picture in the style of another with ONNX Runtime alone.

from impasto.runtime import Engine

engine = Engine.load()
engine.stylize("photo.jpg", "painting.jpg").save("out.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio import Sound as Sound
    from .audio import SoundPainting as SoundPainting
    from .audio import check_sound_output as check_sound_output
    from .audio import read_sound as read_sound
    from .audio import resume_sound as resume_sound
    from .audio import start_sound as start_sound
    from .audio import start_texture as start_texture
    from .audio import write_sound as write_sound
    from .batch import Batch as Batch
    from .batch import Outcome as Outcome
    from .batch import Row as Row
    from .batch import Setup as Setup
    from .batch import make_rows as make_rows
    from .batch import picture_files as picture_files
    from .bundle.bundle import Bundle as Bundle
    from .bundle.bundle import read_manifest as read_manifest
    from .bundle.manifest import Manifest as Manifest
    from .checkpoint import CheckpointHeader as CheckpointHeader
    from .checkpoint import read_checkpoint as read_checkpoint
    from .conformance import Verification as Verification
    from .conformance import verify_bundle as verify_bundle
    from .engine import Engine as Engine
    from .errors import BundleError as BundleError
    from .errors import CheckpointError as CheckpointError
    from .errors import DeadlineError as DeadlineError
    from .errors import DeviceError as DeviceError
    from .errors import DivergenceError as DivergenceError
    from .errors import Field as Field
    from .errors import ImageError as ImageError
    from .errors import ImpastoError as ImpastoError
    from .errors import OutOfMemoryError as OutOfMemoryError
    from .errors import QueueFull as QueueFull
    from .errors import SettingError as SettingError
    from .errors import SoundError as SoundError
    from .graphs.installation import Installation as Installation
    from .graphs.installation import examine_installation as examine_installation
    from .inputs import Region as Region
    from .inputs import make_regions as make_regions
    from .inputs import region_files as region_files
    from .jobs import Job as Job
    from .jobs import Jobs as Jobs
    from .machine.memory import show_bytes as show_bytes
    from .machine.outputs import check_file as check_file
    from .machine.outputs import write_file as write_file
    from .pictures.image import picture_size as picture_size
    from .pictures.image import read_picture as read_picture
    from .pictures.paintings import Painting as Painting
    from .pictures.paintings import paintings as paintings
    from .pictures.sources import Source as Source
    from .pictures.sources import Stream as Stream
    from .pictures.writing.encode import check_output as check_output
    from .pictures.writing.encode import write_image as write_image
    from .planning.estimate import Estimate as Estimate
    from .planning.plan import Plan as Plan
    from .planning.plan import Scale as Scale
    from .planning.sizes import Sizes as Sizes
    from .results.evaluation import Evaluation as Evaluation
    from .results.result import Result as Result
    from .results.result import Step as Step
    from .results.texts import Painted as Painted
    from .results.texts import painting_texts as painting_texts
    from .results.texts import read_painted as read_painted
    from .run import Run as Run
    from .settings import Described as Described
    from .settings import Files as Files
    from .settings import Machine as Machine
    from .settings import Settings as Settings
    from .settings import check_all as check_all
    from .settings import describe as describe
    from .settings import setting as setting
    from .video.files.writing import check_video as check_video
    from .video.files.writing import write_video as write_video
    from .video.order import VideoEstimate as VideoEstimate
    from .video.order import VideoOrder as VideoOrder
    from .video.order import VideoProgress as VideoProgress
    from .video.video import Video as Video

_HOMES = {
    ".audio": (
        "Sound",
        "SoundPainting",
        "check_sound_output",
        "read_sound",
        "resume_sound",
        "start_sound",
        "start_texture",
        "write_sound",
    ),
    ".batch": ("Batch", "Outcome", "Row", "Setup", "make_rows", "picture_files"),
    ".bundle.bundle": ("Bundle", "read_manifest"),
    ".bundle.manifest": ("Manifest",),
    ".checkpoint": ("CheckpointHeader", "read_checkpoint"),
    ".conformance": ("Verification", "verify_bundle"),
    ".engine": ("Engine",),
    ".errors": (
        "BundleError",
        "CheckpointError",
        "DeadlineError",
        "DeviceError",
        "DivergenceError",
        "Field",
        "ImageError",
        "ImpastoError",
        "OutOfMemoryError",
        "QueueFull",
        "SettingError",
        "SoundError",
    ),
    ".graphs.installation": ("Installation", "examine_installation"),
    ".inputs": ("Region", "make_regions", "region_files"),
    ".jobs": ("Job", "Jobs"),
    ".machine.memory": ("show_bytes",),
    ".machine.outputs": ("check_file", "write_file"),
    ".pictures.paintings": ("Painting", "paintings"),
    ".pictures.image": ("picture_size", "read_picture"),
    ".pictures.sources": ("Source", "Stream"),
    ".pictures.writing.encode": ("check_output", "write_image"),
    ".planning.estimate": ("Estimate",),
    ".planning.plan": ("Plan", "Scale"),
    ".planning.sizes": ("Sizes",),
    ".results.evaluation": ("Evaluation",),
    ".results.result": ("Result", "Step"),
    ".results.texts": ("Painted", "painting_texts", "read_painted"),
    ".run": ("Run",),
    ".settings": ("Described", "Files", "Machine", "Settings", "check_all", "describe", "setting"),
    ".video.files.writing": ("check_video", "write_video"),
    ".video.order": ("VideoEstimate", "VideoOrder", "VideoProgress"),
    ".video.video": ("Video",),
}
"""Loaded when they are asked for: who wants the settings alone need not wait for NumPy."""

_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name], __name__), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
