"""The commands: what help says first of each, and where its body is. Nothing is imported here.

A body whose options are fields of Settings, Machine or Files is called with the command's name and
a ``Given``; one that has options of its own says them in its signature.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

SUMMARY = "Paint one picture in the style of another by optimising its pixels."
EXAMPLES = (
    "photo.jpg painting.jpg",
    "photo.jpg painting.jpg -o out.png --preset bold --size 768",
    "help stylize",
)
DEFAULT = "stylize"
"""The command that goes without saying."""


@dataclass(frozen=True)
class Entry:
    """A command. ``home`` is MODULE:FUNCTION below this package."""

    summary: str
    details: str
    examples: tuple[str, str]
    home: str


COMMANDS = {
    "stylize": Entry(
        "Paint CONTENT in the style of other pictures.",
        "Settings that are not given are the preset's.",
        (
            "photo.jpg painting.jpg",
            "photo.jpg a.jpg b.jpg -o out.png --blend 2,1 --color content",
        ),
        "painting.paint:paint",
    ),
    "texture": Entry(
        "Make a texture like STYLE.",
        "The style loss alone, from white noise. Settings that are not given are the preset's.",
        ("texture painting.jpg", "texture painting.jpg -o tile.png --size 1024"),
        "painting.paint:paint",
    ),
    "reconstruct": Entry(
        "Paint what the content layers keep of CONTENT.",
        "The content loss alone, from white noise, of one layer if you name it. Settings that are "
        "not given are the preset's.",
        ("reconstruct photo.jpg", "reconstruct photo.jpg -o seen.png --iterations 200"),
        "painting.paint:paint",
    ),
    "resume": Entry(
        "Go on with a checkpoint's run.",
        "It comes to the same picture. The output is the one that the run was to have, unless "
        "another is given.",
        ("resume run.checkpoint", "resume run.checkpoint -o other.png"),
        "painting.paint:resume",
    ),
    "show": Entry(
        "Print what a picture says of how it was painted.",
        "",
        ("show out.png", "show out.png --json"),
        "painting.replay:show",
    ),
    "replay": Entry(
        "Paint again what PAINTED says, from the same pictures.",
        "The same bytes come of it on the same machine.",
        (
            "replay out.png photo.jpg painting.jpg",
            "replay out.png other.jpg painting.jpg --any-input -o other.png",
        ),
        "painting.replay:replay",
    ),
    "estimate": Entry(
        "Say how long stylize will take, and how much memory.",
        "From a calibration of some seconds, on this machine as busy as it is now.",
        ("estimate photo.jpg", "estimate photo.jpg painting.jpg --size 4096 --memory 3GB"),
        "reports.report:estimate",
    ),
    "batch": Entry(
        "Paint folders of pictures, each in each style.",
        "What is there of the same picture and settings is skipped, so a batch that was killed "
        "goes on where it was. What fails is in failures.jsonl. Exit code 3: some failed.",
        (
            "batch photos --style painting.jpg -o painted --recursive",
            "batch rows.csv -o painted --shard 2/8 --quality draft",
        ),
        "batch.command:batch",
    ),
    "video": Entry(
        "Paint a video, so that its frames stay together.",
        "Needs the extra video. Frames are kept in a folder beside the output while it is painted: "
        "called again it goes on where it was. Sound is copied as it is.",
        (
            "video clip.mp4 painting.jpg -o painted.mp4",
            "video clip.mov --style a.jpg -o painted.mkv --size 768 --passes 2",
        ),
        "video.command:video",
    ),
    "gallery": Entry(
        "Paint many drafts on one sheet, to choose from.",
        "Every style with every combination of values, what differs under each; of 256 pixels and "
        "draft quality, unless --size and --quality say more. --pick paints one of a sheet as "
        "stylize does. Exit code 3: some drafts failed.",
        (
            "gallery photo.jpg --styles paintings --vary detail,style-scale",
            "gallery --pick 7 -o out.png",
        ),
        "sheets.gallery:gallery",
    ),
    "compare": Entry(
        "Compare pictures by their losses, term by term.",
        "All at the size of the smallest, with the same settings, whatever they were painted with: "
        "less is nearer to the content, or to the style.",
        (
            "compare a.jpg b.jpg --content photo.jpg --style painting.jpg",
            "compare a.jpg b.jpg --content photo.jpg --style painting.jpg -o losses.png",
        ),
        "sheets.compare:compare",
    ),
    "sound": Entry(
        "Paint a sound in the style of other sounds.",
        "What is heard is like the style, when it is heard is the content's. Settings that are not "
        "given are the preset's.",
        (
            "sound speech.wav --style tabla.flac",
            "sound speech.wav --style tabla.flac -o out.wav --content-weight 0.03",
        ),
        "audio.command:sound",
    ),
    "texture-sound": Entry(
        "Make a texture that sounds like STYLE.",
        "The style loss alone, from quiet noise, as long as you like.",
        (
            "texture-sound rain.flac --seconds 30",
            "texture-sound rain.flac --seconds 30 -o more.wav --seed 2",
        ),
        "audio.command:sound",
    ),
    "presets": Entry(
        "List the presets, and say what each is for.",
        "A peer's preset has that system's losses, weights and first image, on these weights.",
        ("presets", "presets my-model --json"),
        "reports.presets:presets",
    ),
    "settings": Entry(
        "Print stylize's settings, as TOML for --config.",
        "",
        ("settings --preset bold > mine.toml", "settings --config mine.toml --size 768"),
        "configuration:show",
    ),
    "serve": Entry(
        "Paint for others: jobs over HTTP, and a page to watch them.",
        "On this machine's own address only, unless --host and the environment variable "
        "IMPASTO_TOKEN say otherwise. Jobs survive a restart.",
        ("serve", "serve --host 0.0.0.0 --data /srv/impasto --keep 604800"),
        "serve.command:serve",
    ),
    "work": Entry(
        "Paint the jobs of a server on another machine.",
        "Both see the same --data folder; Redis tells who paints what.",
        (
            "work redis://queue.example:6379/0 --data /srv/impasto",
            "work redis://queue.example:6379/0 --data /srv/impasto --device cuda:1",
        ),
        "serve.command:work",
    ),
    "export": Entry(
        "Write a bundle: other layers, losses, weights.",
        "It is traced from PyTorch, verified against it, and appears whole or not at all.",
        (
            "export -o my-model --pooling max",
            "export -o my-model --content-layer conv3_2 --style-layer conv1_1",
        ),
        "exporting:export",
    ),
    "inspect": Entry(
        "Check a bundle and say what is in it.",
        "With --verify, whether a device computes it as it should: a few minutes.",
        ("inspect my-model --json", "inspect --verify --device cuda"),
        "reports.report:inspect",
    ),
    "doctor": Entry(
        "Check this installation with a tiny real run.",
        "",
        ("doctor", "doctor --json"),
        "reports.doctor:doctor",
    ),
}

OPTIONS = (
    ("-V, --version", "Say which, and exit."),
    ("--install-completion", "Teach your shell to complete."),
    ("--show-completion", "Print what it would be taught."),
    ("-h, --help", "Show this, or a command's help."),
)
"""What the program itself takes."""


def meant(words: list[str]) -> list[str]:
    """A command line with the command that goes without saying, and without ``help``."""
    if words[:1] == ["help"]:
        return [*(word for word in words[1:2] if word in COMMANDS), "--help"]
    return [DEFAULT, *words] if words and not _is_known(words[0]) else words


def _is_known(word: str) -> bool:
    """Whether it is a command, an option of the program itself, or a command misspelled."""
    if word in COMMANDS:
        return True
    if word.startswith("-"):
        return any(word in names.split(", ") for names, _ in OPTIONS)
    import difflib

    close = difflib.get_close_matches(word, COMMANDS)
    return bool(close) and not os.path.splitext(word)[1] and not os.path.exists(word)


def overview() -> str:
    """The program's help: 80 columns, and nothing has to be imported for it."""
    width = max(len(name) for name in (*COMMANDS, *(option for option, _ in OPTIONS)))
    lines = ["Usage: impasto PHOTO PAINTING... [OPTIONS]", "       impasto COMMAND [ARGUMENTS]..."]
    lines += ["", f"  {SUMMARY}", "", *examples(EXAMPLES), "", "Commands:"]
    lines += [f"  {name:{width}}  {entry.summary}" for name, entry in COMMANDS.items()]
    lines += ["", "Options:", *(f"  {option:{width}}  {text}" for option, text in OPTIONS)]
    return "\n".join([*lines, "", "A command's options: impasto help COMMAND"])


def examples(lines: tuple[str, ...]) -> list[str]:
    """A paragraph of help."""
    return ["Examples:", *(f"  impasto {line}" for line in lines)]
