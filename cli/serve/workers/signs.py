"""Signs of life: files that are touched again and again, for who sees the same folder.

Ages are told by the folder's own clock, whatever the machines' are.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path


class Lease:
    """The right to paint a job: no two machines do at once, even if a message comes twice."""

    def __init__(self, folder: Path, owner: str, dead_after: float) -> None:
        self._path, self._owner, self._dead_after = folder / "lease", owner, dead_after

    def take(self) -> bool:
        """Whether it is had now: nobody else has it, or who had it gives no sign any more."""
        if self.is_held:
            return True
        age = age_of(self._path)
        if age is not None and age < self._dead_after:
            return False
        temporary = self._path.with_name(f"lease-{secrets.token_hex(4)}")
        try:
            temporary.write_text(self._owner)
            if age is None:
                os.link(temporary, self._path)  # if it is not there
            else:
                os.replace(temporary, self._path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return self.is_held

    @property
    def is_held(self) -> bool:
        """Whether it is still had."""
        try:
            return self._path.read_text() == self._owner
        except FileNotFoundError:
            return False

    def renew(self) -> bool:
        """Give a sign; whether it is still had."""
        if not self.is_held:
            return False
        os.utime(self._path)
        return True

    def release(self) -> None:
        """Leave it to others."""
        if self.is_held:
            self._path.unlink(missing_ok=True)


class Presence:
    """That a machine is there, in a file of the shared folder."""

    def __init__(self, data: Path, owner: str, about: dict[str, object]) -> None:
        folder = data / "machines"
        folder.mkdir(exist_ok=True)
        self._path, self._about = folder / f"{owner}.json", about

    def show(self) -> None:
        """Give a sign."""
        if self._path.exists():
            os.utime(self._path)
        else:
            self._path.write_text(json.dumps(self._about))

    def end(self) -> None:
        """Go."""
        self._path.unlink(missing_ok=True)


def machines(data: Path, dead_after: float) -> list[dict[str, object]]:
    """Those that are there; files of dead ones are removed after a while."""
    found = []
    folder = data / "machines"
    for path in folder.glob("*.json") if folder.is_dir() else ():
        age = age_of(path)
        if age is None:
            continue
        if age > 10 * dead_after:
            path.unlink(missing_ok=True)
        elif age < dead_after:
            try:
                found.append(json.loads(path.read_bytes()))
            except (OSError, ValueError):
                continue
    return found


def age_of(path: Path) -> float | None:
    """Seconds since a file was touched, by the clock of its file system; None: there is none."""
    now = path.with_name(f".now-{secrets.token_hex(4)}")
    try:
        touched = path.stat().st_mtime
        now.touch()
        return max(0.0, now.stat().st_mtime - touched)
    except FileNotFoundError:
        return None
    finally:
        now.unlink(missing_ok=True)
