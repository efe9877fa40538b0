"""Small videos of any kind, made by PyAV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Make = Callable[..., Path]
TIMES = (0, 1, 2, 4, 7, 8)
"""Of frames, in units of 1/30 s: the rate varies."""


@pytest.fixture
def movie(tmp_path: Path) -> Make:
    """``movie("a.mp4", codes=[...])``: each (height, width, 3) of luma and chroma; see below."""
    av = pytest.importorskip("av")

    def make(
        name: str,
        codes: Sequence[Any],
        *,
        times: Sequence[int] = TIMES,
        codec: str = "libx264",
        kind: str = "yuv420p",
        tags: tuple[int, int, int, int] = (0, 2, 2, 2),
        turned: int = 0,
        aspect: Fraction | None = None,
        sound: str = "",
        interlaced: bool = False,
    ) -> Path:
        """``tags``: range, matrix, primaries, transfer; by default none says anything."""
        options = {"crf": "0", "preset": "ultrafast"} if codec == "libx264" else {}
        if interlaced:
            options["x264-params"] = "tff=1"
        base = Fraction(1, 30_000)
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream(codec, options=options)
            stream.height, stream.width = codes[0].shape[:2]
            stream.pix_fmt, stream.time_base = kind, base
            context = stream.codec_context
            context.time_base = base
            context.color_range, context.colorspace = tags[:2]
            context.color_primaries, context.color_trc = tags[2:]
            if aspect:
                context.sample_aspect_ratio = aspect
            if turned:
                stream.set_display_rotation(turned)
            voice = container.add_stream(sound, rate=48000) if sound else None
            for time, values in zip(times, codes, strict=False):
                planes = np.ascontiguousarray(np.moveaxis(np.asarray(values), 2, 0))
                frame = av.VideoFrame.from_ndarray(planes, format="yuv444p").reformat(format=kind)
                frame.pts, frame.time_base = 1000 * time, base
                frame.color_range, frame.colorspace = tags[:2]
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
            if voice is not None:
                _sing(container, voice)
        return tmp_path / name

    return make


def _sing(container: Any, stream: Any) -> None:
    import av

    random = np.random.default_rng(0)
    layout = "stereo" if stream.codec_context.name != "pcm_s16le" else "mono"
    kind = stream.codec_context.format.name if stream.codec_context.format else "s16"
    dtype = np.float32 if kind.startswith("flt") else np.int16
    channels = 2 if layout == "stereo" else 1
    for number in range(12):
        wave = random.uniform(-0.3, 0.3, (channels, 1024))
        values = wave if dtype is np.float32 else 32767 * wave
        values = values if kind.endswith("p") else values.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(values.astype(dtype), format=kind, layout=layout)
        frame.sample_rate, frame.pts = 48000, 1024 * number
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


@pytest.fixture
def moving() -> Callable[..., list[np.ndarray[Any, Any]]]:
    """``moving(6)``: codes of frames, 32 x 48, that a smooth pattern moves over."""

    def made(count: int, size: tuple[int, int] = (32, 48), seed: int = 0) -> list[Any]:
        random = np.random.default_rng(seed)
        waves = random.uniform(0.1, 0.4, (4, 2)), random.uniform(0, 6, (4, 3))
        y, x = np.mgrid[: size[0], : size[1]]
        found = []
        for number in range(count):
            total = np.zeros((*size, 3))
            for (a, b), phase in zip(*waves, strict=True):
                total += np.sin((a * (x - number) + b * y)[:, :, None] + phase)
            found.append(np.rint(128 + 22 * total).clip(16, 235).astype(np.uint8))
        return found

    return made
