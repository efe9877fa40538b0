"""What the command ``batch`` can be told, beside Settings, Machine and how files are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from impasto.runtime import SettingError, setting

BATCH = ("batch",)


def parse_shard(value: object) -> str:
    """``2/8``.

    Raises:
        SettingError: it is something else.
    """
    matched = re.fullmatch(r"(\d{1,9})/(\d{1,9})", str(value))
    if not matched or not 1 <= int(matched[1]) <= int(matched[2]):
        raise SettingError("shard", value, "give I/N, such as 2/8: the second of eight")
    return str(value)


@dataclass(frozen=True, kw_only=True)
class Folders:
    """What goes in, what comes out, and who paints."""

    GROUP: ClassVar[Literal["what"]] = "what"

    pictures: tuple[str, ...] = setting(
        "Pictures, folders of them, or tables of rows (.csv, .jsonl); paths or addresses.",
        (),
        commands=BATCH,
    )
    style: tuple[str, ...] = setting(
        "A picture to paint like, or a folder of them; repeatable: each content in each.",
        (),
        metavar="FILE|DIR",
        commands=BATCH,
    )
    recursive: bool = setting("Read folders in folders, too.", False, commands=BATCH)
    output: str | None = setting(
        "Folder of the outputs, in which the inputs' folders are as they were.",
        None,
        metavar="DIR",
        short="-o",
        none="there is none: give one",
        commands=BATCH,
        group="output",
    )
    name: str = setting(
        "Of an output: stem, style and suffix, and all settings, in braces.",
        "{stem}-{style}.png",
        metavar="NAME",
        commands=BATCH,
        group="output",
    )
    shard: str | None = setting(
        "Paint only the I-th of N parts; each may be another machine's.",
        None,
        metavar="I/N",
        none="all",
        commands=BATCH,
        group="machine",
        parse=parse_shard,
    )
    workers: int | None = setting(
        "Pictures that are painted at the same time, each by a process.",
        None,
        least=1,
        most=4096,
        none="one for each core, as far as the memory goes",
        commands=BATCH,
        group="machine",
    )
    ray: str | None = setting(
        "Paint on the machines of a Ray cluster.",
        None,
        metavar="ADDRESS",
        none="painted here",
        commands=BATCH,
        group="machine",
    )
    resume: bool = setting(
        "Go on with the batch that was begun in the output's folder, as it was called.",
        False,
        commands=BATCH,
    )
    on_error: Literal["continue", "stop"] = setting(
        "What follows a row that fails.", "continue", commands=BATCH, group="output"
    )
