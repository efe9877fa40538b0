"""The errors that this package raises on purpose. Every message names what is wrong and the mend.

ImpastoError
├── BundleError       a model folder that is incomplete, altered or of another schema
├── CheckpointError   a checkpoint that is cut short, altered, or of another bundle or version
├── DeadlineError     a job's time was over before it began
├── DeviceError       no ONNX Runtime, or not the device that was asked for
├── DivergenceError   the loss stopped being a number; holds the last good picture
├── ImageError        a picture that cannot be read or written
├── OutOfMemoryError  the system has no more memory; a MemoryError too
├── QueueFull         more jobs wait than may
├── SettingError      a value that makes no sense; holds its field, the value and the mend
└── SoundError        a sound that cannot be read, written or painted

A sentence names a setting by a ``Field``, which every face spells its own way: ``size=`` here,
``--size`` on the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Field:
    """A setting's name in a sentence, and the value that it should have, if one is proposed."""

    name: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.name}="


class ImpastoError(Exception):
    """Anything this package refuses or fails at: a sentence, in parts."""

    def __init__(self, *parts: str | Field) -> None:
        super().__init__(*parts)

    def __str__(self) -> str:
        return self.spell(str)

    def spell(self, spelling: Callable[[Field], str]) -> str:
        """The sentence, the settings in it as ``spelling`` writes them."""
        return _joined(self.args, spelling)


class BundleError(ImpastoError):
    """A bundle that must not be opened."""


class CheckpointError(ImpastoError):
    """A checkpoint that cannot be resumed."""


class DeadlineError(ImpastoError):
    """A job whose time was over before it began."""


class DeviceError(ImpastoError):
    """A device, or a build of ONNX Runtime, that cannot be had."""


class DivergenceError(ImpastoError):
    """The optimisation broke down.

    ``picture`` is the last good picture: (height, width, channels) float32 in [0, 1].
    """

    def __init__(self, message: str, picture: NDArray[np.float32]) -> None:
        Exception.__init__(self, message, picture)
        self.picture = picture


class ImageError(ImpastoError):
    """A picture that cannot be read or written."""


class OutOfMemoryError(ImpastoError, MemoryError):
    """The system has no more memory."""


class QueueFull(ImpastoError):  # noqa: N818 - as queue.Full
    """As many jobs wait as may: give this one later."""


class SettingError(ImpastoError, ValueError):
    """A setting that is out of range, unknown, or at odds with another.

    ``field`` is its name, ``value`` what was given, ``mend`` what to do, as parts of a sentence.
    """

    def __init__(self, field: str, value: object, *mend: str | Field) -> None:
        Exception.__init__(self, field, value, *mend)
        self.field: str = field
        self.value: object = value
        self.mend: tuple[str | Field, ...] = mend

    def spell(self, spelling: Callable[[Field], str]) -> str:
        """``size=5: give 16 to 16384``, or as another face spells it."""
        name = spelling(Field(self.field))
        if self.value is None:  # it is missing
            return f"{name.rstrip('=')}: {_joined(self.mend, spelling)}"
        plain = isinstance(self.value, str) and not name.endswith("=")
        shown = str(self.value) if plain else repr(self.value)
        return f"{_with_value(name, shown[:200])}: {_joined(self.mend, spelling)}"


class SoundError(ImpastoError):
    """A sound that cannot be read, written or painted."""


def _joined(parts: tuple[object, ...], spelling: Callable[[Field], str]) -> str:
    found = []
    for part in parts:
        if isinstance(part, Field):
            name = spelling(part)
            found.append(_with_value(name, part.value) if part.value else name)
        elif isinstance(part, str):
            found.append(part)
    return "".join(found)


def _with_value(name: str, value: str) -> str:
    """``size=5``, or ``--size 5``."""
    return f"{name}{value}" if name.endswith("=") else f"{name} {value}"
