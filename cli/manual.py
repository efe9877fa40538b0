"""The manual page, ``impasto.1``, made of what help says: ``python -m impasto.cli.manual``.

Requests are those of man(7): TH, SH, SS, TP, B, PP, EX, EE.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from typing import Any

import typer

from .commands import COMMANDS, EXAMPLES, SUMMARY
from .program import app, command, groups

ENDS = """.SH EXIT STATUS
0 done, 1 failed, 2 a wrong command line or setting, 3 some pictures of a batch failed, 130
interrupted by Ctrl-C (143 by SIGTERM, 129 when the terminal hangs up): the picture so far is saved.
.SH ENVIRONMENT
.TP
.B IMPASTO_MODEL
The bundle that is taken where --model is not given.
"""


def manual() -> str:
    """All of it, as roff."""
    program: Any = typer.main.get_command(app)
    context = program.make_context("impasto", ["doctor"], resilient_parsing=True)
    lines = [
        f'.TH IMPASTO 1 "" "impasto {metadata.version("impasto")}"',
        ".SH NAME",
        f"impasto \\- {_text(SUMMARY)}",
        ".SH SYNOPSIS",
        ".B impasto\nPHOTO PAINTING... [OPTIONS]\n.PP\n.B impasto\nCOMMAND [ARGUMENTS]...",
        ".SH EXAMPLES",
        _examples(EXAMPLES),
        ".SH COMMANDS",
    ]
    for name in COMMANDS:
        lines += _command(name, context)
    return "\n".join(lines) + "\n" + ENDS


def _command(name: str, parent: Any) -> Iterator[str]:
    entry, made = COMMANDS[name], command(name)
    context = typer.Context(made, info_name=name, parent=parent)
    yield f".SS {_text(name)}\n{_text(entry.summary)}\n.PP"
    if entry.details:
        yield f"{_text(entry.details)}\n.PP"
    for title, rows in groups(made, context).items():
        yield f"{title}:"
        for option, text in rows:
            yield f".TP\n.B {_text(option)}\n{_text(' '.join(text.split()))}"
        yield ".PP"
    yield _examples(entry.examples)


def _examples(lines: tuple[str, ...]) -> str:
    return "\n".join([".PP", ".EX", *(_text(f"impasto {line}") for line in lines), ".EE"])


def _text(text: str) -> str:
    """As it is: a backslash, a hyphen, and a dot or quote at a line's beginning mean something."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    print(manual(), end="")
