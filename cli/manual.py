"""The manual page, ``impasto.1``, made of what help says: ``python -m impasto.cli.manual``.

Requests are those of man(7): TH, SH, SS, TP, B, PP, EX, EE.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import typer

from .commands import INTRODUCTION, app
from .program import groups

ENDS = """.SH EXIT STATUS
0 done, 1 failed, 2 a wrong command line or setting, 130 interrupted by Ctrl-C (143 by SIGTERM, 129
when the terminal hangs up): the picture so far is saved.
.SH ENVIRONMENT
.TP
.B IMPASTO_MODEL
The bundle that is taken where --model is not given.
"""


def manual() -> str:
    """All of it, as roff."""
    program: Any = typer.main.get_command(app)
    context = program.make_context("impasto", ["doctor"], resilient_parsing=True)
    summary, _, examples = INTRODUCTION.partition("\b\nExamples:")
    lines = [
        f'.TH IMPASTO 1 "" "impasto {metadata.version("impasto")}"',
        ".SH NAME",
        f"impasto \\- {_text(summary.strip())}",
        ".SH SYNOPSIS",
        ".B impasto\nPHOTO PAINTING... [OPTIONS]\n.PP\n.B impasto\nCOMMAND [ARGUMENTS]...",
        ".SH EXAMPLES",
        *_examples(examples),
        ".SH COMMANDS",
    ]
    for name, command in program.commands.items():
        lines += _command(name, command, context)
    return "\n".join(lines) + "\n" + ENDS


def _command(name: str, command: Any, parent: Any) -> Iterator[str]:
    context = typer.Context(command, info_name=name, parent=parent)
    yield f".SS {_text(name)}"
    for paragraph in inspect.cleandoc(command.help).split("\n\n"):
        yield f"{_text(' '.join(paragraph.split()))}\n.PP"
    for title, rows in groups(command, context).items():
        yield f".PP\n{title}:"
        for option, text in rows:
            yield f".TP\n.B {_text(option)}\n{_text(' '.join(text.split()))}"
    yield from _examples(command.epilog.partition("Examples:")[2])


def _examples(text: str) -> Iterator[str]:
    lines = [_text(line.strip()) for line in text.strip().splitlines()]
    yield "\n".join([".PP", ".EX", *lines, ".EE"])


def _text(text: str) -> str:
    """As it is: a backslash, a hyphen, and a dot or quote at a line's beginning mean something."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    print(manual(), end="")
