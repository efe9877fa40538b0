"""A server, two machines that paint for it, and a Redis between them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from impasto.cli.serve.workers.machine import introduce
from impasto.cli.serve.workers.signs import Lease
from impasto.runtime import Engine

from .running import PLAIN, SLOW, Process, Server

KEPT = SLOW | {"iterations": 150, "seed": 3, "init": "noise"}
DEAD = ("--dead-after", 2)

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)


class Redis:
    """Debian's, on a port of its own; it forgets all when it ends."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """And wait until it answers."""
        self._popen = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--dir", self._folder, "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("Redis does not answer")

    def kill(self) -> None:
        """As -9 does."""
        self._popen.kill()
        self._popen.wait()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    found = Redis(tmp_path)
    yield found
    found.kill()


Run = Callable[..., Process]


def machine(run: Run, redis: Redis, data: Path, *options: object, **variables: str) -> Process:
    """One that paints, as soon as it does."""
    every = ("--checkpoint-every", 0.1, *DEAD, *options)
    found = run("work", redis.url, "--data", data, *every, **variables)
    found.wait_for("painting for")
    return found


def ready(server: Server) -> None:
    until = time.monotonic() + 30
    while server.client.get("/ready").status_code != 200:
        assert time.monotonic() < until, server.client.get("/ready").text
        time.sleep(0.05)


def owner(server: Server, id: str) -> int:
    """The process that paints a job."""
    lease = (server.data / "jobs" / id / "lease").read_text()
    return int(lease.split("-")[-2])


@needs_redis
def test_one_is_killed_and_the_other_goes_on_to_the_same_bytes(
    serve: Callable[..., Server], run: Run, redis: Redis
) -> None:
    server = serve("--workers", redis.url, *DEAD)
    assert "no machine paints" in server.client.get("/ready").json()["detail"]
    both = [machine(run, redis, server.data) for _ in range(2)]
    ready(server)
    whole = server.job(KEPT)["id"]
    assert server.done(whole)["status"] == "done"
    id = server.job(KEPT)["id"]
    job = server.wait_until(id, lambda job: job["step"] and job["step"]["fraction"] > 0.3)
    assert job["status"] == "running"
    killed = next(one for one in both if one.popen.pid == owner(server, id))
    assert (server.data / "jobs" / id / "checkpoint").exists()
    killed.kill()
    job = server.done(id)
    assert (job["status"], job["notes"]) == ("done", [])
    assert server.result(id) == server.result(whole)
    assert _told_again(server, id) == 2  # it began twice

    # One that is asked to end leaves what it paints to others, and Redis may lose all it knows.
    id = server.job(KEPT)["id"]
    server.running(id)
    other = next(one for one in both if one is not killed)
    assert other.end() == 0
    assert "goes on" not in str(server.get(id)["notes"])
    redis.kill()
    assert server.client.get("/health").status_code == 200
    second = server.job({"seed": 5})["id"]
    redis.start()
    machine(run, redis, server.data)
    assert server.done(id)["status"] == "done"
    assert server.result(id) == server.result(whole)
    assert server.done(second)["status"] == "done"


def _told_again(server: Server, id: str) -> int:
    text = (server.data / "jobs" / id / "events").read_text()
    return text.count('"status": "running"')


@needs_redis
def test_jobs_elsewhere_are_stopped_paused_and_removed(
    serve: Callable[..., Server], run: Run, redis: Redis
) -> None:
    server = serve("--workers", redis.url, *DEAD)
    never = server.job(SLOW)["id"]  # nobody is there to paint it
    server.client.post(f"/jobs/{never}/stop")
    assert server.done(never)["status"] == "cancelled"
    machine(run, redis, server.data)
    ready(server)
    id = server.job(SLOW)["id"]
    server.running(id)
    server.client.post(f"/jobs/{id}/pause")
    server.wait_until(id, lambda job: job["status"] == "paused")
    assert server.client.post(f"/jobs/{id}/go-on").status_code == 202
    server.wait_until(id, lambda job: job["status"] == "running")
    server.client.post(f"/jobs/{id}/stop")
    assert server.done(id)["status"] == "cancelled"
    assert server.result(id)
    id = server.job(SLOW)["id"]
    server.running(id)
    assert server.end() == 0  # what is painted is painted on
    server = serve("--workers", redis.url, *DEAD)
    first = server.running(id)["step"]["seconds"]
    assert server.get(id)["status"] == "running"
    server.wait_until(id, lambda job: job["step"]["seconds"] > first)
    assert server.client.delete(f"/jobs/{id}").status_code == 204
    until = time.monotonic() + 20
    while (server.data / "jobs" / id).exists():
        assert time.monotonic() < until
        time.sleep(0.05)


@needs_redis
def test_a_machine_of_another_kind_is_refused(run: Run, redis: Redis, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    introduce(data, Engine.load(PLAIN))  # as the server does
    bundle = tmp_path / "bundle"
    shutil.copytree(PLAIN, bundle)
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"licence": "', '"licence": "Another. ', 1))
    work = ("work", redis.url, "--data", data)
    about = data / "server.json"
    refused: list[tuple[Process, str]] = [
        (run(*work, IMPASTO_MODEL=str(bundle)), "the server has the bundle"),
        (run(*work, IMPASTO_MODEL=str(tmp_path / "none")), "none"),
    ]
    for process, said in refused:
        assert process.wait() == 1
        assert said in "".join(process.said)
    about.write_text(about.read_text().replace('"version": "', '"version": "9.'))
    process = run(*work)
    assert process.wait() == 1
    assert "the server has impasto 9." in "".join(process.said)


def test_a_redis_that_is_not_there_is_a_sentence(run: Run, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"redis://:secret@127.0.0.1:{free.getsockname()[1]}/0"
    for process in (
        run("work", url, "--data", tmp_path),
        run("serve", "--workers", url, "--port", 0, "--data", tmp_path / "other"),
    ):
        assert process.wait() == 1
        said = "".join(process.said)
        assert "cannot be reached" in said
        assert "secret" not in said


def test_a_lease_is_one_machines(tmp_path: Path) -> None:
    one, other = (Lease(tmp_path, name, dead_after=0.3) for name in ("one", "other"))
    assert one.take()
    assert not other.take()
    for _ in range(4):
        time.sleep(0.1)
        assert one.renew()
        assert not other.take()
    time.sleep(0.4)
    assert other.take()
    assert not one.renew()
    one.release()
    assert other.is_held
    other.release()
    assert one.take()


def test_settings_are_checked_where_a_job_comes_in(server: Server) -> None:
    problem: dict[str, Any] = server.post({"optimizer": "sgd"}).json()
    assert problem["detail"] == "optimizer sgd: give one of lbfgs, adam"
