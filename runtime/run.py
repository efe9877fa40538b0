"""A run: the loop's states one by one, as steps, and what stopped it."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import checkpoint
from .graphs.session import Terminated
from .loop import Loop
from .machine.memory import Reservation
from .pictures.image import Picture, resize
from .pictures.writing.encode import to_pil
from .planning.estimate import AROUND, expected_memory, expected_seconds
from .planning.plan import Plan
from .results.evaluation import Evaluation
from .results.result import Result, Step
from .results.texts import Painted, Stopped, texts, versions
from .settings import Machine, describe
from .state import State


class Run:
    """Iterate for the steps. Nothing is computed before, and no clock runs.

    ``save`` may be called between any two steps; ``Engine.resume`` goes on from there.
    """

    def __init__(
        self,
        loop: Loop,
        machine: Machine,
        bundle: str,
        reservation: Reservation,
        state: State | None = None,
        until: tuple[int, Stopped] | None = None,
    ) -> None:
        """``until``: after so many iterations it is stopped, and that is why."""
        self.plan: Plan = loop.plan
        self.expected: float | None = None
        """Seconds for the whole; known with the first step."""
        self._loop, self._machine, self._bundle = loop, machine, bundle
        self._state, self._until = state, until
        self._reservation = reservation
        self._maps: dict[str, NDArray[np.float32]] = {}
        self._started: float | None = None
        self._stopped: Stopped | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the result."""
        return self.plan.size

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the pixels of each picture as the run took them, by name."""
        return self._loop.pictures.hashes

    @property
    def image(self) -> Picture:
        """The picture now, (height, width, 3) float32 in [0, 1]; any thread may ask for it."""
        return self._image()

    def to_pil(self) -> Image.Image:
        """The picture now, RGB with 8 bits a channel, rounded."""
        return to_pil(self.image)

    @property
    def seed(self) -> int:
        """Of the noise."""
        return self.plan.settings.seed

    @property
    def memory(self) -> int:
        """Peak resident bytes of the process, as expected."""
        return expected_memory(self.plan)

    @property
    def stopped(self) -> Stopped:
        """Why there are no more steps."""
        if self._stopped is not None:
            return self._stopped
        if self._state is None:
            return "not started"
        if self._loop.is_done(self._state):
            return "converged" if self._state.converged else "finished"
        return "unfinished"

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        if self._started is None:
            self._started = time.perf_counter()
        if self._is_over():
            self._reservation.release()
            raise StopIteration
        try:
            if self._state is None:
                self._state = self._loop.start(self._maps)
            before = time.perf_counter()
            self._state = self._loop.advance(self._state)
        except Terminated:  # by ``cancel``: the state is the last iteration's
            self._stopped = self._stopped or "cancelled"
            self._reservation.release()
            raise StopIteration from None
        except BaseException:
            self._stopped = "failed"
            self._reservation.release()
            raise
        return self._step(self._state, time.perf_counter() - before)

    def _is_over(self) -> bool:
        """Whether there are no more steps; what is replayed stops where it was stopped."""
        state = self._state
        if self._until and self._until[0] == (state.iterations if state else 0):
            self._stopped = self._stopped or self._until[1]
        return self._stopped is not None or (state is not None and self._loop.is_done(state))

    def cancel(self) -> None:
        """End the run soon, even within an iteration; any thread may say so."""
        self._stopped = self._stopped or "cancelled"
        self._loop.termination.terminate()

    def finish(
        self,
        on_step: Callable[[Step], object] | None = None,
        cancel: Callable[[], bool] | None = None,
        deadline: float | None = None,
    ) -> Result:
        """Go on to the end, or until one of the two says stop; then ``result``.

        ``cancel`` is asked between iterations; ``deadline`` seconds from now end the run even
        within one.
        """
        seconds = describe(Machine)["deadline"].check(deadline)
        timer = self._timer(self._machine.deadline if seconds is None else seconds)
        try:
            for step in self:
                if on_step:
                    on_step(step)
                if cancel and cancel():
                    self._stopped = self._stopped or "cancelled"
        except BaseException:
            self._stopped = "failed"
            raise
        finally:
            if timer:
                timer.cancel()
        return self.result()

    def evaluate(self) -> Evaluation:
        """What the first image's loss is made of; then the run is over.

        Raises:
            DivergenceError: it is not a number.
        """
        try:
            state = self._loop.start(self._maps)
        finally:
            self._stopped = self._stopped or "unfinished"
            self._reservation.release()
        point, named = state.point, self._loop.named
        return Evaluation(self.size, point.loss, named(point.terms), named(self.plan.weights))

    def set_maps(self, maps: Mapping[str, NDArray[np.float32]]) -> None:
        """New regions or given maps, (height, width, channels), for the terms that take them.

        Raises:
            SettingError: no term takes such a map.
        """
        if self._state is None:
            self._loop.check_maps(maps)
            self._maps |= maps
        else:
            self._state = self._loop.with_maps(self._state, maps)

    def save(self, path: str | os.PathLike[str], *, notes: Mapping[str, str] | None = None) -> None:
        """Keep the run in a file, to go on from with ``Engine.resume``.

        ``notes`` are the caller's: ``read_checkpoint(path).notes``.

        Raises:
            CheckpointError: it cannot be written.
        """
        state, loop = self._state, self._loop
        optimizer = loop.level.optimizer if state is not None and state.memory is not None else None
        about = checkpoint.About(self.plan, self._machine, self._bundle, dict(notes or {}))
        checkpoint.save(path, about, loop.pictures, state, optimizer, self._maps)

    def result(self) -> Result:
        """The best picture so far at the finest scale reached, in the final size."""
        state, named, loop = self._state, self._loop.named, self._loop
        picture = self._image()
        if picture.shape[:2] != self.size:
            picture = loop.pictures.framed(resize(picture, *self.size))
        started, bundle = self._started, loop.graphs.bundle
        loss, terms = (state.best.loss, named(state.best.terms)) if state else (math.nan, {})
        painted = self._painted()
        return Result(
            image=picture,
            alpha=loop.pictures.alpha(self.size),
            loss=loss,
            terms=terms,
            initial_terms=named(state.first) if state else {},
            iterations=painted.iterations,
            seconds=0.0 if started is None else time.perf_counter() - started,
            stopped=painted.stopped,
            plan=self.plan,
            model=str(bundle.path),
            texts=texts(painted, bundle.manifest.encoder.name, loss, terms),
        )

    def _painted(self) -> Painted:
        """What the picture says of how it was painted."""
        used, graphs = self._machine, self._loop.graphs
        return Painted(
            versions=versions(),
            bundle=self._bundle,
            inputs=self._loop.pictures.hashes,
            machine=Machine(
                device=str(graphs.device),
                threads=used.threads,
                convolutions=used.convolutions,
                tf32=used.tf32,
                cuda_graphs=used.cuda_graphs,
            ),
            plan=self.plan,
            iterations=self._state.iterations if self._state else 0,
            stopped=self.stopped,
        )

    def _step(self, state: State, took: float) -> Step:
        assert self._started is not None
        scales = self.plan.scales
        scale = scales[state.scale]
        if self.expected is None:
            self.expected = expected_seconds(self.plan, took / scale.work / AROUND)
        done = sum(s.iterations * s.work for s in scales[: state.scale])
        return Step(
            scale=state.scale + 1,
            scales=len(scales),
            size=scale.size,
            iteration=state.iteration,
            iterations=scale.iterations,
            loss=state.point.loss,
            terms=self._loop.named(state.point.terms),
            seconds=time.perf_counter() - self._started,
            fraction=(done + state.iteration * scale.work) / self.plan.work,
            _image=self._image,
        )

    def _image(self) -> Picture:
        """The picture now; also while another thread iterates, which may use its slot again."""
        pictures = self._loop.pictures
        while (state := self._state) is not None:
            image = self._loop.image(state)
            if self._state is state:
                return pictures.shown(image)
        return pictures.shown(pictures.start(self.size))

    def _timer(self, deadline: float | None) -> threading.Timer | None:
        if deadline is None:
            return None

        def stop() -> None:
            self._stopped = self._stopped or "deadline"
            self._loop.termination.terminate()

        timer = threading.Timer(deadline, stop)
        timer.daemon = True
        timer.start()
        return timer
