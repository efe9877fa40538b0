"""A job whose styles have masks: its regions, painted by the service."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from .running import Server, picture


def test_a_style_with_a_mask_is_painted_there(serve: Callable[..., Server], guided: Any) -> None:
    server = serve(IMPASTO_MODEL=str(guided.folder))
    mask = np.zeros((40, 56), np.uint8)
    mask[:20] = 255
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    photo = picture(1, 40, 56)
    files = [("content", ("photo.png", photo)), ("style", ("painting.png", picture(2)))]
    files.append(("mask.style_1", ("sky.png", stream.getvalue())))
    data = {"settings": json.dumps({"size": 56, "iterations": 3})}
    answer = server.client.post("/jobs", files=files, data=data)
    assert answer.status_code == 201, answer.text
    job = server.done(answer.json()["id"])
    assert job["status"] == "done", job
    assert job["pictures"]["mask.style_1"] == "sky.png"
    seen = (photo, server.result(job["id"]))
    before, after = (np.asarray(Image.open(io.BytesIO(file))) for file in seen)
    np.testing.assert_array_equal(after[20:], before[20:])
    assert (after[:20] != before[:20]).any()
