"""Painting sounds by a small bundle, against plain loops in NumPy with filters of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from impasto.runtime import (
    BundleError,
    CheckpointError,
    Engine,
    ImpastoError,
    SettingError,
    Sound,
    SoundError,
    resume_sound,
    start_sound,
    start_texture,
)
from impasto.runtime.audio.canvas import prepare
from impasto.runtime.audio.spectrogram import istft, stft
from impasto.runtime.planning import ways
from impasto.runtime.run import Run

Tones = Callable[..., Sound]


def features(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """(positions, filters) of a (1, frames, bins) image, in loops over the filter's frames."""
    frames, bins = image.shape[1:]
    padded = np.zeros((frames + 10, bins))
    padded[5:-5] = image[0]
    total = np.zeros((frames, len(kernel)))
    for place in range(11):
        total += padded[place : place + frames] @ kernel[:, :, place].T
    return np.maximum(total, 0)


def gram(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    found = features(image, kernel)
    return found.T @ found / len(found)


def held_out(bins: int) -> np.ndarray:
    """Filters that the bundle has not."""
    return np.random.default_rng(99).standard_normal((60, bins, 11)) / np.sqrt(bins * 11)


def run_of(engine: Engine, seconds: float, tones: Tones, **settings: object) -> Run:
    content, style = tones(seconds, 300, 900), tones(seconds, 500, 1200, 1700, seed=4)
    return start_sound(engine, content, style, **settings).run  # type: ignore[arg-type]


def test_the_loss_is_that_of_loops_in_float64(hum: Engine, tones: Tones) -> None:
    content, style = tones(1, 300, 900), tones(1.5, 500, 1200)
    about = hum.manifest.spectrogram
    random = hum.manifest.random
    assert about
    assert random
    own = [prepare(sound, about)[0] for sound in (content, style)]
    data = hum.runs.bundle.files["weights.bin"]
    table = np.frombuffer(data, "<f4", 256)
    index = np.frombuffer(data, np.uint8, math.prod(random.shape), 1024)
    kernel = table[index].astype(np.float64).reshape(random.shape)[:, :, 0]
    step = next(start_sound(hum, content, style, iterations=1).run)
    image = step.image
    grams = [gram(picture, kernel) for picture in (image, own[1])]
    count = len(kernel)
    squares = np.square((grams[0] - grams[1]) / count).sum() / count**2
    assert step.terms["style.filters"] == pytest.approx(squares, rel=1e-4)
    off = features(image, kernel) - features(own[0], kernel)
    assert step.terms["content.filters"] == pytest.approx(np.square(off).mean(), rel=1e-3)


def test_the_style_is_heard_by_filters_that_nobody_optimised(hum: Engine, tones: Tones) -> None:
    content, style = tones(2, 300, 900), tones(2, 500, 1200, 1700, seed=4)
    about = hum.manifest.spectrogram
    assert about
    (own, _), (theirs, _) = prepare(content, about), prepare(style, about)
    kernel = held_out(about.bins)
    goal = gram(theirs, kernel)

    def error(image: np.ndarray) -> float:
        return float(np.linalg.norm(gram(image, kernel) - goal) / np.linalg.norm(goal))

    painting = start_sound(hum, content, style, iterations=40)
    image = painting.run.finish().image
    assert error(image) < 0.7 * error(own)
    assert 0.4 < np.corrcoef(image.ravel(), own.ravel())[0, 1] < 0.999
    free = start_sound(hum, content, style, iterations=40, content_weight=0).run.finish().image
    assert error(free) < error(image)


def test_tiles_have_the_wholes_losses(
    hum: Engine, tones: Tones, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [step.terms for step in run_of(hum, 3, tones, iterations=4)]
    monkeypatch.setattr(ways, "WHOLE_GRAPHS", 10**12)
    monkeypatch.setattr(ways, "GOOD_TILE", 1500)
    monkeypatch.setattr(ways, "LEAST_TILE", 1200)
    run = run_of(hum, 3, tones, iterations=4)
    assert run.plan.scales[0].tile_pixels
    assert run.plan.scales[0].tile_pixels <= run.size[1] / 2
    for plain, tiled in zip(whole, (step.terms for step in run), strict=True):
        for name, value in plain.items():
            assert tiled[name] == pytest.approx(value, rel=1e-5)


def test_every_length_is_painted_as_it_is(hum: Engine, tones: Tones) -> None:
    for count in (1500, 1501, 1533, 4001):
        sound = Sound(tones(2, 300, 800).samples[:count], 4000)
        painting = start_sound(hum, sound, tones(1, 500), iterations=1)
        assert painting.sound(painting.run.finish()).samples.shape == (count, 1)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("rate", [4000, 11025])
def test_rate_length_channels_and_level_are_the_contents(
    hum: Engine, tones: Tones, channels: int, rate: int
) -> None:
    content = tones(1, 300, 900, rate=rate, channels=channels)
    painting = start_sound(hum, content, tones(1, 500, 1300), iterations=2)
    found = painting.sound(painting.run.finish())
    assert (found.rate, found.samples.shape) == (rate, content.samples.shape)
    assert found.level == pytest.approx(content.level, rel=0.01) or found.peak > 0.99
    assert found.peak <= 0.9991
    quiet = Sound(content.samples / 50, rate)
    painting = start_sound(hum, quiet, tones(1, 500, 1300), iterations=2)
    softly = painting.sound(painting.run.finish())
    assert softly.level == pytest.approx(quiet.level, rel=0.01)


def test_what_is_on_one_side_stays_there_and_nothing_cancels(hum: Engine, tones: Tones) -> None:
    left, right = tones(1, 320).samples, tones(1, 1250).samples
    content = Sound(np.concatenate([left, right], 1), 4000)
    about = hum.manifest.spectrogram
    assert about
    image, stage = prepare(content, about)
    found = stage.sound(image, about).samples

    def energy(channel: int, hertz: int) -> float:
        spectrum = np.abs(np.fft.rfft(found[:, channel])) ** 2
        return float(spectrum[hertz - 40 : hertz + 40].sum())

    assert energy(0, 320) > 20 * energy(1, 320)
    assert energy(1, 1250) > 20 * energy(0, 1250)
    opposite = Sound(np.concatenate([left, -left], 1), 4000)  # whose middle is silence
    image, stage = prepare(opposite, about)
    heard = stage.sound(image, about)
    assert heard.level == pytest.approx(opposite.level, rel=0.01)


def test_a_loud_result_is_made_softer_not_clipped(hum: Engine) -> None:
    about = hum.manifest.spectrogram
    assert about
    square = np.sign(np.sin(np.arange(4000) / 7))[:, None].astype(np.float32)
    image, stage = prepare(Sound(square, 4000), about)
    found = stage.sound(image, about)
    assert 0.99 < found.peak <= 0.9991
    assert found.level < 1
    at_peak = np.abs(found.samples) > 0.998
    assert at_peak.mean() < 0.01


def test_a_spectrogram_that_is_painted_nothing_on_sounds_as_before(
    hum: Engine, tones: Tones
) -> None:
    about, content = hum.manifest.spectrogram, tones(1.5, 300, 700)
    assert about
    image, stage = prepare(content, about)
    found, true = stage.sound(image, about).samples[:, 0], content.samples[:, 0]
    a, b = np.abs(stft(found, about)), np.abs(stft(true, about))
    assert np.linalg.norm(a - b) < 0.05 * np.linalg.norm(b)
    back = istft(stft(true, about), about, len(true))
    np.testing.assert_allclose(back, true, atol=1e-9)


def test_a_texture_is_as_long_as_wanted_and_no_copy(hum: Engine, tones: Tones) -> None:
    style = tones(2, 500, 1200, 1700, channels=2)
    painting = start_texture(hum, style, 3.0, iterations=40, seed=3)
    result = painting.run.finish()
    found = painting.sound(result)
    assert found.samples.shape == (12000, 2)
    about = hum.manifest.spectrogram
    assert about
    kernel = held_out(about.bins)
    goal = gram(prepare(style, about)[0], kernel)
    assert np.linalg.norm(gram(result.image, kernel) - goal) < 0.5 * np.linalg.norm(goal)
    other = start_texture(hum, style, 3.0, iterations=40, seed=4)
    again = other.sound(other.run.finish())
    assert np.abs(np.corrcoef(found.samples[:, 0], again.samples[:, 0])[0, 1]) < 0.5


@pytest.mark.parametrize("settings", [{}, {"init": "noise", "seed": 5}, {"optimizer": "adam"}])
def test_a_resumed_run_ends_in_the_same_samples(
    hum: Engine, tones: Tones, tmp_path: Path, settings: dict[str, object]
) -> None:
    content, style = tones(1, 300, 900, channels=2), tones(1, 500, 1200)
    whole = start_sound(hum, content, style, iterations=8, **settings)  # type: ignore[arg-type]
    expected = whole.sound(whole.run.finish()).samples.tobytes()
    part = start_sound(hum, content, style, iterations=8, **settings)  # type: ignore[arg-type]
    for _ in range(3):
        next(part.run)
    part.run.save(tmp_path / "run")
    again = resume_sound(hum, tmp_path / "run", content)
    assert again.sound(again.run.finish()).samples.tobytes() == expected
    with pytest.raises(CheckpointError, match="was not begun with"):
        resume_sound(hum, tmp_path / "run", tones(1, 300, 901))


def test_a_texture_is_resumed_too(hum: Engine, tones: Tones, tmp_path: Path) -> None:
    style = tones(1, 500, 1200)
    whole = start_texture(hum, style, 1.3, iterations=5)
    whole.run.save(tmp_path / "run")
    expected = whole.sound(whole.run.finish()).samples
    again = resume_sound(hum, tmp_path / "run", style, 1.3)
    assert (again.sound(again.run.finish()).samples == expected).all()


@pytest.mark.parametrize(
    ("samples", "about"),
    [
        (np.zeros((4000, 2), np.float32), "is silent"),
        (np.full((4000, 1), 1e-6, np.float32), "is silent"),
        (np.ones((1, 1), np.float32), "give at least"),
        (np.ones((288, 1), np.float32), "give at least 0.073 s"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_sounds_that_cannot_be_painted(
    hum: Engine, tones: Tones, samples: np.ndarray, about: str, place: int
) -> None:
    pair = [tones(1, 300), tones(1, 500)]
    pair[place] = Sound(samples, 4000, "hush.wav")
    with pytest.raises(SoundError, match=about) as caught:
        start_sound(hum, *pair)
    assert str(caught.value).startswith("hush.wav")


def test_the_shortest_sound(hum: Engine, tones: Tones) -> None:
    short = Sound(tones(1, 300).samples[:289], 4000)
    assert start_sound(hum, short, short, iterations=1).run.size == (1, 11)


def test_what_makes_no_sense_is_told(hum: Engine, tones: Tones) -> None:
    content, style = tones(1, 300), tones(1, 500)
    calls: list[tuple[str, Callable[[], object]]] = [
        ("begins with content", lambda: start_sound(hum, content, style, init="gray")),
        ("no style", lambda: start_sound(hum, content, [])),
        ("give 0.1 or more", lambda: start_texture(hum, style, 0.01)),
        ("no such setting|no such keyword", lambda: start_sound(hum, content, style, colour=1)),  # type: ignore[call-arg]
    ]
    for about, call in calls:
        with pytest.raises(ImpastoError, match=about):
            call()
    with pytest.raises(SettingError):
        start_sound(hum, content, style, iterations=0)
    with pytest.raises(BundleError, match="it paints pictures"):
        start_sound(Engine.load("vgg19", device="cpu"), content, style)


def test_a_style_of_any_length_is_described(hum: Engine, tones: Tones) -> None:
    short, long = Sound(tones(1, 300).samples[:300], 4000), tones(30, 500)
    assert start_sound(hum, short, long, iterations=1).run.finish().iterations == 1
