"""The commands ``sound`` and ``texture-sound``, and going on with what they began."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.cli.configuration import with_config
from impasto.cli.options import Given
from impasto.cli.painting import paint, recording
from impasto.runtime import (
    CheckpointError,
    Engine,
    Result,
    SettingError,
    Sound,
    SoundError,
    SoundPainting,
    check_all,
    check_sound_output,
    read_sound,
    resume_sound,
    start_sound,
    start_texture,
    write_sound,
)

from .options import SOUND, TEXTURE, Sounds

if TYPE_CHECKING:
    from impasto.runtime import CheckpointHeader

MODEL = "audio"
OWN = ("memory", "deadline")
"""What of Machine belongs to a run."""


def sound(command: str, given: Given) -> None:
    """Paint a sound, or a texture, to the end or to Ctrl-C, and write it."""
    given = with_config(given, command)
    sounds = Sounds(**check_all(Sounds, given.own))
    if not sounds.style:
        raise SettingError("style", None, "there is no sound to paint like: give one, or several")
    sources = [path for path in (sounds.content, *sounds.style) if path]
    output = _output(command, sounds, sources)
    source = read_sound(sources[0])
    files = {**given.files, "output": output, "model": sounds.model or MODEL}
    _check(files, source)
    others = {path: read_sound(path) for path in sources[1:]}
    machine = dict(given.machine)
    own = {name: machine.pop(name) for name in OWN if name in machine}
    settings = dict(given.settings)  # with an ``init`` of --config, if there is one
    engine = Engine.load(files["model"], **machine)
    if command == TEXTURE:
        styles = [source, *(others[path] for path in sounds.style[1:])]
        painting = start_texture(engine, styles, sounds.seconds, **settings, **own)
        kept = {"texture-sound": os.path.abspath(sources[0]), "seconds": repr(sounds.seconds)}
    else:
        styles = [others[path] for path in sounds.style]
        settings |= {"init": sounds.init} if "init" in given.own else {}
        painting = start_sound(engine, source, styles, **settings, **own)
        kept = {"sound": os.path.abspath(sources[0])}
    _follow(engine, painting, {**files, "notes": kept})


def resume(header: CheckpointHeader, given: Given) -> None:
    """Go on with a checkpoint's run: the sound that gives rate, level and channels is needed."""
    notes, path = header.notes, given.files["checkpoint_file"]
    kept = {name: notes[name] for name in (SOUND, TEXTURE, "seconds") if name in notes}
    files = {"checkpoint": path, "model": notes.get("model", MODEL)}
    files |= {"output": notes["output"]} if "output" in notes else {}
    files |= {**given.files, "notes": kept}
    if "output" not in files:
        raise CheckpointError(f"{path}: it does not say where the sound belongs; pass --output")
    source = read_sound(notes.get(SOUND) or notes[TEXTURE])
    _refuse_input(files["output"], [source.name])
    _check(files, source, resuming=True)
    machine: dict[str, Any] = {"threads": header.machine.threads, **given.machine}
    deadline = machine.pop("deadline", None)
    engine = Engine.load(files["model"], **machine)
    seconds = float(kept["seconds"]) if "seconds" in kept else None
    _follow(engine, resume_sound(engine, path, source, seconds, deadline=deadline), files)


def begun(header: CheckpointHeader) -> bool:
    """Whether one of these commands wrote a checkpoint."""
    return SOUND in header.notes or TEXTURE in header.notes


def _follow(engine: Engine, painting: SoundPainting, files: dict[str, Any]) -> None:
    def save(result: Result, files: dict[str, Any], *, overwrite: bool) -> None:
        write_sound(files["output"], painting.sound(result), overwrite=overwrite)

    def shape(size: tuple[int, int]) -> str:
        return f"{painting.seconds:.1f} s in {size[1]} frames"

    paint.follow(engine, painting.run, files, write=save, shape=shape)


def _check(files: dict[str, Any], source: Sound, resuming: bool = False) -> None:
    """Whether all that is to be left can be written, before anything is computed."""
    paint.check_checkpoint(files, resuming)
    channels, overwrite = source.samples.shape[1], files.get("overwrite", False)
    check_sound_output(files["output"], source.rate, channels, overwrite=overwrite)
    recording.check(files)


def _output(command: str, sounds: Sounds, sources: list[str]) -> str:
    """As given, in the folder given, or made of the inputs' names."""
    output = sounds.output
    if output is None or output.endswith(os.sep) or os.path.isdir(output):
        stems = [Path(path).stem for path in sources] + ["texture"] * (command == TEXTURE)
        output = os.path.join(output or "", _free("-".join(stems)[:100], output or ""))
    _refuse_input(output, sources)
    return output


def _free(stem: str, folder: str) -> str:
    names = (f"{stem}{f'-{n}' if n > 1 else ''}.wav" for n in itertools.count(1))
    return next(name for name in names if not os.path.lexists(os.path.join(folder, name)))


def _refuse_input(output: str, sources: list[str]) -> None:
    for path in sources if os.path.exists(output) else ():
        if os.path.exists(path) and os.path.samefile(output, path):
            raise SoundError(f"{output} is one of the sounds to read; give the output a new name")
