"""Who may use a server, and what a browser is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from impasto.cli.serve.local import PLACES

from .running import Process, Server

TOKEN = "a long random text"
FOREIGN = "http://evil.example"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--name", "paint.example", "--origin", "https://app.example")
    found = Server(tmp_path_factory.mktemp("data"), *options, IMPASTO_TOKEN=TOKEN)
    yield found
    found.kill()


def test_a_token_opens_and_a_cookie_stands_for_it(guarded: Server) -> None:
    client = guarded.client
    for path in ("/jobs", "/styles", "/settings", "/metrics", "/openapi.json"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
    for path in ("/health", "/ready"):
        assert client.get(path).status_code == 200
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/jobs", headers=bearer).status_code == 200
    for wrong in (f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", "Bearer \xff".encode("latin-1")):
        assert client.get("/jobs", headers={"Authorization": wrong}).status_code == 401
        assert client.post("/session", headers={"Authorization": wrong}).status_code == 401
    answer = client.post("/session", headers=bearer)
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 204
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/jobs").status_code == 200  # the client keeps it
    value = client.cookies["impasto"]
    for forged in (value[:-1] + ("0" if value[-1] != "0" else "1"), "9" + value, "", "x.y"):
        assert httpx.get(f"{guarded.url}/jobs", cookies={"impasto": forged}).status_code == 401
    assert client.delete("/session").status_code == 204
    assert client.get("/jobs").status_code == 401


def test_it_answers_to_its_own_names_only(guarded: Server) -> None:
    for host in (
        "localhost",
        "127.0.0.1:8700",
        "[::1]:9",
        "192.0.2.7",
        "paint.example",
        "PAINT.example:80",
    ):
        assert guarded.client.get("/health", headers={"Host": host}).status_code == 200, host
    for host in ("evil.example", "localhost.evil.example", "", "[", "paint.example.evil"):
        assert guarded.client.get("/health", headers={"Host": host}).status_code in (400, 421), host


def test_pages_of_others_may_not_use_it_unless_they_are_named(guarded: Server) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for origin in (FOREIGN, "null", "https://app.example.evil", "http://app.example"):
        answer = guarded.client.get("/jobs", headers=bearer | {"Origin": origin})
        assert answer.status_code == 403, origin
        assert "access-control-allow-origin" not in answer.headers
    for origin in (guarded.url, "https://app.example"):
        assert guarded.client.get("/jobs", headers=bearer | {"Origin": origin}).status_code == 200
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    answer = guarded.client.options("/jobs", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example"


def test_no_page_elsewhere_is_let_in_by_default(server: Server) -> None:
    asked = {"Origin": FOREIGN, "Access-Control-Request-Method": "POST"}
    assert server.client.options("/jobs", headers=asked).status_code == 403
    answer = server.client.get("/health", headers={"Origin": server.url})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_what_a_browser_is_told(server: Server) -> None:
    for path in ("/", "/health", "/jobs", "/nowhere"):
        headers = server.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
    headers = server.client.get("/local/").headers
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"


def test_beyond_this_machine_a_token_is_required(run: Callable[..., Process]) -> None:
    hosts = ("0.0.0.0", "::")
    for process in [run("serve", "--host", host, "--port", 0, IMPASTO_TOKEN="") for host in hosts]:
        assert process.wait() == 2
        assert "IMPASTO_TOKEN" in "".join(process.said)


def test_the_page_that_paints_in_the_browser(
    serve: Callable[..., Server], run: Callable[..., Process], tmp_path: Path
) -> None:
    process = run("serve", "--local", tmp_path)
    assert process.wait() == 1
    assert "--local" in "".join(process.said)
    (tmp_path / "ort.wasm.min.mjs").write_text("")
    if not any((place / "index.html").exists() for place in PLACES):
        pytest.skip("the page is not in this clone")
    server = serve("--local", tmp_path)
    for path, kind in (
        ("/local/", "text/html"),
        ("/local/bundle/manifest.json", "application/json"),
        ("/local/ort/ort.wasm.min.mjs", "text/javascript"),
    ):
        answer = server.client.get(path)
        assert (answer.status_code, path) == (200, path)
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
        assert "'wasm-unsafe-eval'" in answer.headers["content-security-policy"]
    assert server.client.get("/health").json()["local"]
