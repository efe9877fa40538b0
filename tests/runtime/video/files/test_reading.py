"""Frames as they are to be seen: colors, range, rotation, pixels' shape, times, fields."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av")

from impasto.runtime.errors import ImageError
from impasto.runtime.video.files.colors import BT601, BT709, to_rgb
from impasto.runtime.video.files.reading import Frame, examine, frames

ROOM = 10**6


def read(path: Path, **how: Any) -> list[Frame]:
    header = examine(str(path), ROOM)
    return [frame for frame in frames(header, header.size, **how) if frame is not None]


def flat(*code: int, size: tuple[int, int] = (32, 48)) -> Any:
    return np.broadcast_to(np.array(code, np.uint8), (*size, 3)).copy()


@pytest.mark.parametrize(
    ("tags", "size", "matrix", "full"),
    [
        ((0, 2, 2, 2), (32, 48), BT601, False),
        ((1, 1, 1, 1), (32, 48), BT709, False),
        ((2, 1, 1, 1), (32, 48), BT709, True),
        ((1, 6, 6, 6), (720, 64), BT601, False),
        ((0, 2, 2, 2), (720, 64), BT709, False),
    ],
)
def test_matrix_and_range_are_what_is_said_else_the_usual_ones(
    movie: Any, tags: Any, size: Any, matrix: Any, full: bool
) -> None:
    codes = flat(120, 90, 180, size=size)
    (frame, *_) = read(movie("a.mp4", [codes] * 2, tags=tags))
    expected = to_rgb(codes, 8, matrix, full=full)[0, 0]
    np.testing.assert_allclose(frame.picture[8, 8], expected, atol=1.1 / 255)


def test_times_stay_as_irregular_as_they_are(movie: Any, moving: Any) -> None:
    found = read(movie("a.mp4", moving(6)))
    assert [frame.time for frame in found] == [Fraction(t, 30) for t in (0, 1, 2, 4, 7, 8)]
    part = read(movie("a.mp4", moving(6)), every=0.1)
    assert [frame.time for frame in part] == [Fraction(t, 30) for t in (0, 4, 7)]
    rest = read(movie("a.mp4", moving(6)), skip=4)
    np.testing.assert_array_equal(rest[0].picture, found[4].picture)


@pytest.mark.parametrize("turned", [90, 180, -90])
def test_frames_are_upright(movie: Any, moving: Any, turned: int) -> None:
    codes = moving(3)
    plain, rotated = read(movie("a.mp4", codes)), read(movie("b.mp4", codes, turned=turned))
    expected = np.rot90(plain[1].picture, turned // 90)
    np.testing.assert_array_equal(rotated[1].picture, expected)


def test_pixels_are_square(movie: Any, moving: Any) -> None:
    path = movie("a.mp4", moving(2), aspect=Fraction(4, 3))
    assert examine(str(path), ROOM).size == (32, 64)
    assert read(path)[0].picture.shape == (32, 64, 3)


@pytest.mark.parametrize(
    ("codec", "kind", "name"),
    [("libx264", "yuv444p", "a.mp4"), ("ffv1", "yuv420p10le", "a.mkv"), ("ffv1", "bgr0", "a.mkv")],
)
def test_other_kinds_of_pixels(movie: Any, moving: Any, codec: str, kind: str, name: str) -> None:
    codes = moving(2, size=(31, 47) if kind != "yuv420p10le" else (32, 48))
    tags = (1, 1, 1, 1) if kind != "bgr0" else (2, 0, 1, 1)
    (frame, *_) = read(movie(name, codes, codec=codec, kind=kind, tags=tags))
    if kind == "yuv444p":
        np.testing.assert_allclose(frame.picture, to_rgb(codes[0], 8, BT709), atol=1e-6)
    assert frame.picture.shape[:2] == codes[0].shape[:2]
    assert frame.picture.std() > 0.1


def test_of_interlaced_frames_whole_ones_are_made(movie: Any, moving: Any) -> None:
    """Fields of two moments: as they are they have combs, deinterlaced they have none."""
    whole = moving(12)
    woven = []
    for first, second in zip(whole[::2], whole[1::2], strict=True):
        both = first.copy()
        both[1::2] = second[1::2]
        woven.append(both)
    path = movie("a.mp4", woven, interlaced=True, times=range(6))
    header = examine(str(path), ROOM)
    assert header.interlaced
    found = read(path)
    assert [frame.time for frame in found] == [Fraction(t, 30) for t in range(6)]

    def combs(picture: Any) -> float:
        return float(np.abs(picture[1:-1] - (picture[:-2] + picture[2:]) / 2).mean())

    combed = to_rgb(woven[3], 8, BT601)
    assert combs(found[3].picture) < 0.6 * combs(combed)


@pytest.mark.parametrize(
    ("tags", "part"), [((1, 9, 9, 16), "PQ"), ((1, 9, 9, 18), "HLG"), ((1, 9, 9, 14), "BT.2020")]
)
def test_high_dynamic_range_is_refused(movie: Any, moving: Any, tags: Any, part: str) -> None:
    path = movie("a.mp4", moving(2), tags=tags)
    with pytest.raises(ImageError, match=rf"a.mp4 is of high dynamic range .*\({part}\).* first"):
        examine(str(path), ROOM)


def test_what_is_no_video_is_one_sentence(movie: Any, moving: Any, tmp_path: Path) -> None:
    path = movie("a.mp4", moving(4), sound="aac")
    with pytest.raises(ImageError, match=r"32 = 1,536 pixels, over the limit of 1,000"):
        examine(str(path), 1000)
    data = path.read_bytes()
    bad = {
        "no.mp4": (b"no video at all", "is damaged, cut short or no video"),
        "empty.mp4": (b"", "is empty"),
        "cut.mp4": (data[: len(data) // 2], "is damaged, cut short"),
    }
    for name, (content, part) in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError, match=rf"{name} {part}"):
            examine(str(tmp_path / name), ROOM)
    with pytest.raises(ImageError, match=r"gone.mp4 does not exist"):
        examine(str(tmp_path / "gone.mp4"), ROOM)
    import av

    with av.open(str(path)) as source, av.open(str(tmp_path / "s.mp4"), "w") as sound:
        stream = sound.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                sound.mux(packet)
    with pytest.raises(ImageError, match=r"s.mp4 has no video stream; give"):
        examine(str(tmp_path / "s.mp4"), ROOM)
