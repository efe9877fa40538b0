"""A video from its file to a painted one: check, survey, paint scene by scene, write."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from impasto.runtime.engine import Engine
from impasto.runtime.errors import ImageError, ImpastoError, SettingError
from impasto.runtime.machine.memory import show_bytes
from impasto.runtime.pictures.image import picture_size, write_image
from impasto.runtime.pictures.sources import opened
from impasto.runtime.planning.estimate import calibrate, expected_memory, expected_seconds
from impasto.runtime.results.result import Step
from impasto.runtime.run import Run
from impasto.runtime.settings import Machine, check_all

from .clip import Cut, survey
from .course import Course, Shapes, make_course
from .crew import Crew, Task, paint_side_by_side
from .files.reading import Frame, examine
from .files.writing import Target, check_target, write
from .order import VideoEstimate, VideoOrder, VideoProgress
from .packages import opencv
from .scene import OnStep
from .work import Order, Survey, Work, described, resumable

PIECE = 1 << 20
BYTES = 9
"""Of a pixel in a frame's file, at most about: 16 bits of three channels, and room."""
OFTEN = 1.0
"""Seconds between two previews within a frame."""
ENGINES = ("device", "threads", "convolutions", "tf32", "cuda_graphs", "memory")


class Video:
    """``for progress in Video(order).paint(): ...``. Nothing is computed before."""

    def __init__(self, order: VideoOrder, *, estimating: bool = False) -> None:
        """Check all that can be told before; who is ``estimating`` needs no output and no style.

        Raises:
            ImageError: the source is no video, or the output cannot be written.
            SettingError: a value makes no sense.
            ImpastoError: PyAV or OpenCV is not installed.
        """
        opencv()
        self.order = order
        machine = check_all(Machine, order.machine)
        self._max_pixels: int = machine.get("max_pixels", Machine().max_pixels)
        self.header = examine(order.source, self._max_pixels)
        if not order.styles and not estimating:
            raise SettingError("style", None, "there is no painting: give one to paint like")
        self._work = Work(order.output)
        begun = self._work.order()
        sounds = () if order.no_sound else self.header.sounds
        self.target: Target = Target(path=order.output)
        if not estimating:
            _check_apart(order)
            self.target = check_target(
                order.output, sounds, overwrite=order.overwrite, source=order.source
            )
        if order.live:
            _check_live(order.live)
        own = {name: value for name, value in machine.items() if name in ENGINES}
        if begun is not None:  # threads decide the last bits
            own = {"threads": begun.threads, "convolutions": begun.convolutions, **own}
        self.engine: Engine = Engine.load(order.model, **own)
        self._memory = own.get("memory")
        self.course: Course = self._course()
        self._started = time.monotonic()

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the result."""
        return self.course.size

    def estimate(self) -> VideoEstimate:
        """Frames are counted and scenes found; nothing is painted."""
        found = survey(self._cut())
        order, course, graphs = self.order, self.course, self.engine.runs.graphs
        per_pixel, opening = calibrate(graphs, course.still)
        scenes, frames = len(found.starts), len(found.times) * order.passes
        still = expected_seconds(course.still, per_pixel) + 3 * opening
        following = expected_seconds(without_styles(course), per_pixel)
        seconds = scenes * still + (frames - scenes) * following
        return VideoEstimate(
            seconds=seconds,
            memory=expected_memory(course.still),
            disk=self._disk(len(found.times)),
            frames=len(found.times),
            scenes=scenes,
            course=course,
        )

    def paint(self) -> Iterator[VideoProgress]:
        """Paint what is not painted yet, and write the video.

        Raises:
            ImageError: the source is damaged, or something cannot be written.
            ImpastoError: the folder beside the output holds another video's frames.
        """
        with self._work.opened():
            order = self._ordered()
            self.course = order.course
            found = self._work.survey()
            if found is None:
                yield self._progress("survey", 0, 0, 0)
                found = survey(self._cut())
                self._check_disk(self._disk(len(found.times)))
                self._work.keep_survey(found)
            yield from self._painted(order, found)
            count = len(found.times) * order.passes
            yield self._progress("write", count, count, len(found.starts))
            write(self.target, self._result(order, found), self.header.time_base, self._end(found))
            self._work.remove()
        yield self._progress("done", count, count, len(found.starts))

    def _painted(self, order: Order, found: Survey) -> Iterator[VideoProgress]:
        count, scenes = len(found.times), found.scenes
        done = before = self._work.done(order.passes, count)
        total = count * order.passes
        began = time.monotonic()
        yield self._progress("paint", total, done, len(scenes))
        for turn, number in self._frames(order, scenes):
            done += 1
            self._show(turn, number)
            left = (time.monotonic() - began) * (total - done) / (done - before)
            yield self._progress("paint", total, done, len(scenes), left)

    def _frames(self, order: Order, scenes: list[range]) -> Iterator[tuple[int, int]]:
        task = Task(
            order=order,
            cut=self._cut(),
            styles=self.order.styles,
            model=self.order.model,
            machine=self._machine(order),
            output=self.order.output,
            max_pixels=self._max_pixels,
        )
        if order.jobs > 1 and len(scenes) > 1:
            return paint_side_by_side(task, scenes, order.jobs)
        same = self.engine.machine.threads == order.threads
        return Crew(task, self.engine if same else None).paint(scenes, self._on_step())

    def _machine(self, order: Order) -> dict[str, Any]:
        """Of each of the processes that paint side by side."""
        own = {name: v for name, v in self.order.machine.items() if name in ENGINES}
        own |= {"convolutions": order.convolutions, "threads": order.threads}
        return own

    def _course(self) -> Course:
        order = self.order
        styles = tuple(picture_size(s, max_pixels=self._max_pixels) for s in order.styles)
        shapes = Shapes(
            video=self.header.size,
            styles=styles or (self.header.size,),
            even=self.target.is_even,
        )
        room = self.engine.runs.graphs.room(self._memory)
        return make_course(
            self.engine.manifest,
            order.settings,
            shapes,
            temporal_weight=order.temporal_weight,
            frame_iterations=order.frame_iterations,
            memory=room // order.jobs,
        )

    def _ordered(self) -> Order:
        """What was begun, or what is begun now."""
        key = self._key()
        found = resumable(self._work, key, self.order.overwrite)
        if found is not None:
            return found
        jobs, threads = self.order.jobs, self.engine.machine.threads or 1
        kind = self.engine.machine.convolutions
        found = Order(
            key=key,
            threads=max(1, threads // jobs),
            convolutions=kind,
            jobs=jobs,
            passes=self.order.passes,
            every=self.order.every,
            course=self.course,
        )
        self._work.begin(found)
        return found

    def _key(self) -> str:
        """SHA-256 of all that a user decides of the frames; not of threads and memory."""
        order, course = self.order, self.course
        text = described(
            {
                "source": _digest(order.source),
                "styles": [_digest(path) for path in order.styles],
                "still": json.loads(course.still.settings.to_json()),
                "following": json.loads(course.following.settings.to_json()),
                "passes": order.passes,
                "every": order.every,
                "bundle": self.engine.digest,
            }
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def _cut(self) -> Cut:
        return Cut(header=self.header, size=self.size, every=self.order.every)

    def _result(self, order: Order, found: Survey) -> Iterator[Frame]:
        for number, shown in enumerate(found.times):
            picture = self._work.load(order.passes - 1, number)
            if picture is None:
                raise ImpastoError(f"{self._work.folder} has lost a frame: call it again")
            yield Frame(shown, picture)

    def _end(self, found: Survey) -> Fraction:
        """When the last frame is over."""
        length = max(1 / self.header.rate, Fraction(self.order.every))
        if len(found.times) > 1:
            length = found.times[-1] - found.times[-2]
        return found.times[-1] + length

    def _disk(self, frames: int) -> int:
        order, (height, width) = self.order, self.size
        kept = order.passes + (order.passes > 1)
        return frames * kept * height * width * BYTES

    def _check_disk(self, needed: int) -> None:
        free = shutil.disk_usage(self._work.folder).free
        if needed > free:
            raise ImpastoError(
                f"{self._work.folder}: the frames may take {show_bytes(needed)}, and "
                f"{show_bytes(free)} are free: choose another disk, or a smaller size"
            )

    def _progress(
        self, stage: Any, frames: int, done: int, scenes: int, left: float | None = None
    ) -> VideoProgress:
        return VideoProgress(
            stage=stage, frames=frames, done=done, scenes=scenes, size=self.size, left=left
        )

    def _show(self, turn: int, number: int) -> None:
        if self.order.live:
            picture = self._work.load(turn, number)
            assert picture is not None
            write_image(picture, self.order.live, overwrite=True)

    def _on_step(self) -> OnStep | None:
        live = self.order.live
        if not live:
            return None
        last = time.monotonic()

        def on_step(step: Step, run: Run) -> None:
            nonlocal last
            if time.monotonic() - last >= OFTEN:
                last = time.monotonic()
                write_image(run.image, live, overwrite=True)

        return on_step


def without_styles(course: Course) -> Any:
    """The plan of frames that follow, without describing the styles: they are kept."""
    plan = course.following
    return replace(plan, sizes=replace(plan.sizes, styles=()))


def _check_apart(order: VideoOrder) -> None:
    """See that the output is no input."""
    if not os.path.exists(order.output) or not order.overwrite:
        return
    for path in (order.source, *order.styles):
        if os.path.exists(path) and os.path.samefile(path, order.output):
            raise ImageError(
                f"{order.output} is the video to read, or a style; name another output"
            )


def _check_live(path: str) -> None:
    from impasto.runtime.pictures.writing.encode import check_output

    check_output(path, overwrite=True)


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with opened(path, path) as file:
        file.left = file.length // PIECE + 2
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
