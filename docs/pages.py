"""Pages of the site that are made when it is built, so that nothing is written twice.

Sections of the README, what can be set and its defaults, the public names, files of other folders.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from impasto import runtime
from impasto.cli.options import flag
from impasto.runtime import Bundle, Described, Machine, Settings, describe
from impasto.runtime.settings import resolve

ROOT = Path(__file__).parents[1]
README = "README.md"
PAGES = {
    "index.md": ("Impasto", ("", "How it works", "Licence")),
    "start.md": ("Getting started", ("Install", "To paint")),
    "exporting.md": ("Exporting", ("To export models of your own (dev box)",)),
    "embedding.md": ("Embedding", ("To embed it in a service",)),
    "limits.md": ("Limits", ("Limits",)),
}
"""Of each page: its title and the README's sections; the one without a heading is the first."""
ELSEWHERE = ("CHANGELOG.md", "LICENSE", "NOTICE", "models/README.md")
FOLDERS = ("models/example", "models/paintings", "tests/benchmarks/judging")
"""Files outside docs that pages lead to; they keep their places."""
BAR = "\\|"
FIRST = ("Engine", "Run", "Step", "Result", "Settings", "Machine", "Files", "ImpastoError")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and the files of other folders."""
    for name, (title, headings) in PAGES.items():
        files.append(File.generated(config, name, content=from_readme(title, headings)))
    files.append(File.generated(config, "options.md", content=options()))
    files.append(File.generated(config, "api.md", content=api()))
    found = [path for folder in FOLDERS for path in (ROOT / folder).iterdir()]
    for path in (*found, *(ROOT / name for name in ELSEWHERE)):
        if path.suffix in (".md", ".jpg", ""):
            name = str(path.relative_to(ROOT))
            page = name if path.suffix else f"{name}.md"  # texts without a suffix are pages too
            text = f"```text\n{path.read_text()}\n```\n" if not path.suffix else None
            made = File.generated(
                config, page, content=text, abs_src_path=None if text else str(path)
            )
            files.append(made)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they are from docs in the site, where what is in docs is at the top."""
    if page.file.src_uri.startswith("judge/"):
        markdown = markdown.replace("](../../", "](../")
    return markdown.replace("(../NOTICE)", "(../NOTICE.md)")


def sections() -> dict[str, str]:
    """The README's, by heading."""
    text = (ROOT / README).read_text(encoding="utf-8")
    text = text.partition("\n")[2].replace("](docs/", "](").replace("](NOTICE)", "](NOTICE.md)")
    first, *rest = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {"": first} | dict(zip(rest[::2], rest[1::2], strict=True))


def from_readme(title: str, headings: tuple[str, ...]) -> str:
    """Sections of the README as a page; one that is alone needs no heading beside the title."""
    found = sections()
    several = len(headings) > 1
    parts = (f"## {name}\n{found[name]}" if name and several else found[name] for name in headings)
    return f"# {title}\n\n" + "\n".join(parts)


def options() -> str:
    """Every setting, with what it is by default: the default preset's value."""
    resolved = resolve(Bundle().manifest, {}, content=True, styles=1, image=False)
    text = (
        "# Options\n\nMade from the dataclasses that the command line, `--config`, the keywords of "
        "the API and the texts in a PNG are made from. Defaults of settings are those of preset "
        f"`{resolved.preset}`; the command line writes `--style-weight`, Python `style_weight=`, "
        "a file for `--config` `style_weight =`.\n"
    )
    kinds: tuple[tuple[type[Any], Any, str], ...] = (
        (Settings, resolved, "What the picture shall be."),
        (Machine, Machine(), "What a run may use of the machine; `[machine]` in a file."),
        (runtime.Files, runtime.Files(), "What goes into a command and comes out."),
    )
    for kind, values, about in kinds:
        fields = describe(kind)
        usual = Counter(field.about.commands for field in fields.values()).most_common(1)[0][0]
        text += (
            f"\n## {kind.__name__}\n\n{about} Of {', '.join(usual)}, unless a row says "
            "otherwise.\n\n| option | default | values | what it is | commands |\n"
            "|---|---|---|---|---|\n"
        )
        text += "".join(_row(field, getattr(values, name), usual) for name, field in fields.items())
    return text


def _row(field: Described, value: object, usual: tuple[str, ...]) -> str:
    about = field.about
    values = "one or more, each a path" if field.hint == tuple[str, ...] else field.range
    if field.hint in (str, bool):
        values = about.metavar.replace("|", ", ") if "|" in about.metavar else ""
    names = (flag(field.name), *filter(None, [about.short]))
    cells = (
        " ".join(f'<code style="white-space: nowrap">{name}</code>' for name in names),
        about.default if value is None else _shown(value),
        values,
        about.help,
        "" if about.commands == usual else ", ".join(about.commands),
    )
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |\n"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(f"{item:g}" for item in value)
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return f"`{value}`" if value else ""


def api() -> str:
    """The public names; those that are used first come first."""
    names = [*FIRST, *(name for name in runtime.__all__ if name not in FIRST)]
    homes = runtime._MODULES  # a type alias does not know its own
    entries = (f"::: {runtime.__name__}{homes[name]}.{name}\n" for name in names)
    return "# The API\n\nAll of it is in `impasto.runtime`.\n\n" + "\n".join(entries)
