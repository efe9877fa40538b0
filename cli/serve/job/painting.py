"""One job being painted: from what is in its folder, where all that comes of it goes, too."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from impasto.cli.console import finite
from impasto.cli.serve.options import Service
from impasto.runtime import (
    CheckpointError,
    DivergenceError,
    Field,
    ImpastoError,
    OutOfMemoryError,
    read_checkpoint,
)

from .folder import JobFolder, Order, write_jpeg
from .here import here
from .masks import read_masks, read_regions

if TYPE_CHECKING:
    from PIL import Image

    from impasto.runtime import Engine, Job, Jobs, Result, Step

STEP_EVERY, PREVIEW_EVERY = 0.1, 0.5
"""Seconds between what is told and shown, at least."""
PREVIEW_SHARE = 0.05
"""Of the time, for previews, at most."""
PREVIEW_SIDE = 1024
"""Pixels, at most."""


def plain(field: Field) -> str:
    """How a service writes a field in a sentence."""
    return field.name


def sentence_of(error: BaseException) -> str:
    """What is said of a failure."""
    if isinstance(error, ImpastoError):
        return error.spell(plain)
    if isinstance(error, MemoryError):
        return OutOfMemoryError("not enough memory: try a smaller size").spell(plain)
    return f"{type(error).__name__}: {error}"


class Painting:
    """A job in a pool."""

    def __init__(self, folder: JobFolder, engine: Engine, options: Service) -> None:
        self.folder = folder
        self.order: Order = folder.order()
        self.ended = threading.Event()
        """Set once all that came of it is in the folder."""
        self._engine, self._options = engine, options
        self._job: Job | None = None
        self._told = self._shown = 0.0
        self._pause = PREVIEW_EVERY
        self._running = self._suspended = self._paused = False

    def begin(self, jobs: Jobs) -> Job:
        """Put it into a pool: anew, or from its checkpoint.

        Raises:
            ImpastoError: as ``Jobs.submit``.
        """
        job = self._resumed(jobs) or self._submitted(jobs)
        self._job = job
        job.add_done_callback(self._done)
        return job

    @property
    def is_suspended(self) -> bool:
        """Whether it is to go on elsewhere, or at another time."""
        return self._suspended

    @property
    def ahead(self) -> int:
        """How many jobs are before it."""
        return self._job.ahead if self._job else 0

    def look(self) -> None:
        """Tell of its beginning, and end it if somebody asked for that; to be called often."""
        job = self._job
        if job is None or self.ended.is_set():
            return
        if not self._running and job.status == "running":
            self._begin()
        asked = self.folder.asked
        if asked == "stop":
            job.cancel()
        elif asked == "pause" and not self._paused:
            self._paused = True
            job.suspend()

    def suspend(self) -> None:
        """End it so that it goes on later."""
        self._suspended = True
        if self._job:
            self._job.suspend()

    def _submitted(self, jobs: Jobs) -> Job:
        folder, order = self.folder, self.order
        image = folder.picture("init_image") if "init_image" in order.pictures else None
        guided, settings = read_regions(folder, order), dict(order.settings)
        blend = settings.get("blend", ())
        if guided.regions and len(blend) == len(guided.order):
            settings["blend"] = [blend[k] for k in guided.order]
        return jobs.submit(
            folder.picture("content") if "content" in order.pictures else None,
            guided.styles,
            regions=guided.regions,
            init_image=image,
            maps=read_masks(folder, order),
            deadline=order.deadline,
            max_pixels=self._options.max_pixels,
            checkpoint=self.folder.checkpoint,
            notes=here(self._engine),
            **self._common(),
            **settings,
        )

    def _resumed(self, jobs: Jobs) -> Job | None:
        """From the checkpoint, if there is one that this program understands."""
        path = self.folder.checkpoint
        if not path.exists():
            return None
        try:
            began, now = read_checkpoint(path).notes, here(self._engine)
            job = jobs.resume(path, deadline=self.order.deadline, **self._common())
        except CheckpointError as error:
            why = self.folder.spoken(sentence_of(error), self.order)
            self.folder.tell("note", text=f"It was begun anew: {why}")
            return None
        others = [name for name in now if began.get(name) != now[name]]
        if others:
            changes = ", ".join(f"{name} {now[name]}, not {began.get(name)}" for name in others)
            self.folder.tell(
                "note", text=f"It went on elsewhere than it began ({changes}): other last bits"
            )
        return job

    def _common(self) -> dict[str, Any]:
        return {
            "priority": self.order.priority,
            "within": self.order.within_now,
            "on_step": self._step,
            "checkpoint_every": self._options.checkpoint_every,
        }

    def _begin(self) -> None:
        self._running = True
        self.folder.tell("status", status="running", at=time.time())

    def _step(self, step: Step) -> None:
        if not self._running:
            self._begin()
        now = time.monotonic()
        if now - self._shown >= self._pause:  # who is told of a step finds a preview
            self._preview(step.to_pil())
            self._shown = time.monotonic()
            self._pause = max(PREVIEW_EVERY, (self._shown - now) / PREVIEW_SHARE)
        if now - self._told >= STEP_EVERY or step.iteration == step.iterations:
            self._told = now
            self.folder.tell("step", **_shown(step))

    def _preview(self, picture: Image.Image) -> None:
        picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        write_jpeg(self.folder.preview, picture)

    def _done(self, job: Job) -> None:
        """Keep what came of it. A job that goes on later is left as it is."""
        try:
            if not self._suspended:
                self._conclude(job)
        finally:
            self.ended.set()

    def _conclude(self, job: Job) -> None:
        error: BaseException | None
        try:
            result, error = job.result(0), None
        except CancelledError as cancelled:
            result, error = None, cancelled
        except BaseException as failure:
            result, error = None, failure
        if result is not None:
            try:
                self._keep(result)
            except ImpastoError as failure:
                result, error = None, failure
        if isinstance(error, DivergenceError):
            self.folder.tell("note", text="The preview is the last good picture.")
        told: dict[str, Any] = {"at": time.time()}
        if isinstance(error, CancelledError) and self._paused:
            self.folder.tell("status", status="paused", at=time.time())
            return
        if isinstance(error, CancelledError) or (result and result.stopped == "cancelled"):
            told["status"] = "cancelled"
        elif error is not None:
            told |= {
                "status": "failed",
                "error": self.folder.spoken(sentence_of(error), self.order),
            }
        else:
            told["status"] = "done"
        if result is not None:
            told |= {"stopped": result.stopped, "loss": result.loss, "seconds": result.seconds}
            told["iterations"] = result.iterations
        self.folder.checkpoint.unlink(missing_ok=True)
        self.folder.tell("status", **finite(told))

    def _keep(self, result: Result) -> None:
        result.save(self.folder.result, overwrite=True)
        self._preview(result.to_pil())


def _shown(step: Step) -> dict[str, Any]:
    """A step as an event. ``left`` is a guess, from the share of the work that is done."""
    left = step.seconds * (1 / step.fraction - 1) if step.fraction else None
    found: dict[str, Any] = finite(
        {
            "scale": step.scale,
            "scales": step.scales,
            "width": step.size[1],
            "height": step.size[0],
            "iteration": step.iteration,
            "iterations": step.iterations,
            "loss": step.loss,
            "terms": step.terms,
            "seconds": round(step.seconds, 3),
            "fraction": round(step.fraction, 5),
            "left": None if left is None else round(left, 1),
        }
    )
    return found
