"""The command ``gallery``: a sheet of drafts, and the one that was picked at full size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import typer

from impasto.cli.configuration import merged, with_config
from impasto.cli.interrupts import interrupts
from impasto.cli.options import Given
from impasto.cli.painting import outputs, paint
from impasto.runtime import (
    Engine,
    Field,
    ImpastoError,
    SettingError,
    check_all,
    paintings,
    picture_files,
    picture_size,
)

from .contact import ContactSheet, read_sheet
from .drafts import Draft, make_drafts
from .options import Gallery, names_of
from .reports import Report, reporter

SHEET = "gallery.png"
FAILED = 3
"""Exit code: some drafts failed, the others are on the sheet."""
OWN = ("memory", "max_pixels")
"""What of Machine is each run's own."""
MAKING, PICKING = ("styles", "vary", "seeds"), ("sheet", "depth", "no_metadata")
"""Fields that make sense without ``pick``, and with it."""


def gallery(command: str, given: Given) -> None:
    """Make a sheet, or paint what was picked of one."""
    given = with_config(given, command)
    said = check_all(Gallery, given.own)
    picking = "pick" in said
    for name in MAKING if picking else PICKING:
        if name in said or name in given.files:
            value = said.get(name, given.files.get(name))
            mend = "that is of a new sheet: leave out " if picking else "that goes with "
            raise SettingError(name, value, mend, Field("pick"))
    (_pick if picking else _make)(said, given)


def _pick(said: dict[str, Any], given: Given) -> None:
    """Paint as ``stylize`` does, with what the sheet says of a draft, and what is said now."""
    path, number = said.get("sheet", SHEET), said["pick"]
    if "content" in given.files:
        raise SettingError("content", given.files["content"], "the sheet says it: leave it out")
    sheet = read_sheet(path)
    draft = sheet["drafts"].get(str(number))
    if draft is None:
        there = ", ".join(sheet["drafts"])
        raise SettingError("pick", number, f"{path} has {there}")
    files: dict[str, Any] = {"content": sheet["content"], "style": (draft["style"],)}
    files |= {"model": sheet["model"]} if sheet["model"] else {}
    files |= {name: v for name, v in given.files.items() if name != "config"}
    files |= {"output": said["output"]} if "output" in said else {}
    settings = merged(draft["picked"], given.settings)
    paint.paint("stylize", Given(files, settings, given.machine))


def _make(said: dict[str, Any], given: Given) -> None:
    files = {**given.files, "output": said.get("output", SHEET)}
    if "content" not in files:
        mend = ("name a picture, or with ", Field("pick"), " the number of a draft")
        raise SettingError("content", None, *mend)
    files = outputs.named("gallery", files)
    paint.check(files)
    vary, machine = names_of(said.get("vary", ())), dict(given.machine)
    own = {name: machine.pop(name) for name in OWN if name in machine}
    picture_size(files["content"])
    engine = Engine.load(files.get("model"), **machine)
    styles = _styles(said.get("styles", ()), files["output"])
    seeds = said.get("seeds", 1)
    drafts = make_drafts(engine, styles, given.settings, vary, seeds)
    with reporter(files, drafts) as report, interrupts.mode("finish"):
        sheet, last = _painted(engine, drafts, files["content"], own, report)
        if not sheet.is_empty:
            made = sheet.finished(last, files["content"], files.get("model"), files["output"])
            paint.save(made, files, files.get("overwrite", False))
        report.done(None if sheet.is_empty else files["output"])
    if interrupts.requested:
        raise typer.Exit(interrupts.exit_code)
    if report.failed:
        raise typer.Exit(FAILED)


def _painted(
    engine: Engine, drafts: Sequence[Draft], content: str, own: dict[str, Any], report: Report
) -> tuple[ContactSheet, int]:
    """The sheet, and how many of its drafts were painted or failed before Ctrl-C."""
    sheet = ContactSheet(drafts)

    def cancelled() -> bool:
        return interrupts.requested

    for draft in drafts:
        try:
            if cancelled():
                return sheet, draft.number - 1
            result = engine.stylize(
                content,
                draft.style,
                on_step=report.step,
                cancel=cancelled,
                **draft.settings,
                **own,
            )
        except ImpastoError as error:
            sheet.fail(draft, report.fail(draft, error))
            continue
        if result.stopped == "cancelled":
            return sheet, draft.number - 1
        sheet.put(draft, result.to_pil(), result.loss)
        report.painted(draft, result)
    return sheet, len(drafts)


def _styles(given: Sequence[str], output: str) -> list[str]:
    """Pictures, and those in folders, each once, without an earlier sheet; none: those that ship.

    Raises:
        ImageError: there is no such folder or picture, or a folder has none.
    """
    if not given:
        return [os.fspath(painting.path) for painting in paintings()]
    found = dict.fromkeys(path for name in given for path in picture_files(name))
    there = os.path.exists(output)
    return [path for path in found if not (there and os.path.samefile(path, output))]
