"""What stylize, texture and reconstruct have in common: check, paint, save."""

from __future__ import annotations

import os
import secrets
import tempfile
from importlib import metadata
from typing import TYPE_CHECKING, Any

import typer

from .interrupts import interrupts
from .options import Settings, given
from .progress import Lines, reporter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from impasto.runtime import Engine, Result, Run


def load(settings: Settings) -> Engine:
    """The engine, once it is clear that the output can be written."""
    from impasto.runtime import Engine
    from impasto.runtime.pictures.image import check_output

    with interrupts.saving:
        check_output(settings.output, settings.overwrite)
    return Engine.load(**settings.engine)


def only_content(engine: Engine, layer: str) -> dict[str, float]:
    """Weights that leave the content term of one layer."""
    from impasto.runtime import SettingError

    terms = next(iter(engine.manifest.objectives.values())).terms
    layers = [term.layer for term in terms if term.head == "content"]
    if layer not in layers:
        raise SettingError(
            f"no content layer {layer!r} in {engine.model}: it has {', '.join(layers) or 'none'}; "
            f"`impasto export --content-layer {layer} -o DIR` writes a bundle for --model DIR"
        )
    return {**{term.head: 0.0 for term in terms}, f"content.{layer}": 1.0}


def paint(engine: Engine, settings: Settings, weights: Mapping[str, float], **inputs: Any) -> None:
    """Paint to the end or to Ctrl-C, and save; ``inputs`` and ``weights`` are Engine.start's."""
    weights = {**weights, **settings.weights}
    run = engine.start(weights=weights, **given(**inputs, seed=settings.seed), **settings.run)
    with reporter(settings.json) as report, interrupts.mode("finish"):
        report.start(engine, run)
        result, problem = _finish(run, report)
        if problem is None or result.iterations:
            _save(result, settings, _parameters(engine, settings, weights, result))
        if problem is None:
            report.done(settings.output, result)
    _conclude(settings.output, result, problem or report.broken)


def _finish(run: Run, report: Lines) -> tuple[Result, str | None]:
    """The result, and what broke the optimisation down if anything did."""
    from impasto.runtime import DivergenceError

    def cancelled() -> bool:
        return interrupts.requested or report.broken is not None

    try:
        return run.finish(on_step=report.step, cancel=cancelled), None
    except DivergenceError as error:
        return run.result(), str(error)


def _save(result: Result, settings: Settings, parameters: dict[str, str]) -> None:
    """Where it was wanted; if that has become impossible, in the system's temporary folder."""
    from impasto.runtime import ImageError

    with interrupts.saving:
        try:
            result.save(settings.output, overwrite=settings.overwrite, parameters=parameters)
        except ImageError as error:
            try:
                spare = os.path.join(tempfile.gettempdir(), f"impasto-{secrets.token_hex(4)}.png")
                result.save(spare, parameters=parameters)
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


def _parameters(
    engine: Engine, settings: Settings, weights: Mapping[str, float], result: Result
) -> dict[str, str]:
    """Texts for a PNG: how to paint it again. Paths are left out: they say who and where."""
    from impasto.runtime.plan import Preset

    name = settings.preset or next(iter(engine.manifest.presets))
    preset = Preset.of(engine.manifest.presets[name])
    height, width, _ = result.image.shape
    return {
        "Software": f"impasto {metadata.version('impasto')}",
        "model": os.path.basename(engine.model),
        "preset": name,
        "size": f"{width} x {height}",
        "seed": str(result.seed),
        "pooling": settings.pooling or preset.pooling,
        "optimizer": settings.optimizer or preset.optimizer,
        "iterations": str(result.iterations),
        "weights": " ".join(f"{k}={v:g}" for k, v in {**preset.weights, **weights}.items()),
    }
