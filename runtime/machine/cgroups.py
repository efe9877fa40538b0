"""The control groups that a process is in, cgroups(7): what a container may take."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def groups(controller: str, root: Path = ROOT, own: Path = OWN) -> Iterator[Path]:
    """Folders of version 1 and 2, from the process's own group up to the root.

    A limit of any of them holds. Some may not exist: a container can see its own group as the
    root, and yet be told the path that it has outside.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    for line in (*lines, "0::/", f":{controller}:/"):
        _, names, path = (*line.split(":", 2), "", "")[:3]
        if controller in names.split(","):
            mounts = (root / controller, root / names)
        elif names:
            continue
        else:  # version 2, alone or beside version 1
            mounts = (root, root / "unified")
        parts = PurePosixPath(path).parts[1:]
        for mount in mounts:
            for depth in range(0 if ".." in parts else len(parts), -1, -1):
                yield mount.joinpath(*parts[:depth])


def number(path: Path) -> int | None:
    """What a file says, if it is there and says a number."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None


def entries(path: Path) -> dict[str, str]:
    """What a file of names and values says; nothing without it."""
    try:
        pairs = (line.split(None, 1) for line in path.read_text().splitlines())
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    except (OSError, ValueError):
        return {}
