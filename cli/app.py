"""The program ``impasto``: how every command ends, and with which exit code.

0 done, 1 failed, 2 a wrong command line or setting, 3 some pictures of a batch failed, 130
interrupted (143 by SIGTERM). What goes wrong is one line on stderr; a traceback is a bug.
"""

from __future__ import annotations

import os
import signal
import sys

COMPLETE = "_IMPASTO_COMPLETE"
"""By it a shell asks what may come next."""


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, lambda number, _: os._exit(128 + number))
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime's, since 1.29, at import
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's spin for work that never comes
    from .interrupts import interrupts

    if sys.stdout is None:  # else the next file that is opened would be what stdout was
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    interrupts.watch()
    code = run(sys.argv[1:] or ["--help"])
    sys.exit(code or flushed())


def run(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    from .commands import COMMANDS, DEFAULT, meant, overview
    from .console import say

    words = meant(arguments)
    if words in (["-h"], ["--help"]) and COMPLETE not in os.environ:  # without waiting for Typer
        try:
            print(overview(), flush=True)
        except OSError as error:
            return _broken(error)
        return 0
    import typer

    from .program import app, command

    try:
        if words[0] in COMMANDS and COMPLETE not in os.environ:
            name = words[0]  # itself, for the program's own options cost a fifth of a second
            made = command(name)
            return made.main(words[1:], prog_name=f"impasto {name}", standalone_mode=False) or 0
        return app(arguments, prog_name="impasto", standalone_mode=False) or 0
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "impasto"
        say(f"{error.format_message().rstrip('.')}; see {path} --help")
        return error.exit_code
    except SystemExit as end:  # Typer's, of a pipe whose reader has gone
        if isinstance(end.__context__, OSError):
            return _broken(end.__context__)
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None:
            return _broken(error)
        sentence, code = _explain(error, words[0] if words[0] in COMMANDS else DEFAULT)
        if code is None:
            raise
        say(sentence)
        return code


def flushed() -> int:
    """Write what is left to be written on stdout; the exit code of what comes of it."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return _broken(error)
    return 0


def _broken(error: OSError) -> int:
    from .console import say

    say(f"stdout cannot be written: {error.strerror}")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what Python flushes at exit
    return 1


def _explain(error: Exception, command: str) -> tuple[str, int | None]:
    """A sentence and an exit code; None for what nobody foresaw."""
    from impasto.runtime import ImpastoError, SettingError

    from .options import spelling

    text = str(error)
    if isinstance(error, ImpastoError):
        return error.spell(spelling(command)), 2 if isinstance(error, SettingError) else 1
    # ONNX Runtime has no exception of its own for this.
    if isinstance(error, MemoryError) or "bad_alloc" in text or "allocate memory" in text:
        return "not enough memory: try a smaller --size, or close other programs", 1
    return text, None


if __name__ == "__main__":
    main()
