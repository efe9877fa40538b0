"""How much a client may bring, and what is said where that is too much."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from .running import SLOW, Process, Server, picture


def connected(server: Server, data: bytes = b"") -> socket.socket:
    """A bare connection."""
    address = urlsplit(server.url)
    assert address.hostname is not None
    assert address.port is not None
    found = socket.create_connection((address.hostname, address.port), timeout=20)
    found.sendall(data)
    return found


def all_of(connection: socket.socket) -> bytes:
    """What comes until it is closed."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


HEAD = (
    b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
)
PART = b'--x\r\nContent-Disposition: form-data; name="content"; filename="a.png"\r\n\r\n'


def test_a_body_that_says_it_is_too_large_is_not_read(server: Server) -> None:
    with connected(server, HEAD + b"Content-Length: 3000000\r\n\r\n") as connection:
        answer = connection.recv(65536)
    assert b" 413 " in answer.splitlines()[0]
    assert b"problem+json" in answer


def test_a_body_is_counted_while_it_streams(server: Server) -> None:
    """It says nothing of its length, and would never end."""
    sent = 0
    with connected(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n") as connection:
        connection.settimeout(0.05)
        piece = PART + b"0" * 65536
        try:
            while sent < 50_000_000:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent += len(piece)
                piece = b"0" * 65536
        except (TimeoutError, ConnectionError):
            pass
        connection.settimeout(20)
        answer = all_of(connection)
    assert b" 413 " in answer.splitlines()[0]
    assert sent < 10_000_000  # what it takes, and what is on its way
    assert server.client.get("/health").status_code == 200


def test_a_slow_body_is_cut_off(server: Server) -> None:
    with connected(server, HEAD + b"Content-Length: 100000\r\n\r\n" + PART) as connection:
        started = time.monotonic()
        connection.settimeout(0.2)
        answer = b""
        while time.monotonic() - started < 20 and not answer:
            try:
                connection.sendall(b"0")
                answer = connection.recv(65536)
            except TimeoutError:
                continue
    assert b" 408 " in answer.splitlines()[0]
    assert 1 < time.monotonic() - started < 10


def test_slow_headers_are_cut_off(server: Server) -> None:
    """Those that come byte by byte, and those that never come."""
    for slow in (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b""):
        started = time.monotonic()
        with connected(server, slow) as connection:
            connection.settimeout(0.2)
            answer: bytes | None = None
            while answer is None and time.monotonic() - started < 20:
                try:
                    if slow:
                        connection.sendall(b"0")
                    answer = connection.recv(65536)
                except TimeoutError:
                    continue
                except ConnectionError:
                    answer = b""
        assert answer == b""  # closed, without an answer
        assert 1 < time.monotonic() - started < 10


def test_half_of_a_body_and_then_nothing(server: Server) -> None:
    """The other half of the connection is closed, or all of it."""
    for whole in (False, True):
        with connected(server, HEAD + b"Content-Length: 100000\r\n\r\n" + PART) as connection:
            if not whole:
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(10)
                all_of(connection)
    assert server.client.get("/health").status_code == 200
    assert server.popen.poll() is None
    assert not any("Traceback" in line for line in server.said)


def test_a_queue_that_is_full(serve: Callable[..., Server]) -> None:
    server = serve("--queue", 1, "--client-jobs", 3)
    first = server.job(SLOW)["id"]
    server.running(first)
    second = server.job(SLOW)["id"]
    answer = server.post()
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "1 jobs wait already" in answer.json()["detail"]
    assert server.client.delete(f"/jobs/{second}").status_code == 204
    server.wait_until(first, lambda _: server.client.get("/jobs").json()["jobs"][0]["id"] == first)
    until = time.monotonic() + 10
    while server.post(SLOW).status_code == 429 and time.monotonic() < until:
        time.sleep(0.1)
    assert time.monotonic() < until
    server.running(first)


def test_a_client_that_has_enough(serve: Callable[..., Server]) -> None:
    server = serve("--client-jobs", 2, "--seconds", 1)
    ids = [server.job(SLOW)["id"] for _ in range(2)]
    answer = server.post()
    assert answer.status_code == 429
    assert "2 jobs of yours" in answer.json()["detail"]
    job = server.done(ids[0])  # longer than a job may take
    assert (job["status"], job["stopped"]) == ("done", "deadline")


def test_results_are_kept_for_a_while_and_in_so_many_bytes(serve: Callable[..., Server]) -> None:
    server = serve("--data-size", "4MB", "--keep", 6)
    first = server.job()["id"]
    server.done(first)
    second = server.job()["id"]
    server.done(second)
    third = server.job()["id"]  # what it needs and the first have no room beside each other
    server.done(third)
    answer = server.post({"size": 512})
    assert answer.status_code == 507
    assert "no room" in answer.json()["detail"]
    until = time.monotonic() + 30
    while server.client.get("/jobs").json()["jobs"]:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert list((server.data / "jobs").iterdir()) == []


def test_pixels_are_counted_before_they_are_decoded(serve: Callable[..., Server]) -> None:
    server = serve("--max-pixels", 2000, "--result-pixels", 1000)
    answer = server.post()
    assert answer.status_code == 422
    assert "photo.png" in answer.json()["detail"]
    small = [
        ("content", ("photo.png", picture(1, 30, 30))),
        ("style", ("s.png", picture(2, 30, 30))),
    ]
    answer = server.client.post("/jobs", files=small, data={"settings": json.dumps({"size": 64})})
    assert answer.status_code == 422
    assert "more than the 1000" in answer.json()["detail"]


def test_a_port_that_is_taken_and_a_folder_that_is(
    server: Server, run: Callable[..., Process]
) -> None:
    port = urlsplit(server.url).port
    other = run("serve", "--port", port, "--data", server.data.parent / "other")
    assert other.wait() == 1
    assert "cannot listen there" in "".join(other.said)
    other = run("serve", "--port", 0, "--data", server.data)
    assert other.wait() == 1
    assert "is another server's" in "".join(other.said)


def test_a_limit_that_makes_no_sense(run: Callable[..., Process]) -> None:
    for option, value in (("--queue", 0), ("--max-body", "x")):
        process = run("serve", option, value)
        assert process.wait() == 2
        assert option in "".join(process.said)


def test_two_hundred_connections(server: Server) -> None:
    """Most of them say nothing, some watch; others are answered all the while."""
    job = server.job(SLOW)["id"]
    silent = [connected(server, b"GET /health HTTP/1.1\r\nHo") for _ in range(150)]
    watching = [
        connected(server, f"GET /jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for _ in range(50)
    ]
    for connection in watching:
        assert b" 200 " in connection.recv(64)
    for _ in range(20):
        assert server.client.get(f"/jobs/{job}").status_code == 200
    for connection in (*silent, *watching):
        connection.close()
    server.client.delete(f"/jobs/{job}")
    assert httpx.get(f"{server.url}/health").status_code == 200
