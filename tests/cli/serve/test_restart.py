"""A server that ends, or is ended, and what becomes of its jobs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import httpx

from impasto.cli.serve.app import make_app
from impasto.cli.serve.options import Service
from impasto.cli.serve.store.store import Store
from impasto.cli.serve.workers.local import Local
from impasto.runtime import Engine

from .running import PLAIN, SLOW, Server, picture

KEPT = SLOW | {"iterations": 400, "seed": 3, "init": "noise"}


def test_jobs_go_on_after_sigterm_to_the_same_bytes(serve: Callable[..., Server]) -> None:
    server = serve()
    whole = server.job(KEPT)["id"]
    job = server.done(whole)
    assert job["status"] == "done"
    wanted = server.result(whole)
    running, waiting = server.job(KEPT)["id"], server.job({"seed": 7})["id"]
    paused = server.job({"seed": 8})["id"]
    server.client.post(f"/jobs/{paused}/pause")
    server.wait_until(running, lambda job: job["step"] and job["step"]["fraction"] > 0.1)
    assert server.end() == 0
    assert any("go on at the next start" in line for line in server.said)
    assert (server.data / "jobs" / running / "checkpoint").exists()

    server = serve()
    assert server.get(whole)["status"] == "done"
    assert server.get(paused)["status"] == "paused"
    job = server.done(running)
    assert (job["status"], job["notes"]) == ("done", [])
    assert job["iterations"] >= 400
    assert server.result(running) == wanted
    assert server.done(waiting)["status"] == "done"
    assert not (server.data / "jobs" / running / "checkpoint").exists()


def killed(server: Server, id: str, fraction: float) -> None:
    """End it as -9 does, with a job that far."""
    server.wait_until(id, lambda job: job["step"] and job["step"]["fraction"] > fraction)
    server.kill()
    assert (server.data / "jobs" / id / "checkpoint").exists()


def test_killed_twice_a_job_ends_in_the_same_bytes(serve: Callable[..., Server]) -> None:
    options = ("--checkpoint-every", 0.1, "--threads", 2)
    server = serve(*options)
    whole = server.job(KEPT)["id"]
    server.done(whole)
    wanted = server.result(whole)
    id = server.job(KEPT)["id"]
    for fraction in (0.3, 0.6):
        killed(server, id, fraction)
        (server.data / "jobs" / "0123456789abcdef").mkdir()  # what was being taken in
        server = serve(*options)
        assert not (server.data / "jobs" / "0123456789abcdef").exists()
    job = server.done(id)
    assert (job["status"], job["notes"]) == ("done", [])
    assert server.result(id) == wanted


def test_a_job_that_goes_on_with_other_threads_says_so(serve: Callable[..., Server]) -> None:
    server = serve("--checkpoint-every", 0.1, "--threads", 2)
    id = server.job(KEPT)["id"]
    killed(server, id, 0.3)
    job = serve("--threads", 1).done(id)
    assert job["status"] == "done"
    assert len(job["notes"]) == 1
    assert "other last bits" in job["notes"][0]


def test_a_checkpoint_that_is_damaged_costs_no_job(serve: Callable[..., Server]) -> None:
    server = serve()
    id = server.job(KEPT)["id"]
    server.running(id)
    server.end()
    path = server.data / "jobs" / id / "checkpoint"
    path.write_bytes(path.read_bytes()[:-7])
    server = serve()
    job = server.done(id)
    assert job["status"] == "done"
    assert "begun anew" in job["notes"][0]
    assert str(server.data) not in job["notes"][0]


def test_who_watches_is_let_go_at_once(serve: Callable[..., Server]) -> None:
    server = serve()
    id = server.job(KEPT | {"iterations": 100_000})["id"]
    server.running(id)
    seen: list[str] = []

    def watch() -> None:
        with server.client.stream("GET", f"/jobs/{id}/events") as answer:
            seen.extend(answer.iter_lines())

    watching = threading.Thread(target=watch)
    watching.start()
    server.wait_until(id, lambda _: bool(seen))
    assert server.end() == 0
    watching.join(5)
    assert not watching.is_alive()
    assert not any('"cancelled"' in line for line in seen)
    assert not any("Traceback" in line for line in server.said)


def test_no_job_is_taken_while_it_ends(tmp_path: Path) -> None:
    options = Service()
    engine = Engine.load(PLAIN)
    store = Store(tmp_path, options, lambda waiting: Local(engine, options, waiting))
    app = make_app(store, options, None, engine.manifest, {})

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            assert (await client.get("/ready")).status_code == 200
            store.drain()
            assert (await client.get("/health")).status_code == 200
            assert (await client.get("/ready")).status_code == 503
            answer = await client.post("/jobs", files={"content": picture(1)})
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert "about to end" in answer.json()["detail"]

    try:
        asyncio.run(ask())
    finally:
        store.close()
