"""Who paints the rows: what a batch asks of workers, wherever they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from impasto.runtime.batch.index import Known
from impasto.runtime.batch.rows import Row

from .painter import Outcome


@dataclass(frozen=True, slots=True)
class Task:
    """A row for a worker."""

    number: int
    row: Row
    known: Known | None
    """What the index has of its output; None: the worker asks."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is."""

    number: int
    fraction: float


@dataclass(frozen=True, slots=True)
class Done:
    """A task that has ended."""

    number: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Lost:
    """A task whose worker died."""

    number: int
    reason: str
    """``was ended by signal 9``"""
    guilty: bool
    """Whether it was being painted: else it only waited there."""


Event: TypeAlias = Progress | Done | Lost


class Workers(Protocol):
    """A fixed number of processes with an engine each; one that dies is replaced."""

    count: int
    device: str
    """Of the first."""

    @property
    def free(self) -> int:
        """Tasks that may be submitted now."""

    def submit(self, task: Task) -> None:
        """Give a task to one that is free."""

    def events(self, seconds: float) -> list[Event]:
        """What has happened; wait so long for something.

        Raises:
            ImpastoError: no worker can begin.
        """

    def close(self) -> None:
        """Give up what is painted, and end them all."""
