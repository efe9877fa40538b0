from __future__ import annotations

import functools
import json
import os
import pty
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Program = Callable[..., Any]

ENDLESS = ("--size", 48, "--iterations", 100_000, "--json")


@pytest.fixture
def painting_on(start: Program, photo: Path, painting: Path) -> Program:
    """A process that has finished its first iteration of very many."""

    def run(*arguments: object, **options: object) -> Any:
        command = ("stylize", photo, "--style", painting, *ENDLESS, *arguments)
        process = start(*command, **options)
        next(line for line in process.stdout if json.loads(line)["event"] == "iteration")
        return process

    return run


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_finishes_the_iteration_and_saves(
    painting_on: Program, tmp_path: Path, number: int, code: int
) -> None:
    process = painting_on("-o", "out.png")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.startswith("impasto: finishing this iteration")
    assert err.count("\n") == 1
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["stopped"]) == ("done", "cancelled")
    with Image.open(tmp_path / "out.png") as image:
        image.load()
        assert image.size == (48, 32)
        assert image.text["done"] == f"{last['iterations']} iterations, cancelled"  # type: ignore[attr-defined]
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


def test_nohup_goes_on(painting_on: Program, tmp_path: Path) -> None:
    ignore = functools.partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    process = painting_on("-o", "out.png", preexec_fn=ignore)
    process.send_signal(signal.SIGHUP)
    events = [json.loads(process.stdout.readline())["event"] for _ in range(5)]
    assert events == ["iteration"] * 5
    assert process.poll() is None


def test_a_terminal_that_goes_away_loses_no_picture(photo: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    child, terminal = pty.fork()
    if child == 0:
        command = ("texture", photo, "-o", output, "--size", 48, "--iterations", 100_000)
        os.execv(sys.executable, [sys.executable, "-m", "impasto.cli", *map(str, command)])
    seen = b""
    while b"loss" not in seen:
        seen += os.read(terminal, 4096)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 129
    with Image.open(output) as image:
        image.load()


def test_a_second_ctrl_c_stops_at_once(
    start: Program, photo: Path, painting: Path, tmp_path: Path
) -> None:
    command = ("stylize", photo, "--style", painting, "-o", "out.png", "--size", 1500, "--json")
    process = start(*command)  # its first iteration takes seconds
    assert json.loads(process.stdout.readline())["event"] == "start"
    process.send_signal(signal.SIGINT)
    assert "finishing this iteration" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_while_it_starts_writes_nothing(
    start: Program, photo: Path, painting: Path, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "onnxruntime.py").write_text(
        "import pathlib, time; pathlib.Path('here').touch(); time.sleep(60)"
    )
    process = start("stylize", photo, "--style", painting, "-o", "out.png", PYTHONPATH=slow)
    while not (tmp_path / "here").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 130
    assert not (tmp_path / "out.png").exists()


def test_a_reader_that_goes_away_ends_the_work(painting_on: Program, tmp_path: Path) -> None:
    process = painting_on("-o", "out.png")
    process.stdout.close()
    assert process.wait(timeout=60) == 1
    message = process.stderr.read()
    assert message.startswith(
        "impasto: stdout cannot be written: Broken pipe; out.png holds the picture of"
    )
    assert message.count("\n") == 1
    Image.open(tmp_path / "out.png").load()


def test_an_output_that_becomes_impossible_goes_to_the_temporary_folder(
    painting_on: Program, tmp_path: Path
) -> None:
    spare = tmp_path / "spare"
    spare.mkdir()
    (tmp_path / "out").mkdir()
    process = painting_on("-o", "out/out.png", TMPDIR=spare)
    shutil.rmtree(tmp_path / "out")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    [saved] = spare.iterdir()
    assert f"the picture is in {saved}" in err.splitlines()[-1]
    Image.open(saved).load()


def test_a_full_disk_leaves_nothing_behind(painting_on: Program, tmp_path: Path) -> None:
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    process = painting_on("-o", "out.png", preexec_fn=no_room, TMPDIR=tmp_path)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "out.png cannot be written (File too large)" in err.splitlines()[-1]
    assert not list(tmp_path.iterdir())
