"""Build wheel and sdist with setuptools, so that the same files give the same bytes.

A date is needed where there is none: files of both have that of SOURCE_DATE_EPOCH, else DATE.
The description for an index is the README, whose links are made to lead somewhere from outside.
"""

import gzip
import io
import os
import re
import shutil
import tarfile
import tomllib
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  what is not overridden here

DATE = "1767225600"
"""2026-01-01."""


def build_wheel(directory, settings=None, metadata=None):
    """See PEP 517."""
    _prepare()
    shutil.rmtree("build/lib", ignore_errors=True)  # its modules may be gone since, and would ship
    before = os.umask(0o022)  # modes of new files are stored
    try:
        return build_meta.build_wheel(directory, settings, metadata)
    finally:
        os.umask(before)


def build_sdist(directory, settings=None):
    """See PEP 517."""
    _prepare()
    name = build_meta.build_sdist(directory, settings)
    path = Path(directory, name)
    path.write_bytes(_normalised(path.read_bytes(), int(os.environ["SOURCE_DATE_EPOCH"])))
    return name


def prepare_metadata_for_build_wheel(directory, settings=None):
    """See PEP 517."""
    _prepare()
    return build_meta.prepare_metadata_for_build_wheel(directory, settings)


def build_editable(directory, settings=None, metadata=None):
    """See PEP 660."""
    _prepare()
    return build_meta.build_editable(directory, settings, metadata)


def prepare_metadata_for_build_editable(directory, settings=None):
    """See PEP 660."""
    _prepare()
    return build_meta.prepare_metadata_for_build_editable(directory, settings)


def _prepare():
    os.environ.setdefault("SOURCE_DATE_EPOCH", DATE)
    base = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["impasto"]["files"]
    text = Path("README.md").read_text(encoding="utf-8")
    Path("build").mkdir(exist_ok=True)
    Path("build", "README.md").write_text(description(text, base), encoding="utf-8")


def description(readme, base):
    """The README for readers outside the repository.

    Its files are below the address ``base``. Where there is none, tables of pictures are left out
    and links to files are their texts.
    """
    if base:
        return re.sub(r"(\]\()(?!\w+:|#)", rf"\1{base.rstrip('/')}/", readme)
    blocks = [block for block in readme.split("\n\n") if "![" not in block]
    return re.sub(r"\[([^]]+)\]\((?!\w+:|#)[^)]+\)", r"\1", "\n\n".join(blocks))


def _normalised(archive, date):
    """The same files, without what differs from build to build."""
    packed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        gzip.GzipFile("", "wb", 9, packed, mtime=date) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = date, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    return packed.getvalue()
