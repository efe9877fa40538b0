"""What is written is read again: pictures, times, tags, sound to the bit; and what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

from impasto.runtime.errors import ImageError
from impasto.runtime.pictures.image import read_picture
from impasto.runtime.video.files.colors import BT709, to_rgb
from impasto.runtime.video.files.reading import Frame, examine, frames, packets
from impasto.runtime.video.files.writing import Target, check_target, write, write_video

ROOM = 10**6
TIMES = [Fraction(t, 30) for t in (0, 1, 2, 4, 7, 8)]
BASE, END = Fraction(1, 30_000), Fraction(9, 30)


@pytest.fixture
def shown(moving: Any) -> list[Frame]:
    pictures = [to_rgb(codes, 8, BT709) for codes in moving(6)]
    return [Frame(time, picture) for time, picture in zip(TIMES, pictures, strict=True)]


def again(path: Path) -> list[Frame]:
    header = examine(str(path), ROOM)
    return [frame for frame in frames(header, header.size) if frame is not None]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_a_movie_has_the_pictures_at_their_times_and_says_its_colors(
    shown: list[Frame], tmp_path: Path, suffix: str
) -> None:
    path, other = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    for each in (path, other):
        write(check_target(str(each), (), overwrite=False, source=""), shown, BASE, END)
    assert path.read_bytes() == other.read_bytes()
    found = again(path)
    unit = Fraction(1, 1000) if suffix != "mp4" else 0
    assert all(abs(a.time - b.time) <= unit for a, b in zip(found, shown, strict=True))
    errors = [a.picture - b.picture for a, b in zip(found, shown, strict=True)]
    assert np.abs(errors).mean() < 0.03  # chroma has half the sides
    assert np.abs(np.mean(errors)) < 0.003  # no darker, no lighter
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        assert stream.codec_context.name == ("vp9" if suffix == "webm" else "h264")
        assert (frame.format.name, frame.color_range, frame.colorspace) == ("yuv420p", 1, 1)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_sound_is_copied_to_the_bit(
    movie: Any, moving: Any, shown: list[Frame], tmp_path: Path, suffix: str
) -> None:
    source = str(movie("source.mp4", moving(6), sound="aac"))
    header = examine(source, ROOM)
    assert header.sounds == ("aac",)
    target = check_target(
        str(tmp_path / f"a.{suffix}"), header.sounds, overwrite=False, source=source
    )
    write(target, shown, BASE, END)
    before, after = (list(packets(path)) for path in (source, target.path))
    assert [bytes(p) for _, p in before] == [bytes(p) for _, p in after]
    assert len(before) > 8
    first = again(Path(target.path))[0].time  # where times must not be negative, all are later
    for (_, a), (_, b) in zip(before, after, strict=True):
        apart = b.pts * b.time_base - first - (a.pts * a.time_base - TIMES[0])
        assert abs(apart) <= Fraction(1, 1000)


def test_a_folder_has_pictures_of_16_bits(shown: list[Frame], tmp_path: Path) -> None:
    target = check_target(f"{tmp_path / 'out'}/", (), overwrite=False, source="")
    assert target.is_folder
    assert check_target(f"{tmp_path / 'out.d'}/", (), overwrite=False, source="").is_folder
    assert not target.is_even
    write(target, shown, BASE, END)
    found = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in found] == [f"{n:06d}.png" for n in range(1, 7)]
    error = np.abs(read_picture(found[3]) - shown[3].picture).max()
    assert error <= 0.5001 / 65535
    with pytest.raises(ImageError, match="has files already"):
        check_target(str(tmp_path / "out"), (), overwrite=False, source="")


def test_a_gif_shows_each_as_long_as_it_should(shown: list[Frame], tmp_path: Path) -> None:
    target = check_target(str(tmp_path / "a.gif"), (), overwrite=False, source="")
    write(target, shown, BASE, END)
    lengths = []
    with Image.open(target.path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            lengths.append(image.info["duration"])
            error = np.asarray(image.convert("RGB"), float) / 255 - shown[number].picture
            assert np.abs(error).mean() < 0.06
    assert lengths == [30, 40, 60, 100, 40, 30]


@pytest.mark.parametrize(
    ("name", "sounds", "part"),
    [
        ("a.avi", (), "a.avi has the suffix of no video; use .mp4, .mkv, .webm, .gif, or a folder"),
        ("a.webm", ("aac",), "has sound of the codec aac, which a .webm cannot hold; write a .mkv"),
        ("none/a.mp4", (), "there is no folder"),
        ("there.mp4", (), "exists already"),
        ("file/", (), "exists already"),
    ],
)
def test_what_cannot_be_written_is_told_before(
    tmp_path: Path, name: str, sounds: Any, part: str
) -> None:
    (tmp_path / "there.mp4").touch()
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match=part):
        check_target(str(tmp_path / name), sounds, overwrite=False, source="clip.mp4")


def test_a_movie_appears_whole_or_not_at_all(shown: list[Frame], tmp_path: Path) -> None:
    def broken() -> Any:
        yield from shown[:3]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(Target(path=str(tmp_path / "a.mp4")), broken(), BASE, END)
    assert not list(tmp_path.iterdir())


def test_pictures_of_odd_sides_become_a_movie(shown: list[Frame], tmp_path: Path) -> None:
    pictures = [frame.picture[:31, :47] for frame in shown]
    write_video(tmp_path / "a.mp4", pictures, [0.08] * 5 + [2.0])
    found = again(tmp_path / "a.mp4")
    assert found[0].picture.shape == (30, 46, 3)
    assert [float(frame.time) for frame in found] == pytest.approx([0.08 * n for n in range(6)])
    import av

    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.duration / av.time_base == pytest.approx(2.4, abs=0.002)
