"""What the painting commands have in common: check, paint, keep checkpoints, save."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from .configuration import with_config
from .interrupts import interrupts
from .options import Given
from .progress import Lines, reporter

if TYPE_CHECKING:
    from impasto.runtime import Engine, Result, Run, Step


ENCODING: dict[str, Callable[[str], Any]] = {
    "format": str,
    "depth": int,
    "jpeg_quality": int,
    "no_metadata": bool,
}
"""How an output is written: what of Files says it, and is kept in a checkpoint's notes."""


def paint(command: str, given: Given) -> None:
    """Stylize, texture or reconstruct: paint to the end or to Ctrl-C, and save."""
    from impasto.runtime import Engine

    given = with_config(given, command)
    files, machine = given.files, dict(given.machine)
    _check(files)
    own = {k: machine.pop(k) for k in ("memory", "deadline", "max_pixels") if k in machine}
    engine = Engine.load(files.get("model"), **machine)
    settings = dict(given.settings)
    if command == "reconstruct":
        settings = content_alone(engine, settings)
    pictures = {name: files[name] for name in ("content", "style", "init_image") if name in files}
    _follow(engine, engine.start(**pictures, **settings, **own), files)


def resume_run(given: Given) -> None:
    """Go on with a checkpoint's run as it began: model, threads and output are those it names."""
    from impasto.runtime import CheckpointError, Engine, read_checkpoint

    path = given.files["checkpoint_file"]
    header = read_checkpoint(path)
    notes = {name: ENCODING.get(name, str)(value) for name, value in header.notes.items()}
    files = {"checkpoint": path, **notes, **given.files}
    if "output" not in files:
        raise CheckpointError(f"{path}: it does not say where the picture belongs; pass --output")
    _check(files, resuming=True)
    machine = {"threads": header.machine.threads, "convolutions": header.machine.convolutions}
    machine |= given.machine
    deadline = machine.pop("deadline", None)
    engine = Engine.load(files.get("model"), **machine)  # type: ignore[arg-type]
    run = engine.resume(path, deadline=deadline)  # type: ignore[arg-type]
    _follow(engine, run, files)


def content_alone(engine: Engine, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, with a weight of 0 for all heads but the content's."""
    manifest = engine.manifest
    name = settings.get("objective") or next(iter(manifest.objectives))
    terms = manifest.objectives[name].terms if name in manifest.objectives else ()
    others = {t.head: 0.0 for t in terms if all(i.source != "content" for i in t.inputs)}
    return {**settings, "weights": {**others, **settings.get("weights", {})}}


def encoding(files: dict[str, Any]) -> dict[str, Any]:
    """How the output is to be written, as far as it was said."""
    return {name: files[name] for name in ENCODING if name in files and name != "no_metadata"}


def _check(files: dict[str, Any], resuming: bool = False) -> None:
    """Whether output and checkpoint can be written, before anything else is done."""
    from impasto.runtime import CheckpointError, check_output

    with interrupts.saving:
        check_output(files["output"], files.get("overwrite", False), **encoding(files))
    path = files.get("checkpoint")
    if path and os.path.lexists(path) and not resuming and not files.get("overwrite"):
        raise CheckpointError(
            f"{path}: exists already; `impasto resume {path}` goes on with it, --overwrite begins "
            "anew"
        )


def _follow(engine: Engine, run: Run, files: dict[str, Any]) -> None:
    output = files["output"]
    kept = _Checkpoints(run, files)
    with reporter(files.get("json", False)) as report, interrupts.mode("finish"):
        report.start(engine, run)
        kept.save()
        result, problem = _finish(run, report, kept)
        if problem is None or result.iterations:
            _save(result, files)
        if problem is None:
            report.done(output, result)
    _conclude(output, result, problem or report.broken)


class _Checkpoints:
    """Keeps the run in a file, so that no more than the interval is ever lost, or an iteration."""

    def __init__(self, run: Run, files: dict[str, Any]) -> None:
        self._run, self._path = run, files.get("checkpoint")
        self._every = files.get("checkpoint_every", 60.0)
        model = files.get("model")
        self._notes = {"output": os.path.abspath(files["output"])}
        self._notes |= {name: str(files[name]) for name in ENCODING if name in files}
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


def _finish(run: Run, report: Lines, kept: _Checkpoints) -> tuple[Result, str | None]:
    """The result, and what broke the optimisation down if anything did."""
    from impasto.runtime import DivergenceError

    def cancelled() -> bool:
        return interrupts.requested or report.broken is not None

    def on_step(step: Step) -> None:
        report.step(step)
        kept.step(step)

    try:
        result = run.finish(on_step=on_step, cancel=cancelled)
    except DivergenceError as error:
        return run.result(), str(error)
    kept.save()
    return result, None


def _save(result: Result, files: dict[str, Any]) -> None:
    """Where it was wanted; if that has become impossible, in the system's temporary folder."""
    from impasto.runtime import ImageError

    with interrupts.saving:
        try:
            result.save(
                files["output"],
                metadata=not files.get("no_metadata"),
                overwrite=files.get("overwrite", False),
                **encoding(files),
            )
        except ImageError as error:
            try:
                spare = os.path.join(tempfile.gettempdir(), f"impasto-{secrets.token_hex(4)}.png")
                result.save(spare)
            except (ImageError, FileNotFoundError):  # there may be no such folder
                raise error from None
            raise ImageError(f"{error}; the picture is in {spare}") from None


def _conclude(output: str, result: Result, problem: str | None) -> None:
    """End with the exit code of what cut the work short."""
    from impasto.runtime import ImpastoError

    if problem and result.iterations:
        problem += f"; {output} holds the picture of iteration {result.iterations}"
    if problem:
        raise ImpastoError(problem)
    if result.stopped == "cancelled":
        raise typer.Exit(interrupts.exit_code)
