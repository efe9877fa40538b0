"""The service: from its start to the first picture, and how many requests a second it answers."""

from __future__ import annotations

import asyncio
import io
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from pictures import cut_pair
from settings import Settings

RUNS, REQUESTS, AT_ONCE = 3, 500, 8


def report(settings: Settings) -> None:
    """First picture after start, and requests for a job's state, alone and beside painting."""
    size = 64 if settings.small else 256
    with tempfile.TemporaryDirectory() as folder:
        content, style = cut_pair(Path(folder), size, size)
        pictures = {"content": content.read_bytes(), "style": style.read_bytes()}
        first = []
        for run in range(RUNS):
            started = time.perf_counter()
            with _Server(Path(folder, f"data-{run}")) as server:
                listening = time.perf_counter() - started
                id = server.submit(pictures, size, 1)
                server.wait(f"/jobs/{id}/preview.jpg")
                first.append((listening, time.perf_counter() - started))
        listening, shown = (statistics.median(values) for values in zip(*first, strict=True))
        print(f"From `impasto serve` to the first answer: {listening:.2f} s")
        print(f"to the first picture at {size}x{size} (one iteration): {shown:.2f} s")
        with _Server(Path(folder, "data")) as server:
            id = server.submit(pictures, size, 1)
            server.wait(f"/jobs/{id}/result.png")
            alone = asyncio.run(_ask(server.url, f"/jobs/{id}"))
            server.submit(pictures, size, 100_000)
            beside = asyncio.run(_ask(server.url, f"/jobs/{id}"))
        print(f"GET /jobs/ID, {AT_ONCE} clients: {alone:.0f} a second")
        print(f"the same while a job is painted: {beside:.0f} a second")
        print(flush=True)


class _Server:
    def __init__(self, data: Path) -> None:
        words = ["serve", "--port", "0", "--data", str(data)]
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "impasto.cli", *words], stderr=subprocess.PIPE, text=True
        )
        assert self._popen.stderr is not None
        self.url = self._popen.stderr.readline().split("serving at ")[1].split(",")[0]
        self._client = httpx.Client(base_url=self.url, timeout=60)
        self.wait("/health")

    def submit(self, pictures: dict[str, bytes], size: int, iterations: int) -> str:
        files = {name: io.BytesIO(data) for name, data in pictures.items()}
        settings = f'{{"size": {size}, "iterations": {iterations}}}'
        answer = self._client.post("/jobs", files=files, data={"settings": settings})
        answer.raise_for_status()
        id: str = answer.json()["id"]
        return id

    def wait(self, path: str) -> None:
        while self._client.get(path).status_code != 200:
            time.sleep(0.02)

    def __enter__(self) -> _Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.terminate()
        self._popen.wait()


async def _ask(url: str, path: str) -> float:
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        left = iter(range(REQUESTS))

        async def some() -> None:
            for _ in left:
                (await client.get(path)).raise_for_status()

        started = time.perf_counter()
        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        return REQUESTS / (time.perf_counter() - started)
