"""What the painting commands have in common: check, paint, keep checkpoints, save."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from impasto.cli.configuration import with_config
from impasto.cli.interrupts import interrupts
from impasto.cli.options import Given

from . import outputs, recording
from .progress import pixels, reporter

if TYPE_CHECKING:
    from impasto.runtime import Engine, Result, Run, Step

SOUNDS = {"sound", "texture-sound"}
"""What a checkpoint's notes have where it is of a sound: the commands."""


def paint(command: str, given: Given) -> None:
    """Stylize, texture or reconstruct: paint to the end or to Ctrl-C, and save."""
    from impasto.runtime import Engine, SettingError

    given = with_config(given, command)
    files, machine = outputs.named(command, given.files), dict(given.machine)
    if command == "stylize" and not files.get("style") and not files.get("region"):
        raise SettingError("style", None, "there is no painting: impasto photo.jpg painting.jpg")
    check(files)
    own = {k: machine.pop(k) for k in ("memory", "deadline", "max_pixels") if k in machine}
    engine = Engine.load(files.get("model"), **machine)
    settings = dict(given.settings)
    if command == "reconstruct":
        settings = content_alone(engine, settings)
    follow(engine, engine.start(**outputs.pictures(files), **settings, **own), files)


def resume(command: str, given: Given) -> None:
    """Go on with a checkpoint's run as it began: model, threads and output are those it names."""
    from impasto.runtime import CheckpointError, Engine, read_checkpoint

    path = given.files["checkpoint_file"]
    header = read_checkpoint(path)
    if SOUNDS & header.notes.keys():
        from impasto.cli.audio.command import resume as resume_sound

        resume_sound(header, given)
        return
    notes = {name: outputs.ENCODING.get(name, str)(value) for name, value in header.notes.items()}
    files = {"checkpoint": path, **notes, **given.files}
    if "output" not in files:
        raise CheckpointError(f"{path}: it does not say where the picture belongs; pass --output")
    files = outputs.named(command, files)
    check(files, resuming=True)
    machine = {"threads": header.machine.threads, "convolutions": header.machine.convolutions}
    machine |= given.machine
    deadline = machine.pop("deadline", None)
    engine = Engine.load(files.get("model"), **machine)  # type: ignore[arg-type]
    run = engine.resume(path, deadline=deadline)  # type: ignore[arg-type]
    follow(engine, run, files)


def content_alone(engine: Engine, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, with a weight of 0 for all heads but the content's."""
    manifest = engine.manifest
    name = settings.get("objective") or next(iter(manifest.objectives))
    terms = manifest.objectives[name].terms if name in manifest.objectives else ()
    others = {t.head: 0.0 for t in terms if all(i.source != "content" for i in t.inputs)}
    return {**settings, "weights": {**others, **settings.get("weights", {})}}


def check(files: dict[str, Any], resuming: bool = False) -> None:
    """Whether output and checkpoint can be written, before anything else is done."""
    from impasto.runtime import check_output

    with interrupts.saving:
        stream = files["output"] == outputs.STREAM
        target = None if stream else files["output"]
        check_output(target, files.get("overwrite", False), **outputs.encoding(files))
        recording.check(files)
    check_checkpoint(files, resuming)


def check_checkpoint(files: dict[str, Any], resuming: bool) -> None:
    """That no other run's is lost.

    Raises:
        CheckpointError: there is one.
    """
    from impasto.runtime import CheckpointError

    path = files.get("checkpoint")
    if path and os.path.lexists(path) and not resuming and not files.get("overwrite"):
        raise CheckpointError(
            f"{path}: exists already; `impasto resume {path}` goes on with it, --overwrite begins "
            "anew"
        )


def follow(
    engine: Engine,
    run: Run,
    files: dict[str, Any],
    write: outputs.Save = outputs.save,
    shape: Callable[[tuple[int, int]], str] = pixels,
) -> None:
    """Paint to the end or to Ctrl-C, keep what is to be kept, and save.

    ``write`` writes the output, ``shape`` says how large it is.
    """
    kept, record = _Checkpoints(run, files), recording.Recording(run, files)
    with reporter(files, shape) as report, interrupts.mode("finish"):
        report.start(engine, run)
        kept.save()

        def on_step(step: Step) -> None:
            report.step(step)
            kept.step(step)
            with interrupts.saving:
                record.step(step)

        def cancelled() -> bool:
            return any((interrupts.requested, report.broken, record.broken))

        result, problem = _finish(run, on_step, cancelled)
        if problem is None:
            kept.save()
        if problem is None or result.iterations:
            overwrite = files.get("overwrite", False) or record.written
            save(result, files, overwrite, write)
            with interrupts.saving:
                record.done()
        broken = record.broken and record.broken.spell(str)
        if problem is None and not broken:
            report.done(files["output"], result)
    _conclude(files["output"], result, problem or broken or report.broken)


class _Checkpoints:
    """Keeps the run in a file, so that no more than the interval is ever lost, or an iteration."""

    def __init__(self, run: Run, files: dict[str, Any]) -> None:
        self._run, self._path = run, files.get("checkpoint")
        self._every = files.get("checkpoint_every", 60.0)
        model = files.get("model")
        output = files["output"]
        self._notes = {} if output == outputs.STREAM else {"output": os.path.abspath(output)}
        self._notes |= {name: str(files[name]) for name in outputs.ENCODING if name in files}
        self._notes |= files.get("notes", {})
        if model is not None:
            self._notes["model"] = os.path.abspath(model) if os.path.isdir(model) else model
        self._saved = self._stepped = time.monotonic()

    def step(self, step: Step) -> None:
        """Save, if after another iteration it would be too late; a finer scale's takes longer."""
        now = time.monotonic()
        took, self._stepped = now - self._stepped, now
        last = step.iteration == step.iterations
        if last or now - self._saved + 2 * took >= self._every:
            self.save()

    def save(self) -> None:
        """Now."""
        if self._path is None:
            return
        with interrupts.saving:
            self._run.save(self._path, notes=self._notes)
        self._saved = time.monotonic()


def _finish(
    run: Run, on_step: Callable[[Step], object], cancelled: Callable[[], bool]
) -> tuple[Result, str | None]:
    """The result, and what broke the optimisation down if anything did."""
    from impasto.runtime import DivergenceError

    try:
        return run.finish(on_step=on_step, cancel=cancelled), None
    except DivergenceError as error:
        return run.result(), str(error)


def save(
    result: Any, files: dict[str, Any], overwrite: bool, write: outputs.Save = outputs.save
) -> None:
    """Where it was wanted; if that has become impossible, in the system's temporary folder."""
    from impasto.runtime import ImageError

    with interrupts.saving:
        try:
            write(result, files, overwrite=overwrite)
        except ImageError as error:
            try:
                suffix = ".png" if write is outputs.save else ".wav"
                name = f"impasto-{secrets.token_hex(4)}{suffix}"
                spare = os.path.join(tempfile.gettempdir(), name)
                write(result, {"output": spare}, overwrite=False)
            except (ImageError, FileNotFoundError):  # there may be no such folder
                raise error from None
            what = "picture" if write is outputs.save else "sound"
            raise ImageError(f"{error}; the {what} is in {spare}") from None


def _conclude(output: str, result: Result, problem: str | None) -> None:
    """End with the exit code of what cut the work short."""
    from impasto.runtime import ImpastoError

    if problem and result.iterations:
        problem += f"; {output} holds the picture of iteration {result.iterations}"
    if problem:
        raise ImpastoError(problem)
    if result.stopped == "cancelled":
        raise typer.Exit(interrupts.exit_code)
