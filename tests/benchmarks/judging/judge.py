"""`make judge`: pictures of pairs.toml's pairs, measured or side by side. Reports; never a test.

A FOLDER has a PAIR.png for each pair that was painted. The four pairs that are held out are left
out, unless --held-out asks for them instead of the others.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

import curves
import sheets
from features import missing
from pairs import FOLDER, Pair, choose, read
from verdict import MEASURES, Judge, Verdict, mean


def main() -> None:
    """One of the commands."""
    parser = _parser()
    given = parser.parse_args()
    folders = _folders(given.folders or _painted())
    if not folders:
        parser.print_help()
        print(f"\nNothing is painted yet: no folder in {FOLDER} has a PAIR.png.")
        return
    pairs = choose(read(), given.pairs, given.held_out)
    if given.command == "blind":
        _blind(pairs, folders, given.sheet, given.key, given.seed)
        return
    if sentence := missing():
        raise SystemExit(f"judge: {sentence}")
    if given.command == "curve":
        _curve(pairs, folders)
        return
    _table(pairs, folders)
    if given.sheet:
        sheets.save(sheets.labelled(pairs, folders), given.sheet)


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    commands = parser.add_subparsers(dest="command", required=True)
    table = commands.add_parser("table", help="all measures, in Markdown")
    blind = commands.add_parser("blind", help="a sheet that does not say who painted what")
    curve = commands.add_parser("curve", help="style at equal content; names are NAME@WEIGHT")
    for command in (table, blind, curve):
        command.add_argument("folders", nargs="*", metavar="NAME=FOLDER")
        command.add_argument("--pairs", metavar="PAIR,PAIR", help="these alone")
        command.add_argument("--held-out", action="store_true", help="those, not the others")
    table.add_argument("--sheet", type=Path, metavar="JPEG|PNG", help="and write a contact sheet")
    blind.add_argument("--sheet", type=Path, metavar="JPEG|PNG", required=True)
    blind.add_argument("--key", type=Path, metavar="JSON", required=True, help="who is who")
    blind.add_argument("--seed", type=int, default=0)
    return parser


def _folders(words: Sequence[str]) -> dict[str, Path]:
    """By their names; a folder alone is its own name."""
    folders: dict[str, Path] = {}
    for word in words:
        name, equals, path = word.partition("=")
        folder = Path(path if equals else word)
        if not folder.is_dir():
            raise SystemExit(f"judge: {folder}: no such folder")
        if not equals:
            name = folder.resolve().name
        if folders.setdefault(name, folder) != folder:
            raise SystemExit(f"judge: two folders have the name {name}")
    return folders


def _painted() -> list[str]:
    """The folders that have pictures of pairs."""
    folders = sorted(path for path in FOLDER.glob("*") if path.is_dir())
    return [str(path) for path in folders if any(pair.painted(path) for pair in read())]


def _verdicts(
    pairs: Sequence[Pair], folders: Mapping[str, Path]
) -> Iterator[tuple[str, str, Verdict]]:
    """Pair, name and verdict of what there is."""
    for pair in pairs:
        found = {name: pair.painted(folder) for name, folder in folders.items()}
        painted = {name: path for name, path in found.items() if path}
        if painted:
            judge = Judge(pair)
            for name, path in painted.items():
                yield pair.name, name, judge.verdict(path)


def _table(pairs: Sequence[Pair], folders: Mapping[str, Path]) -> None:
    _header(("pair", "name", *MEASURES))
    found: dict[str, list[Verdict]] = defaultdict(list)
    for pair, name, verdict in _verdicts(pairs, folders):
        found[name].append(verdict)
        _row((pair, name, *map(_number, astuple(verdict))))
    for name, verdicts in found.items():
        _row((f"mean of {len(verdicts)}", name, *map(_number, astuple(mean(verdicts)))))


def _curve(pairs: Sequence[Pair], folders: Mapping[str, Path]) -> None:
    points: dict[str, dict[str, list[curves.Point]]] = defaultdict(lambda: defaultdict(list))
    for pair, name, verdict in _verdicts(pairs, folders):
        points[pair][name.partition("@")[0]].append((verdict.content, verdict.style))
    names = list(dict.fromkeys(name.partition("@")[0] for name in folders))
    _header(("pair", *names))
    compared = {}
    for pair, lines in points.items():
        found = curves.at_equal_content(lines) if set(lines) == set(names) else None
        if found:
            compared[pair] = found
        _row((pair, *(_number(found[name]) if found else "-" for name in names)))
    if compared:
        totals = curves.summary(compared)
        _row((f"mean of {len(compared)}", *(_number(totals[name][0]) for name in names)))
        _row(("pairs won", *(str(totals[name][1]) for name in names)))
    if len(compared) < len(points):
        print("\n-: a name has no picture of the pair, or there is no content that all reach.")


def _blind(
    pairs: Sequence[Pair], folders: Mapping[str, Path], path: Path, key: Path, seed: int
) -> None:
    whole, who = sheets.blind(pairs, folders, seed)
    sheets.save(whole, path)
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text(json.dumps(who, indent=2) + "\n")


def _number(value: float) -> str:
    return f"{value:.4f}"


def _header(cells: Sequence[str]) -> None:
    _row(cells)
    print("|" + "---|" * len(cells))


def _row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
