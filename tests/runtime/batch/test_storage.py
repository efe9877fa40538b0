"""Addresses: the same batch by fsspec, of files here and of an S3 that moto plays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from impasto.runtime import Batch, ImageError, ImpastoError, Setup, make_rows, read_manifest
from impasto.runtime.batch.storage import storage_of

Folder = Callable[..., Path]


def follow(plain: Path, inputs: str, style: str, output: str) -> dict[str, str]:
    settings = {"size": 24, "iterations": 1}
    manifest = read_manifest(plain)
    rows = make_rows(
        [inputs], [style], output, manifest=manifest, recursive=True, settings=settings
    )
    setup = Setup(model=str(plain), output=output, machine={"device": "cpu", "threads": 1})
    return {o.row.output: o.error or o.status for o in Batch(rows, setup, workers=1)}


def check(plain: Path, top: str, remove: Callable[[str], object]) -> None:
    """A batch from ``top``/in to ``top``/in/out, again, and after one output is gone."""
    place = (f"{top}/in", f"{top}/style.png", f"{top}/in/out")
    names = ["a-style.png", "deep/b-style.png"]
    assert follow(plain, *place) == dict.fromkeys(names, "painted")
    first = storage_of(top).read(f"{top}/in/out/deep/b-style.png")
    assert follow(plain, *place) == dict.fromkeys(names, "skipped")
    remove("in/out/deep/b-style.png")
    assert follow(plain, *place) == dict(zip(names, ("skipped", "painted"), strict=True))
    assert storage_of(top).read(f"{top}/in/out/deep/b-style.png") == first
    storage_of(top).write(f"{top}/in/out/a-style.png", b"another", overwrite=True)
    told = follow(plain, *place)
    assert "exists already, of what this batch does not know" in told["a-style.png"]
    assert b"a-style.png" in storage_of(top).read(f"{top}/in/out/failures.jsonl")
    with pytest.raises(ImageError, match="does not exist"):
        storage_of(top).read(f"{top}/gone.png")


def test_files_by_an_address(plain: Path, folder: Folder, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    folder("in", "a.png", "deep/b.png", ".hidden/c.png", ".d.png")
    (folder("styles", "style.png") / "style.png").rename(tmp_path / "style.png")
    check(plain, f"file://{tmp_path}", lambda name: (tmp_path / name).unlink())


def test_an_address_that_nothing_knows() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(ImpastoError, match="nix"):
        storage_of("nix://a/b.png")


def test_without_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImpastoError, match="addresses need fsspec: pip install fsspec"):
        storage_of("s3://a/b.png")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket ``pictures`` in moto's server."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    command = [sys.executable, "-m", "moto.server", "-p", "5567"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        assert server.stderr
        while b"Running on" not in server.stderr.readline():
            assert server.poll() is None
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:5567")
        import s3fs

        files = s3fs.S3FileSystem()
        files.mkdir("pictures")
        yield files
        server.kill()


def test_s3(plain: Path, folder: Folder, tmp_path: Path, s3: Any) -> None:
    folder("in", "a.png", "deep/b.png")
    folder("styles", "style.png")
    for name in ("in/a.png", "in/deep/b.png"):
        s3.put_file(str(tmp_path / name), f"pictures/{name}")
    s3.put_file(str(tmp_path / "styles" / "style.png"), "pictures/style.png")
    check(plain, "s3://pictures", lambda name: s3.rm(f"pictures/{name}"))
