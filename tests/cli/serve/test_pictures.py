"""A job's own pictures: to show them, and to paint from them again."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from impasto.cli.serve.job.folder import JobFolder
from impasto.cli.serve.job.shown import shown
from impasto.runtime import ImageError

from .running import Server, picture


def test_a_job_is_painted_again_from_what_the_server_has(server: Server) -> None:
    first = server.job({"seed": 3})["id"]
    files = [(name, (None, f"job:{first}/{what}")) for name, what in PARTS]
    data = {"settings": json.dumps({"size": 48, "iterations": 3, "seed": 3})}
    answer = server.client.post("/jobs", files=files, data=data)
    assert answer.status_code == 201, answer.text
    again = server.done(answer.json()["id"])
    assert again["pictures"] == {"content": "photo.png", "style_1": "painting.png"}
    server.done(first)
    assert server.result(again["id"]) == server.result(first)


PARTS = [("content", "content"), ("style", "style_1")]


def test_what_a_job_was_not_given_is_told(server: Server) -> None:
    id = server.job()["id"]
    for what, sentence in (("style_2", "was given no picture"), ("../status", "was given no")):
        answer = server.client.post("/jobs", files=[("style", (None, f"job:{id}/{what}"))])
        assert (answer.status_code, sentence in answer.json()["detail"]) == (422, True)
    assert server.client.get(f"/jobs/{id}/pictures/style_2.jpg").status_code == 404
    assert server.client.get(f"/jobs/{id}/pictures/status.jpg").status_code == 404


def test_what_a_job_was_given_is_shown(server: Server) -> None:
    id = server.job()["id"]
    for _ in range(2):
        answer = server.client.get(f"/jobs/{id}/pictures/content.jpg")
        assert answer.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).size == (56, 40)


@pytest.mark.parametrize("kind", ["turned", "clear", "deep", "large"])
def test_it_is_shown_as_it_is_painted(kind: str, tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    original: Image.Image = Image.open(io.BytesIO(picture(1)))
    options: dict[str, Any] = {}
    if kind == "turned":
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    elif kind == "clear":
        original = Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    elif kind == "deep":
        original = Image.new("I;16", (40, 30), 65535)
    else:
        original = original.resize((3000, 1500))
    original.save(folder.picture("content"), "PNG", **options)
    seen = Image.open(shown(folder, "content"))
    assert (seen.format, seen.mode) == ("JPEG", "RGB")
    wanted = {"turned": (40, 56), "clear": (40, 30), "deep": (40, 30), "large": (1024, 512)}
    assert seen.size == wanted[kind]
    if kind in ("clear", "deep"):
        assert min(seen.getpixel((5, 5))) > 250  # type: ignore[arg-type, type-var]


def test_what_cannot_be_shown_says_so(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    folder.picture("content").write_bytes(b"no picture")
    with pytest.raises(ImageError, match="content is not a picture"):
        shown(folder, "content")
    assert [path.name for path in folder.path.iterdir()] == ["content"]


def test_the_schema_has_the_presets(server: Server) -> None:
    schema = server.client.get("/settings").json()
    names = schema["properties"]["preset"]["examples"]
    assert names == list(schema["x-presets"])
    assert names[0] == "paint"
    assert schema["x-presets"]["paint"]["settings"].keys() <= schema["properties"].keys()


def test_the_example_is_there_and_files_do_not_grow_old(server: Server) -> None:
    photo = server.client.get("/styles/example/photo.jpg")
    assert Image.open(io.BytesIO(photo.content)).format == "JPEG"
    page = server.client.get("/app.js")
    assert page.headers["cache-control"] == "no-cache"
    again = server.client.get("/app.js", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
