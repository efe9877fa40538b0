"""Servers that tests share, or have for themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .running import Process, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all who change nothing of it."""
    options = ("--client-jobs", 100, "--queue", 50, "--max-body", "2MB", "--body-seconds", 1.5)
    found = Server(tmp_path_factory.mktemp("data"), *options, "--away", 1)
    yield found
    found.kill()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """``run("work", ...)``: a process that does not outlive the test."""
    started: list[Process] = []

    def start(*arguments: object, **variables: str) -> Process:
        started.append(Process(*arguments, **variables))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """``serve("--queue", 1)``: a server of the test's own."""
    started: list[Server] = []

    def start(*options: object, **variables: str) -> Server:
        started.append(Server(tmp_path / "data", *options, **variables))
        return started[-1]

    yield start
    for one in started:
        one.kill()
