"""What a client does with jobs."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from impasto.runtime import Engine, Settings, describe, read_painted

from .running import PLAIN, SLOW, Server, picture


def events(server: Server, id: str, last: str | None = None) -> list[dict[str, Any]]:
    """All that happens to a job until its end."""
    headers = {} if last is None else {"Last-Event-ID": last}
    found: list[dict[str, Any]] = []
    now: dict[str, Any] = {}
    with server.client.stream("GET", f"/jobs/{id}/events", headers=headers) as answer:
        if answer.status_code == 204:
            return []
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "data":
                now["data"] = json.loads(value)
            elif line:
                now[name] = value
            elif now:
                found.append(now)
                now = {}
    return found


@pytest.fixture(autouse=True)
def no_job_is_left(server: Server) -> Iterator[None]:
    yield
    for job in server.client.get("/jobs").json()["jobs"]:
        if job["status"] in ("queued", "running"):
            server.client.delete(f"/jobs/{job['id']}")


def test_a_job_has_the_picture_that_the_engine_paints(server: Server) -> None:
    id = server.job({"seed": 5, "init": "noise"})["id"]
    job = server.done(id)
    assert (job["status"], job["stopped"], job["width"], job["height"]) == (
        "done",
        "finished",
        48,
        34,
    )
    painted = server.result(id)
    known = read_painted(painted)
    engine = Engine.load(PLAIN, threads=known.machine.threads)
    result = engine.stylize(picture(1), picture(2), size=48, iterations=3, seed=5, init="noise")
    stream = io.BytesIO()
    result.save(stream)
    assert painted == stream.getvalue()


def test_json_is_the_same_job_as_multipart(server: Server) -> None:
    multipart = server.job()["id"]
    body = {
        "content": {"data": base64.b64encode(picture(1)).decode()},
        "styles": [{"data": base64.b64encode(picture(2)).decode()}],
        "settings": {"size": 48, "iterations": 3},
    }
    answer = server.client.post("/jobs", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"
    both = [server.done(id) and server.result(id) for id in (multipart, answer.json()["id"])]
    assert both[0] == both[1]


def test_packaged_paintings_and_other_results_are_pictures(server: Server) -> None:
    styles = server.client.get("/styles").json()
    assert len(styles) >= 8
    assert all(style["artist"] and style["year"] for style in styles)
    name = styles[0]["name"]
    assert Image.open(io.BytesIO(server.client.get(f"/styles/{name}.jpg").content)).width > 100
    first = server.job()["id"]
    server.done(first)
    files = [("content", ("photo.png", picture(1))), ("init_image", (None, f"job:{first}"))]
    files.append(("style", (None, f"painting:{name}")))
    data = {"settings": json.dumps({"size": 48, "iterations": 2})}
    answer = server.client.post("/jobs", files=files, data=data)
    assert answer.status_code == 201, answer.text
    job = server.done(answer.json()["id"])
    assert job["pictures"]["style_1"] == name
    assert job["settings"]["init"] == "image"


def test_events_tell_all_and_are_taken_up_again(server: Server) -> None:
    id = server.job({"iterations": 40})["id"]
    whole = [event for event in events(server, id) if "id" in event]
    assert [e["data"]["status"] for e in whole if e["event"] == "status"] == ["running", "done"]
    steps = [event["data"] for event in whole if event["event"] == "step"]
    assert [s["fraction"] for s in steps] == sorted(s["fraction"] for s in steps)
    assert steps[-1]["fraction"] == 1
    assert {"loss", "terms", "left", "iteration", "scale", "width"} <= steps[0].keys()
    middle = len(whole) // 2
    assert events(server, id, whole[middle]["id"]) == whole[middle + 1 :]
    assert events(server, id, whole[-1]["id"]) == []
    for wrong in ("7", "-3", "x", "99999999999999999999999"):  # from the beginning
        assert events(server, id, wrong) == whole


def test_it_is_seen_while_it_is_painted_and_stopped(server: Server) -> None:
    id = server.job(SLOW)["id"]
    job = server.running(id)
    assert job["status"] == "running"
    assert job["step"]["left"] > 0
    preview = server.client.get(job["links"].get("preview", f"/jobs/{id}/preview.jpg"))
    assert Image.open(io.BytesIO(preview.content)).format == "JPEG"
    assert preview.headers["cache-control"] == "no-store"
    assert server.client.get(f"/jobs/{id}/result.png").status_code == 404
    assert server.client.post(f"/jobs/{id}/stop").status_code == 202
    job = server.done(id)
    assert (job["status"], job["stopped"]) == ("cancelled", "cancelled")
    assert Image.open(io.BytesIO(server.result(id))).size == (96, 69)


def test_what_is_left_for_later_goes_on_to_the_same_bytes(server: Server) -> None:
    wanted = SLOW | {"iterations": 400}
    whole, parted = server.job(wanted)["id"], server.job(wanted)["id"]
    server.running(parted)
    assert server.client.post(f"/jobs/{parted}/pause").status_code == 202
    server.wait_until(parted, lambda job: job["status"] == "paused")
    assert events(server, parted)[-1]["data"]["status"] == "paused"
    server.done(whole)
    assert server.client.post(f"/jobs/{whole}/go-on").status_code == 409
    assert server.client.post(f"/jobs/{parted}/go-on").status_code == 202
    job = server.done(parted)
    assert (job["status"], job["notes"]) == ("done", [])
    assert server.result(parted) == server.result(whole)


def test_what_is_left_for_later_can_be_stopped_for_good(server: Server) -> None:
    id = server.job(SLOW)["id"]
    server.running(id)
    server.client.post(f"/jobs/{id}/pause")
    server.wait_until(id, lambda job: job["status"] == "paused")
    server.client.post(f"/jobs/{id}/stop")
    job = server.wait_until(id, lambda job: job["status"] == "cancelled")
    assert job["iterations"] >= 1
    assert server.result(id)


@pytest.mark.parametrize("begun", [True, False])
def test_a_removed_job_is_gone_and_leaves_nothing(server: Server, begun: bool) -> None:
    first = server.job(SLOW)["id"]
    server.running(first)
    second = server.job(SLOW)["id"]
    assert server.get(second)["ahead"] == 0  # it is next
    for id in (first, second) if begun else (second, first):
        assert server.client.delete(f"/jobs/{id}").status_code == 204
        assert server.client.get(f"/jobs/{id}").status_code == 404
        assert server.client.delete(f"/jobs/{id}").status_code == 404
    until = time.monotonic() + 20
    folders = [server.data / "jobs" / id for id in (first, second)]
    while any(folder.exists() for folder in folders):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_higher_priority_comes_first(server: Server) -> None:
    blocking = server.job(SLOW)["id"]
    server.running(blocking)
    low, high = server.job(priority=-1)["id"], server.job(priority=5)["id"]
    assert (server.get(high)["ahead"], server.get(low)["ahead"]) == (0, 1)
    server.client.delete(f"/jobs/{blocking}")
    assert server.done(high)["started"] < server.done(low)["started"]


def test_a_deadline_gives_the_best_picture_so_far(server: Server) -> None:
    id = server.job(SLOW, deadline=1)["id"]
    job = server.done(id)
    assert (job["status"], job["stopped"]) == ("done", "deadline")
    assert server.result(id)


def test_a_client_that_leaves_frees_its_place_if_it_asked_to(server: Server) -> None:
    attended = server.job(SLOW, attended=True)["id"]
    with server.client.stream("GET", f"/jobs/{attended}/events") as answer:
        seen = 0
        for line in answer.iter_lines():
            seen += line.startswith("event: step")
            if seen == 20:  # two seconds, twice as long as it may be alone
                break
    left = time.time()
    time.sleep(3)
    job = server.done(attended)
    assert job["status"] == "cancelled"
    assert job["ended"] > left
    id = server.job(SLOW)["id"]
    time.sleep(2)
    assert server.get(id)["status"] == "running"
    server.client.delete(f"/jobs/{id}")


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"size": 5}, "size", "size 5: give a whole number, 16 to 16384 pixels, or original"),
    ({"sise": 64}, "sise", "sise 64: there is no such setting; did you mean size?"),
    ({"size": 64, "width": 64}, "size", "size 64: give it or a width, not both"),
    ({"size": 9000}, "size", "are more than the 16777216 that this server paints"),
    ({"memory": 5}, "memory", "memory 5: there is no such setting"),
]


@pytest.mark.parametrize(("settings", "field", "sentence"), REFUSED)
def test_what_cannot_be_is_refused_in_a_sentence(
    server: Server, settings: dict[str, Any], field: str, sentence: str
) -> None:
    answer = server.post({"size": None} | settings)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert sentence in problem["detail"]
    assert problem["field"] == field
    assert problem["status"] == 422


def test_a_bad_picture_is_refused_by_the_name_that_it_was_given(server: Server) -> None:
    for content, said in ((b"nothing", "not a picture"), (picture(1)[:60], ""), (b"", "empty")):
        before = len(list((server.data / "jobs").iterdir()))
        files = [("content", ("../holiday.png", content)), ("style", ("s.png", picture(2)))]
        answer = server.client.post("/jobs", files=files)
        if answer.status_code == 201:  # its header is whole
            job = server.done(answer.json()["id"])
            assert job["status"] == "failed"
            detail = job["error"]
        else:
            assert answer.status_code == 422
            detail = answer.json()["detail"]
            assert len(list((server.data / "jobs").iterdir())) == before
        assert detail.startswith("holiday.png")
        assert said in detail
        assert str(server.data) not in detail


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b"x", "text/plain", 415, "multipart/form-data"),
        (b"{", "application/json", 422, "JSON"),
        (b"{}", "application/json", 422, "there is no picture"),
        (b'{"content": {"data": 1}}', "application/json", 422, "content.data"),
        (b'{"content": {}}', "application/json", 422, "give data, painting or job"),
        (b'{"content": {"job": "0123456789abcdef"}}', "application/json", 422, "has no picture"),
        (b'{"content": {"painting": "x"}}', "application/json", 422, "there is no painting"),
        (b'{"priority": 99}', "application/json", 422, "priority"),
        (b"--x", "multipart/form-data", 400, "boundary"),
    ],
)
def test_a_wrong_body_is_told(
    server: Server, body: bytes, kind: str, status: int, said: str
) -> None:
    answer = server.client.post("/jobs", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert said in answer.json()["detail"]


def test_masks_are_for_terms_that_take_them(server: Server) -> None:
    files = [("content", ("a.png", picture(1))), ("style", ("b.png", picture(2)))]
    files.append(("mask.sky", ("sky.png", picture(3))))
    answer = server.client.post("/jobs", files=files)
    assert answer.status_code == 422
    assert "sky" in answer.json()["detail"]


def test_the_schema_of_the_settings_is_theirs(server: Server) -> None:
    schema = server.client.get("/settings").json()
    assert {*schema["properties"]} == {*describe(Settings)}
    size = schema["properties"]["size"]
    assert {"type": "integer", "minimum": 16, "maximum": 16384} in size["anyOf"]
    assert size["x-excludes"] == ["width", "height", "megapixels"]
    assert schema["additionalProperties"] is False


def test_the_state_of_the_server(server: Server) -> None:
    id = server.job()["id"]
    server.done(id)
    assert server.client.get("/health").json()["status"] == "ok"
    assert server.client.get("/ready").status_code == 200
    figures = server.client.get("/metrics").text
    assert 'impasto_jobs{status="running"}' in figures
    assert float(figures.split('impasto_jobs_ended_total{status="done"} ')[1].split("\n")[0]) >= 1
    listed = server.client.get("/jobs", params={"limit": 1}).json()["jobs"]
    assert [job["id"] for job in listed] == [id]
    older = server.client.get("/jobs", params={"before": listed[0]["created"]}).json()["jobs"]
    assert id not in [job["id"] for job in older]
    missing: httpx.Response = server.client.get("/jobs/0123456789abcdef")
    assert "was removed" in missing.json()["detail"]
