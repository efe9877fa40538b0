"""Videos out: containers and codecs, sound as it was, and folders of pictures."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Any

import numpy as np
from PIL import Image

from impasto.runtime.errors import Field, ImageError
from impasto.runtime.machine.atomic import writing
from impasto.runtime.machine.outputs import check_file, telling
from impasto.runtime.pictures.image import Picture
from impasto.runtime.pictures.writing.encode import to_pil, write_image
from impasto.runtime.video.packages import pyav

from .colors import from_rgb
from .reading import Frame, packets, sounds

BT709 = 1
LIMITED = 1


@dataclass(frozen=True)
class Container:
    """A kind of file, and how its moving pictures are encoded."""

    format: str
    codec: str
    options: dict[str, str]


H264 = {"crf": "16", "preset": "medium", "bf": "0"}
"""Without frames that are stored before they are shown: then the last one's length is kept."""
VP9 = {"crf": "24", "b": "0", "cpu-used": "3", "row-mt": "0"}
CONTAINERS = {
    ".mp4": Container("mp4", "libx264", H264),
    ".mkv": Container("matroska", "libx264", H264),
    ".webm": Container("webm", "libvpx-vp9", VP9),
}
GIF = ".gif"
SAMPLES, SAMPLE = 12, 160
"""Frames that a GIF's palette is made of, and the pixels of their long side."""
SHORTEST_GIF = 2
"""Hundredths of a second: most programs show what is shorter for ten."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is to be written, checked."""

    path: str
    overwrite: bool = False
    sound_of: str | None = None
    """The file whose sound is copied; None: there is none."""

    is_folder: bool = False
    """Whether it is one, of pictures."""

    @property
    def is_even(self) -> bool:
        """Whether sides must be even: chroma has half of them."""
        return not self.is_folder and _suffix(self.path) in CONTAINERS


def check_video(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raise what ``write_video`` would, as far as can be told before."""
    check_target(os.fspath(path), (), overwrite=overwrite, source="")


def check_target(path: str, sounds: tuple[str, ...], *, overwrite: bool, source: str) -> Target:
    """See whether a video can be written, before anything is computed; ``source`` has the sounds.

    Raises:
        ImageError: its suffix is not known, it is there already, or cannot hold a sound's codec.
        ImpastoError: PyAV is not installed.
    """
    av = pyav()
    slashes = "/" + os.sep
    plain, suffix = path.rstrip(slashes) or path, _suffix(path)
    if plain != path or os.path.isdir(path) or not suffix:
        _check_folder(plain, overwrite)
        return Target(path=plain, overwrite=overwrite, is_folder=True)
    if suffix == GIF:
        check_file(path, overwrite=overwrite)
        return Target(path=path, overwrite=overwrite)
    container = CONTAINERS.get(suffix)
    if container is None:
        known = ", ".join((*CONTAINERS, GIF))
        raise ImageError(f"{path} has the suffix of no video; use {known}, or a folder's name")
    if container.codec not in av.codecs_available:
        raise ImageError(f"{path} needs {container.codec}, which this PyAV has not; use a folder")
    with av.open(os.devnull, "w", format=container.format) as file:
        held = file.supported_codecs
    for sound in sounds:
        if sound not in held:
            raise ImageError(
                f"{source} has sound of the codec {sound}, which a {suffix} cannot hold; write a "
                ".mkv, or leave the sound out with ",
                Field("no_sound"),
            )
    check_file(path, overwrite=overwrite)
    return Target(path=path, overwrite=overwrite, sound_of=source if sounds else None)


def write(target: Target, frames: Iterable[Frame], time_base: Fraction, end: Fraction) -> None:
    """Write a video, which appears whole or not at all; of a folder, each of its pictures.

    ``end``: when the last frame is over.

    Raises:
        ImageError: it cannot be written.
    """
    if target.is_folder:
        with telling(target.path):
            os.makedirs(target.path, exist_ok=True)
        for number, frame in enumerate(frames, start=1):
            name = os.path.join(target.path, f"{number:06d}.png")
            write_image(frame.picture, name, depth=16, overwrite=target.overwrite)
        return
    with telling(target.path), writing(target.path, overwrite=target.overwrite) as file:
        if _suffix(target.path) == GIF:
            _write_gif(file, frames, end)
        else:
            _write_movie(file, target, frames, time_base, end)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _check_folder(path: str, overwrite: bool) -> None:
    if os.path.isdir(path) and os.listdir(path) and not overwrite:
        raise ImageError(f"{path} has files already; pass ", Field("overwrite"), ", or another")
    if not os.path.isdir(path):
        check_file(path)


def _timed(frames: Iterable[Frame], end: Fraction) -> Iterator[tuple[Frame, Fraction]]:
    """Each with how long it is shown."""
    waiting: Frame | None = None
    for frame in frames:
        if waiting is not None:
            yield waiting, frame.time - waiting.time
        waiting = frame
    if waiting is not None:
        yield waiting, max(end - waiting.time, Fraction(1, 1000))


def _write_movie(
    file: IO[bytes], target: Target, frames: Iterable[Frame], time_base: Fraction, end: Fraction
) -> None:
    av, kind = pyav(), CONTAINERS[_suffix(target.path)]
    exact = {"fflags": "+bitexact"}  # no versions, no dates, no random numbers
    with (
        _copied(target) as (copies, sound),
        av.open(file, "w", format=kind.format, container_options=exact) as container,
    ):
        stream: Any = None
        outs: list[Any] = []
        lengths: dict[int, int] = {}
        for frame, length in _timed(frames, end):
            if stream is None:
                stream = _movie_stream(container, kind, frame, time_base)
                outs = [container.add_stream_from_template(one) for one in copies]
            made = _encoded(frame, length, time_base)
            lengths[made.pts] = made.duration
            container.mux(_lasting(stream.encode(made), lengths))
            for number, packet in sound.until(frame.time + length):
                packet.stream = outs[number]
                container.mux(packet)
        container.mux(_lasting(stream.encode(), lengths))
        for number, packet in sound.until(None):
            packet.stream = outs[number]
            container.mux(packet)


def _movie_stream(container: Any, kind: Container, frame: Frame, time_base: Fraction) -> Any:
    stream = container.add_stream(kind.codec, options=kind.options)
    stream.height, stream.width = frame.picture.shape[:2]
    stream.pix_fmt, stream.time_base = "yuv420p", time_base
    context = stream.codec_context
    context.time_base = time_base
    context.thread_count = 1  # the same bytes on every machine
    context.color_range, context.colorspace = LIMITED, BT709
    context.color_primaries, context.color_trc = BT709, BT709
    return stream


def _encoded(frame: Frame, length: Fraction, time_base: Fraction) -> Any:
    av = pyav()
    codes = np.ascontiguousarray(np.moveaxis(from_rgb(frame.picture), 2, 0))
    whole = av.VideoFrame.from_ndarray(codes, format="yuv444p")
    made = whole.reformat(format="yuv420p", interpolation="BICUBIC")
    made.pts, made.time_base = round(frame.time / time_base), time_base
    made.duration = max(1, round(length / time_base))
    made.color_range, made.colorspace = LIMITED, BT709
    return made


def _lasting(packets: list[Any], lengths: dict[int, int]) -> list[Any]:
    """With the frames' lengths, by their times: encoders forget them, and the last has no next."""
    for packet in packets:
        packet.duration = lengths.pop(packet.pts, packet.duration)
    return packets


class _Sound:
    """Packets of a file's sound, in the order of their times."""

    def __init__(self, path: str | None) -> None:
        self._packets = packets(path) if path else iter(())
        self._next = next(self._packets, None)

    def until(self, time: Fraction | None) -> Iterator[tuple[int, Any]]:
        """Those that begin before a time; None: the rest."""
        while self._next is not None:
            number, packet = self._next
            if time is not None and packet.dts * packet.time_base >= time:
                return
            yield number, packet
            self._next = next(self._packets, None)


@contextmanager
def _copied(target: Target) -> Iterator[tuple[list[Any], _Sound]]:
    """The sound streams to copy, and their packets."""
    if target.sound_of is None:
        yield [], _Sound(None)
        return
    with sounds(target.sound_of) as found:
        yield found, _Sound(target.sound_of)


def _write_gif(file: IO[bytes], frames: Iterable[Frame], end: Fraction) -> None:
    """One palette for all; hundredths of a second, whose errors do not add up."""
    pictures: list[Image.Image] = []
    times: list[Fraction] = []
    for frame, length in _timed(frames, end):
        times = times or [frame.time]
        times.append(frame.time + length)
        pictures.append(to_pil(frame.picture))
    marks = [round(100 * (time - times[0])) for time in times]
    palette = _palette(pictures)
    first, *rest = [picture.quantize(palette=palette) for picture in pictures]
    lengths = [max(SHORTEST_GIF, b - a) for a, b in itertools.pairwise(marks)]
    duration = [10 * length for length in lengths]
    first.save(file, "GIF", save_all=True, append_images=rest, duration=duration, loop=0)


def _palette(pictures: list[Image.Image]) -> Image.Image:
    """256 colors of some of the pictures: with one of its own each, still parts would flicker."""
    chosen = pictures[:: -(-len(pictures) // SAMPLES)]
    width, height = chosen[0].size
    part = min(1.0, SAMPLE / max(width, height))
    small = max(1, round(width * part)), max(1, round(height * part))
    strip = Image.new("RGB", (small[0], small[1] * len(chosen)))
    for number, picture in enumerate(chosen):
        strip.paste(picture.resize(small), (0, number * small[1]))
    return strip.quantize(256)


def write_video(
    path: str | os.PathLike[str],
    pictures: Iterable[Picture],
    seconds: Iterable[float],
    *,
    overwrite: bool = False,
) -> None:
    """Write pictures of one size, (height, width, 3) in [0, 1], each to be seen for so long.

    A row or column that would make a side odd is left out, where the kind of file has no such.

    Raises:
        ImageError: it cannot be written; see ``check_target``.
    """
    target = check_target(os.fspath(path), (), overwrite=overwrite, source="")
    found, time = [], Fraction(0)
    for picture, length in zip(pictures, seconds, strict=True):
        height, width = picture.shape[:2]
        if target.is_even:
            picture = picture[: height - height % 2, : width - width % 2]
        found.append(Frame(time, picture))
        time += round(Fraction(length), 3)
    write(target, found, Fraction(1, 1000), time)
