"""Videos in: what one is, and its frames, upright, of square pixels, progressive, in RGB."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from impasto.runtime.errors import Field, ImageError
from impasto.runtime.pictures.image import Picture, resample
from impasto.runtime.pictures.sources import opened
from impasto.runtime.planning.sizes import Size
from impasto.runtime.video.packages import pyav

from .colors import FULL, matrix_of, to_rgb

HDR = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of ITU-T H.273 that a picture of [0, 1] does not hold."""
WIDE = 9
"""Primaries of BT.2020."""
USUAL_RATE = Fraction(25)
CHROMA = "BICUBIC"
"""How chroma gets the size of luma."""


class Frame(NamedTuple):
    """One of a video: when it is shown, in seconds, and what it shows."""

    time: Fraction
    picture: Picture


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a video says of itself."""

    path: str
    size: Size
    """(height, width), upright, of square pixels."""
    rate: Fraction
    """Frames a second, about."""
    time_base: Fraction
    """Seconds, of which all times are multiples."""
    sounds: tuple[str, ...]
    """Codecs of its sound streams."""
    rotation: int
    """Quarter turns to the left that make it upright."""
    interlaced: bool


def examine(path: str, max_pixels: int) -> Header:
    """Read the header, and decode the first frame.

    Raises:
        ImageError: it is no video, has no frames, too many pixels, or colors that are refused.
        ImpastoError: PyAV is not installed.
    """
    with _opened(path) as container:
        stream = _stream(container, path)
        context = stream.codec_context
        _check_pixels(path, context.height, context.width, max_pixels)
        first = next(container.decode(stream), None)
        if first is None:
            raise ImageError(f"{path} has no frames; export it again")
        _check_pixels(path, first.height, first.width, max_pixels)
        _check_colors(path, first)
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        turns = round(first.rotation / 90) % 4
        size = first.height, max(1, round(first.width * aspect))
        return Header(
            path=path,
            size=size if turns % 2 == 0 else (size[1], size[0]),
            rate=Fraction(stream.average_rate or stream.guessed_rate or USUAL_RATE),
            time_base=Fraction(stream.time_base),
            sounds=tuple(_name(sound) for sound in container.streams.audio),
            rotation=turns,
            interlaced=bool(first.interlaced_frame),
        )


def frames(
    header: Header, size: Size, *, every: float = 0.0, skip: int = 0
) -> Iterator[Frame | None]:
    """All frames in order, at a size; ``every``: one of so many seconds; of the first, None.

    The first ``skip`` of them are not converted.

    Raises:
        ImageError: it is damaged, or its frames change in kind.
    """
    due, count, last = None, 0, None
    with _opened(header.path) as container:
        for frame in _progressive(container, header):
            time = _time(frame, header, last)
            last = time
            if due is not None and time < due:
                continue
            due = (time if due is None else due) + Fraction(every)
            due = max(due, time)
            count += 1
            yield None if count <= skip else Frame(time, _shown(frame, header, size))


def packets(path: str) -> Iterator[tuple[int, Any]]:
    """Packets of the sound streams, by the streams' numbers, as they are in the file."""
    with _opened(path) as container:
        sounds = list(container.streams.audio)
        if not sounds:
            return
        numbers = {sound.index: number for number, sound in enumerate(sounds)}
        for packet in container.demux(sounds):
            if packet.dts is not None:
                yield numbers[packet.stream.index], packet


@contextmanager
def sounds(path: str) -> Iterator[list[Any]]:
    """The sound streams of a file, open, as templates for those of another."""
    with _opened(path) as container:
        yield list(container.streams.audio)


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """The container, whose errors are told in a sentence."""
    av = pyav()
    if os.path.exists(path) or "://" not in path:
        with opened(path, path):
            pass
    try:
        with av.open(path) as container:
            yield container
    except av.error.FFmpegError as error:
        reason = error.strerror or type(error).__name__
        raise ImageError(
            f"{path} is damaged, cut short or no video that can be read ({reason}); export it again"
        ) from error


def _stream(container: Any, path: str) -> Any:
    """The first one that is no cover of a song."""
    av = pyav()
    cover = av.stream.Disposition.attached_pic
    for stream in container.streams.video:
        if not stream.disposition & cover:
            stream.thread_type = "AUTO"
            return stream
    raise ImageError(f"{path} has no video stream; give a file with moving pictures")


def _check_pixels(path: str, height: int, width: int, max_pixels: int) -> None:
    if height * width > max_pixels:
        raise ImageError(
            f"{path} has {width} x {height} = {width * height:,} pixels, over the limit of "
            f"{max_pixels:,}; make it smaller, or raise the limit with ",
            Field("max_pixels"),
        )


def _check_colors(path: str, frame: Any) -> None:
    kind = HDR.get(frame.color_trc) or ("BT.2020" if frame.color_primaries == WIDE else None)
    if kind:
        raise ImageError(
            f"{path} is of high dynamic range or a wide gamut ({kind}), which sRGB does not hold; "
            "convert it to BT.709 first"
        )


def _name(stream: Any) -> str:
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else "unknown"


def _time(frame: Any, header: Header, last: Fraction | None) -> Fraction:
    """When a frame is shown, after the last one: a stream may say nothing, or nonsense."""
    step = max(header.time_base, _multiple(1 / header.rate, header.time_base))
    if frame.pts is None:
        return Fraction(0) if last is None else last + step
    time = Fraction(frame.pts) * Fraction(frame.time_base or header.time_base)
    return time if last is None or time > last else last + header.time_base


def _multiple(time: Fraction, base: Fraction) -> Fraction:
    return round(time / base) * base


def _progressive(container: Any, header: Header) -> Iterator[Any]:
    """Decoded frames; of interlaced ones whole ones are made, by yadif."""
    av = pyav()
    stream = _stream(container, header.path)
    if not header.interlaced:
        yield from container.decode(stream)
        return
    graph = av.filter.Graph()
    source = graph.add_buffer(template=stream)
    middle, sink = graph.add("yadif", "deint=interlaced"), graph.add("buffersink")
    source.link_to(middle)
    middle.link_to(sink)
    graph.configure()
    for frame in container.decode(stream):
        graph.push(frame)
        yield from _pulled(graph)
    graph.push(None)
    yield from _pulled(graph)


def _pulled(graph: Any) -> Iterator[Any]:
    av = pyav()
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _shown(frame: Any, header: Header, size: Size) -> Picture:
    """RGB in [0, 1], upright, in a size."""
    turned = header.rotation % 2 == 1
    picture = _rgb(frame, (size[1], size[0]) if turned else size)
    return np.ascontiguousarray(np.rot90(picture, header.rotation))


def _rgb(frame: Any, size: Size) -> Picture:
    kind = frame.format
    bits = max(component.bits for component in kind.components)
    if kind.is_rgb or kind.has_palette or len(kind.components) < 3:
        deep = bits > 8
        values = frame.reformat(format="rgb48le" if deep else "rgb24").to_ndarray()
        return (_resized(values, size) / np.float32(65535 if deep else 255)).clip(0, 1)
    coefficients = matrix_of(int(frame.colorspace), frame.height)
    old = kind.name.startswith("yuvj")  # full range, said by the format
    full = old or int(frame.color_range) == FULL
    if bits == 8:
        name = "yuvj444p" if old else "yuv444p"
        whole = frame.reformat(format=name, interpolation=CHROMA)
        codes = np.moveaxis(whole.to_ndarray(), 0, 2)
    else:
        codes = frame.reformat(format="yuv444p16le", interpolation=CHROMA).to_ndarray() >> (
            16 - bits
        )
    return to_rgb(_resized(codes, size), bits, coefficients, full=full)


def _resized(values: NDArray[Any], size: Size) -> NDArray[np.float32]:
    found = values.astype(np.float32)
    return found if found.shape[:2] == size else resample(found, *size)
