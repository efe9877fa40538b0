"""What is kept of the way: the output so far, frames, an animation, a diagram of the losses."""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING, Any

from . import outputs

if TYPE_CHECKING:
    from PIL import Image

    from impasto.runtime import ImpastoError, Run, Step

ANIMATIONS = {".webp": "WEBP", ".gif": "GIF"}
MOVIES = (".mp4", ".webm", ".mkv")
"""These need the extra video."""
DIAGRAMS = (".svg", ".png")
MOST_FRAMES = 120
"""Of an animation."""
LONGEST = 640
"""Pixels of an animation's long side."""
FRAME, LAST_FRAME = 80, 2000
"""Milliseconds."""


class Recording:
    """Everything that a run is to leave beside its picture."""

    def __init__(self, run: Run, files: dict[str, Any]) -> None:
        self._run, self._files = run, files
        self._every = files.get("save_every")
        self._overwrite = files.get("overwrite", False)
        self._done = 0
        self._losses: list[tuple[int, float]] = []
        self._pictures: list[Image.Image] = []
        total = sum(scale.iterations for scale in run.plan.scales)
        self._stride = -(-total // MOST_FRAMES)
        self.written = False
        """Whether the output that is there is this run's own."""
        self.broken: ImpastoError | None = None
        """Why nothing more can be kept; None while it can."""

    def step(self, step: Step) -> None:
        """Keep what is wanted of an iteration; what cannot be written must not cost the picture."""
        from impasto.runtime import ImageError

        try:
            self._step(step)
        except ImageError as error:
            self.broken = error

    def _step(self, step: Step) -> None:
        self._done += 1
        files, due = self._files, self._every is None or self._done % self._every == 0
        if files.get("plot"):
            self._losses.append((step.scale, step.loss))
        if files.get("timelapse") and (self._done % self._stride == 0 or self._done == 1):
            self._pictures.append(self._small(step))
        if due and files.get("frames"):
            path = os.path.join(files["frames"], f"{self._done:06d}.png")
            self._run.result().save(path, overwrite=self._overwrite)
        if due and self._every is not None:
            overwrite = self._overwrite or self.written
            outputs.save(self._run.result(), files, overwrite=overwrite)
            self.written = True

    def done(self) -> None:
        """Write what goes into a single file."""
        if self._files.get("timelapse") and self._done:
            self._write_timelapse()
        if self._files.get("plot") and self._done:
            self._write("plot", diagram(self._losses, self._files["plot"]))

    def _write(self, field: str, data: bytes) -> None:
        from impasto.runtime import write_file

        write_file(self._files[field], data, overwrite=self._overwrite)

    def _small(self, step: Step) -> Image.Image:
        """The picture now, in the size of the animation."""
        height, width = self._run.size
        part = min(1.0, LONGEST / max(height, width))
        size = max(1, round(width * part)), max(1, round(height * part))
        return step.to_pil().resize(size)

    def _write_timelapse(self) -> None:
        path = self._files["timelapse"]
        last = self._run.result().to_pil().resize(self._pictures[0].size)
        frames = [*self._pictures, last]
        durations = [FRAME] * len(self._pictures) + [LAST_FRAME]
        suffix = os.path.splitext(path)[1].lower()
        if suffix in ANIMATIONS:
            self._write("timelapse", _animation(frames, durations, ANIMATIONS[suffix]))
            return
        import numpy as np

        from impasto.runtime import write_video

        pictures = (np.asarray(frame, np.float32) / np.float32(255) for frame in frames)
        seconds = (duration / 1000 for duration in durations)
        write_video(path, pictures, seconds, overwrite=self._overwrite)


def _animation(frames: list[Image.Image], durations: list[int], kind: str) -> bytes:
    data = BytesIO()
    frames[0].save(
        data,
        kind,
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
    )
    return data.getvalue()


def check(files: dict[str, Any]) -> None:
    """See whether all of it can be written, before anything is computed.

    Raises:
        ImpastoError: a file exists, a suffix is not known, matplotlib is missing.
    """
    from impasto.runtime import Field, ImageError, check_file, check_video

    overwrite = files.get("overwrite", False)
    for field, suffixes in (("timelapse", (*ANIMATIONS, *MOVIES)), ("plot", DIAGRAMS)):
        path = files.get(field)
        if path is None:
            continue
        if os.path.splitext(path)[1].lower() not in suffixes:
            known = ", ".join(suffixes[:-1]) + f" or {suffixes[-1]}"
            raise ImageError(Field(field, path), f": let the name end in {known}")
        check_file(path, overwrite=overwrite)
    if files.get("plot"):
        _matplotlib()
    if os.path.splitext(files.get("timelapse") or "")[1].lower() in MOVIES:
        check_video(files["timelapse"], overwrite=overwrite)
    folder = files.get("frames")
    if folder and os.path.isdir(folder) and os.listdir(folder) and not overwrite:
        raise ImageError(f"{folder} has files already; pass ", Field("overwrite"), ", or another")
    if folder:
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise ImageError(f"{folder} cannot be created: {error.strerror}") from None


def diagram(losses: list[tuple[int, float]], path: str) -> bytes:
    """Scales and losses of all iterations, drawn."""
    matplotlib, data = _matplotlib(), BytesIO()
    figure = matplotlib.figure.Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    first = 0
    for scale in dict.fromkeys(scale for scale, _ in losses):
        values = [loss for number, loss in losses if number == scale]
        axes.plot(range(first + 1, first + 1 + len(values)), values, label=f"scale {scale}")
        first += len(values)
    axes.set(xlabel="iteration", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(data, format=os.path.splitext(path)[1][1:].lower())
    return data.getvalue()


def _matplotlib() -> Any:
    from impasto.runtime import Field, ImpastoError

    try:
        import matplotlib
        import matplotlib.figure
    except ImportError:
        raise ImpastoError(Field("plot"), " needs matplotlib: pip install matplotlib") from None
    return matplotlib
