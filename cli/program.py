"""The shape of the program: what it takes for a command, how it suggests, how its help looks."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup

DEFAULT = "stylize"
"""The command that goes without saying."""


class Program(TyperGroup):
    """``impasto photo.jpg painting.jpg`` is stylize, ``impasto help texture`` texture's help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the command that is meant."""
        if args[:1] == ["help"]:
            args = [*(word for word in args[1:2] if word in self.commands), "--help"]
        elif args and not self._knows(ctx, args[0]):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def _knows(self, ctx: Any, word: str) -> bool:
        """Whether it is a command, an option of the program itself, or a command misspelled."""
        if word in self.commands:
            return True
        if word.startswith("-"):
            return any(word in (*p.opts, *p.secondary_opts) for p in self.get_params(ctx))
        close = difflib.get_close_matches(word, self.commands)
        return bool(close) and not os.path.splitext(word)[1] and not os.path.exists(word)

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of their definition."""
        return list(self.commands)


class Command(TyperCommand):
    """Its help has groups; a long option with a single dash gets a suggestion."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Look for ``-size``, which would be read as ``-s ize``."""
        known = {name for param in self.get_params(ctx) for name in param.opts}
        options = args[: args.index("--")] if "--" in args else args
        for word in () if ctx.resilient_parsing else options:
            name = word.partition("=")[0]
            if re.fullmatch(r"-[a-z][a-z-]+", name) and f"-{name}" in known and name not in known:
                ctx.fail(f"No such option: {name}; did you mean -{name}?")
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Without the brackets that Typer puts around a name that has some."""
        return [
            piece.strip("{}").replace("[[PAINTING]...]...", "[PAINTING]...")
            for piece in super().collect_usage_pieces(ctx)
        ]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments and options, group by group."""
        for title, rows in groups(self, ctx).items():
            with formatter.section(title):
                formatter.write_dl(rows, col_max=26)


def groups(command: Any, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """What can be given, with what is said of it, by the group's title, in their usual order."""
    from .options import GROUPS

    titles = [*GROUPS.values(), "Options"]
    found: dict[str, list[tuple[str, str]]] = {title: [] for title in titles}
    for title, name, text in _records(command, ctx):
        found[title].append((name, text))
    return {title: rows for title, rows in found.items() if rows}


def _records(command: Any, ctx: Any) -> Iterator[tuple[str, str, str]]:
    from .options import GROUPS, PAINTINGS, about, fields_of

    fields = fields_of(command.name)
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is None:
            continue
        name, text = record
        if param.name == PAINTINGS:
            yield GROUPS["what"], "PAINTING...", param.help
        elif param.name in fields:
            _, field = fields[param.name]
            name = re.sub(r" <\w+>$", "", name)
            yield GROUPS[field.group], name, about(field, param.required)
        else:
            yield "Options", name, text
