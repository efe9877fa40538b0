"""The data folder: where jobs, results and checkpoints are."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from impasto.runtime import ImpastoError

from .options import Service


def prepared(options: Service) -> Path:
    """The data folder, made if it is not there; temporary files go into it, too."""
    data = Path(options.data) if options.data is not None else _default_folder()
    try:
        (data / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ImpastoError(
            f"{data} cannot be made ({error.strerror}): choose another folder with --data"
        ) from None
    tempfile.tempdir = str((data / "tmp").absolute())
    return data.absolute()


def _default_folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    if state:
        return Path(state) / "impasto"
    try:
        return Path.home() / ".local" / "state" / "impasto"
    except RuntimeError:
        raise ImpastoError("there is no home: choose a folder with --data") from None
