"""The command ``batch``."""

from __future__ import annotations

import typer

from impasto.cli.configuration import with_config
from impasto.cli.interrupts import interrupts
from impasto.cli.options import Given
from impasto.runtime import (
    Batch,
    Field,
    Row,
    SettingError,
    Setup,
    check_all,
    make_rows,
    read_manifest,
)

from . import begun
from .options import Folders
from .reports import reporter

FAILED = 3
"""Exit code: some rows failed, the others are painted."""
ENGINES = ("device", "threads", "convolutions", "tf32", "cuda_graphs", "memory")
"""What of Machine belongs to an engine."""


def batch(command: str, given: Given) -> None:
    """Paint every row, or go on with those of a batch that was begun."""
    folders, given = _checked(given, command)
    with interrupts.mode("raise"):
        rows = _rows(folders, given)
        painting = Batch(
            rows,
            _setup(folders, given),
            workers=folders.workers,
            shard=_shard(folders),
            on_error=folders.on_error,
            ray=folders.ray,
        )
        try:
            _follow(painting, folders, given, len(rows))
        except KeyboardInterrupt:
            raise typer.Exit(interrupts.exit_code) from None
    if painting.counts["failed"]:
        raise typer.Exit(FAILED)


def _checked(given: Given, command: str) -> tuple[Folders, Given]:
    """What was given, over what the batch that is resumed was given.

    Raises:
        SettingError: something is missing, or makes no sense.
    """
    found = check_all(Folders, given.own)
    if found.get("output") is None:
        raise SettingError("output", None, "give the folder for the outputs")
    if found.get("resume"):
        given = begun.resumed(found, given)
        found = check_all(Folders, given.own)
    else:
        given = with_config(given, command)
    folders = Folders(**found)
    if not folders.pictures:
        mend = ("name pictures or folders of them, or go on with ", Field("resume"))
        raise SettingError("pictures", None, *mend)
    return folders, given


def _rows(folders: Folders, given: Given) -> list[Row]:
    assert folders.output
    return make_rows(
        folders.pictures,
        folders.style,
        folders.output,
        manifest=read_manifest(given.files.get("model")),
        recursive=folders.recursive,
        name=folders.name,
        settings=given.settings,
    )


def _setup(folders: Folders, given: Given) -> Setup:
    assert folders.output
    files, machine = given.files, given.machine
    return Setup(
        model=files.get("model"),
        output=folders.output,
        machine={name: machine[name] for name in ENGINES if name in machine},
        max_pixels=machine.get("max_pixels"),
        depth=files.get("depth"),
        jpeg_quality=files.get("jpeg_quality"),
        metadata=not files.get("no_metadata"),
        overwrite=bool(files.get("overwrite")),
    )


def _shard(folders: Folders) -> tuple[int, int] | None:
    if folders.shard is None:
        return None
    number, count = map(int, folders.shard.split("/"))
    return number, count


def _follow(painting: Batch, folders: Folders, given: Given, rows: int) -> None:
    """Paint, and tell how far it is."""
    with reporter(given.files) as report:
        report.start(painting, rows)

        kept = False

        def on_progress(painting: Batch) -> None:
            nonlocal kept
            if not kept:  # by now the folder is this batch's alone
                begun.keep(folders, given)
                kept = True
            report.progress(painting)

        outcomes = painting.run(on_progress=on_progress)
        try:
            for outcome in outcomes:
                report.outcome(painting, outcome)
        finally:
            outcomes.close()  # type: ignore[attr-defined]
            report.done(painting)
