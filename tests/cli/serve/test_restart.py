"""A server that ends, or is ended, and what becomes of its jobs."""

from __future__ import annotations

from collections.abc import Callable

from .running import SLOW, Server

KEPT = SLOW | {"iterations": 200, "seed": 3, "init": "noise"}


def test_jobs_go_on_after_sigterm_to_the_same_bytes(serve: Callable[..., Server]) -> None:
    server = serve()
    whole = server.job(KEPT)["id"]
    job = server.done(whole)
    assert job["status"] == "done"
    wanted = server.result(whole)
    running, waiting = server.job(KEPT)["id"], server.job({"seed": 7})["id"]
    paused = server.job({"seed": 8})["id"]
    server.client.post(f"/jobs/{paused}/pause")
    server.wait_until(running, lambda job: job["step"] and job["step"]["fraction"] > 0.2)
    assert server.end() == 0
    assert any("go on at the next start" in line for line in server.said)
    assert (server.data / "jobs" / running / "checkpoint").exists()

    server = serve()
    assert server.get(whole)["status"] == "done"
    assert server.get(paused)["status"] == "paused"
    job = server.done(running)
    assert (job["status"], job["notes"]) == ("done", [])
    assert job["iterations"] >= 200
    assert server.result(running) == wanted
    assert server.done(waiting)["status"] == "done"
    assert not (server.data / "jobs" / running / "checkpoint").exists()


def test_a_server_that_is_killed_goes_on_from_its_checkpoint(serve: Callable[..., Server]) -> None:
    server = serve("--checkpoint-every", 0.1)
    whole = server.job(KEPT)["id"]
    server.done(whole)
    wanted = server.result(whole)
    id = server.job(KEPT)["id"]
    server.wait_until(id, lambda job: job["step"] and job["step"]["fraction"] > 0.3)
    server.kill()
    (server.data / "jobs" / "0123456789abcdef").mkdir()  # what was being taken in

    server = serve("--threads", 1)
    job = server.done(id)
    assert job["status"] == "done"
    assert not (server.data / "jobs" / "0123456789abcdef").exists()
    same = server.result(id) == wanted
    if not same:  # with other threads
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
