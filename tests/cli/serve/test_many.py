"""Many requests, and nothing that grows with them."""

from __future__ import annotations

import asyncio
import time

import httpx
import psutil
import pytest

from .running import SLOW, Server

GROWTH = 25_000_000
"""Bytes that a process may grow by after it is warm: the allocator's, not ours."""


async def ask(server: Server, paths: list[str], count: int, at_once: int) -> float:
    """So many GETs; how many a second."""
    limits = httpx.Limits(max_connections=at_once)
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60) as client:
        left = iter(range(count))

        async def some() -> None:
            for number in left:
                answer = await client.get(paths[number % len(paths)])
                assert answer.status_code in (200, 404), answer.text

        started = time.perf_counter()
        await asyncio.gather(*(some() for _ in range(at_once)))
        return count / (time.perf_counter() - started)


def used(server: Server) -> tuple[int, int, int]:
    """Resident bytes, open files and threads of the server."""
    process = psutil.Process(server.popen.pid)
    return process.memory_info().rss, process.num_fds(), process.num_threads()


def check(server: Server, count: int, jobs: int) -> None:
    """Requests and small jobs while one is painted."""
    id = server.job(SLOW)["id"]
    server.running(id)
    paths = [f"/jobs/{id}", "/jobs", "/health", "/metrics", "/settings", "/jobs/0123456789abcdef"]
    paths += [f"/jobs/{id}/preview.jpg", "/styles"]
    asyncio.run(ask(server, paths, max(200, count // 5), 20))
    server.client.delete(f"/jobs/{id}")
    for _ in range(max(3, jobs // 5)):
        server.client.delete(f"/jobs/{server.done(server.job()['id'])['id']}")
    before = used(server)
    id = server.job(SLOW)["id"]
    asyncio.run(ask(server, paths, count, 20))
    server.client.delete(f"/jobs/{id}")
    made = [server.job()["id"] for _ in range(jobs)]
    assert {server.done(id)["status"] for id in made} == {"done"}  # none is lost
    for id in made:
        server.client.delete(f"/jobs/{id}")
    until = time.monotonic() + 20
    while (after := used(server))[1:] > before[1:] and time.monotonic() < until:
        time.sleep(0.2)  # connections that are about to be closed
    assert after[0] < before[0] + GROWTH
    assert after[1] <= before[1] + 2
    assert after[2] <= before[2] + 1
    assert not any("Traceback" in line for line in server.said)


def test_hundreds_of_requests(server: Server) -> None:
    check(server, 400, 3)


@pytest.mark.soak
def test_ten_thousand_requests_and_a_hundred_jobs(server: Server) -> None:
    check(server, 10_000, 40)
    check(server, 10_000, 40)
