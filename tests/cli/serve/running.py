"""Real servers on loopback, with a bundle and pictures so small that a job takes moments."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

PLAIN = Path(__file__).parents[2] / "data" / "plain"
OVER = ("done", "failed", "cancelled")
SLOW = {"size": 96, "iterations": 100_000, "optimizer": "adam", "learning_rate": 0.001}
"""A job that takes minutes, unless somebody ends it."""


class Process:
    """A command of the program, and what it says on stderr."""

    def __init__(self, *arguments: object, **variables: str) -> None:
        environment = {"IMPASTO_MODEL": str(PLAIN)} | variables
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "impasto.cli", *map(str, arguments)],
            env=os.environ | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        self.said.extend(self.popen.stderr)

    def wait_for(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """The first line that matches."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for line in list(self.said):
                if found := re.search(pattern, line):
                    return found
            if self.popen.poll() is not None and not self._reader.is_alive():
                break
            time.sleep(0.02)
        raise AssertionError(f"{pattern!r} is not in {self.said}")

    def kill(self) -> None:
        """As -9 does."""
        self.popen.kill()
        self.wait()

    def end(self, seconds: float = 30) -> int:
        """Ask it to end; its exit code."""
        self.popen.terminate()
        return self.wait(seconds)

    def wait(self, seconds: float = 30) -> int:
        """Its exit code."""
        code = self.popen.wait(seconds)
        self._reader.join(5)
        return code


class Server(Process):
    """``impasto serve`` on a port of its own."""

    def __init__(self, data: Path, *options: object, **variables: str) -> None:
        super().__init__("serve", "--port", 0, "--data", data, *options, **variables)
        self.url = self.wait_for(r"serving at (\S+),")[1]
        self.data = data
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def post(self, settings: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        """Ask for a job with a photograph and a painting."""
        files = [("content", ("photo.png", picture(1))), ("style", ("painting.png", picture(2)))]
        data = {"settings": json.dumps({"size": 48, "iterations": 3} | (settings or {}))} | more
        return self.client.post("/jobs", files=files, data=data)

    def job(self, settings: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """The same, and what is told of it."""
        answer = self.post(settings, **more)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def get(self, id: str) -> dict[str, Any]:
        """How a job stands."""
        answer = self.client.get(f"/jobs/{id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait_until(
        self, id: str, when: Callable[[dict[str, Any]], bool], seconds: float = 30
    ) -> dict[str, Any]:
        """A job, once something is so."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.get(id)
            if when(found):
                return found
            time.sleep(0.05)
        raise AssertionError(f"{found} {self.said}")

    def done(self, id: str) -> dict[str, Any]:
        """A job, once it is over."""
        return self.wait_until(id, lambda job: job["status"] in OVER)

    def running(self, id: str) -> dict[str, Any]:
        """A job, once it has done a step."""
        return self.wait_until(id, lambda job: job["step"] is not None)

    def result(self, id: str) -> bytes:
        """The file of what was painted."""
        answer = self.client.get(f"/jobs/{id}/result.png")
        assert answer.status_code == 200, answer.text
        return answer.content


def picture(seed: int, height: int = 40, width: int = 56) -> bytes:
    """A PNG of smooth colors."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(stream, "PNG")
    return stream.getvalue()
