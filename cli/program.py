"""The program on Typer: what it takes for a command, how it suggests, how help looks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer import Option
from typer.core import TyperCommand, TyperGroup

from .commands import COMMANDS, Entry, examples, meant, overview

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Program(TyperGroup):
    """``impasto photo.jpg painting.jpg`` is stylize, ``impasto help texture`` texture's help.

    A command is made when it is asked for: who wants one need not wait for eleven.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the command that is meant."""
        return super().parse_args(ctx, meant(args))

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of their definition."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Made of its entry; none for other words."""
        return command(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As Typer does, with a suggestion for a word that is close to a command."""
        if args and args[0] not in COMMANDS and not ctx.resilient_parsing:
            close = difflib.get_close_matches(args[0], COMMANDS)
            mean = f"; did you mean {', '.join(close)}?" if close else ""
            ctx.fail(f"No such command: {args[0]}{mean}")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """What is shown without a command."""
        formatter.write(overview() + "\n")


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
            name = re.sub(r" <[^>]+>$", "", name)
            yield GROUPS[field.group], name, about(field, param.required, command.name)
        else:
            yield "Options", name, text


def command(name: str) -> Any:
    """The command as Typer's, with its options."""
    from .options import Given, fields_of, from_fields

    entry = COMMANDS[name]

    def body(name: str, given: Given) -> None:  # imports what it needs when it is called
        _body(entry)(name, given)

    one = typer.Typer(add_completion=False, rich_markup_mode=None)
    make = one.command(
        name,
        cls=Command,
        help=_text(entry),
        epilog=_paragraph(entry.examples),
        context_settings=HELP,
    )
    make(from_fields(name)(body) if fields_of(name) else _body(entry))
    return typer.main.get_command(one)


def _body(entry: Entry) -> Any:
    module, _, function = entry.home.partition(":")
    return getattr(import_module(f".{module}", __package__), function)


def _text(entry: Entry) -> str:
    return f"{entry.summary}\n\n{entry.details}"


def _paragraph(lines: Sequence[str]) -> str:
    return "\n".join(["\b", *examples(tuple(lines))])  # not to be filled


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        print(f"impasto {metadata.version('impasto')}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool,
        Option("-V", "--version", callback=_version, is_eager=True, help="Say which, and exit."),
    ] = False,
) -> None:
    pass


app = typer.Typer(
    cls=Program, context_settings=HELP, pretty_exceptions_enable=False, rich_markup_mode=None
)
app.callback()(_program)
