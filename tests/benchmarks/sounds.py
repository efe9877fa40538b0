"""The figures and pictures of docs/sound.md: `python tests/benchmarks/sounds.py FOLDER [OUT]`.

FOLDER holds what Debian's sonic-pi-samples, alsa-utils and puredata-doc unpack to (`dpkg-deb -x`).
What is in OUT already is measured, not painted again.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.signal import correlate

from impasto.runtime import (
    Engine,
    Sound,
    read_sound,
    start_sound,
    start_texture,
    write_sound,
)
from impasto.runtime.audio.canvas import prepare
from impasto.runtime.audio.phase import find_phases, spectral_convergence, unit
from impasto.runtime.audio.sound import resampled
from impasto.runtime.audio.spectrogram import from_canvas, istft, stft, to_canvas
from impasto.runtime.bundle.bundle import read_manifest
from impasto.runtime.bundle.manifest import Spectrogram

SAMPLES = "usr/share/sonic-pi/samples"
SPEECH = tuple(
    f"usr/share/sounds/alsa/{n}.wav" for n in ("Front_Center", "Rear_Left", "Side_Right")
)
SECONDS, PIECE = 4.0, 0.5
FILTERS = 256
MANIFEST = read_manifest("audio")
assert MANIFEST.spectrogram
ABOUT: Spectrogram = MANIFEST.spectrogram


def load(folder: Path, *names: str, start: float = 0.0) -> Sound:
    """Some seconds of files, one after another."""
    sounds = [read_sound(folder / name) for name in names]
    samples, rate = np.concatenate([sound.samples for sound in sounds]), sounds[0].rate
    first = round(start * rate)
    return Sound(samples[first : first + round(SECONDS * rate)], rate, names[0])


def mono(sound: Sound) -> np.ndarray:
    """At the bundle's rate, all channels together."""
    count = round(sound.seconds * ABOUT.rate)
    return resampled(sound.samples, sound.rate, ABOUT.rate, count).mean(1).astype(np.float64)


def grams(image: np.ndarray) -> np.ndarray:
    """By filters that are none of the bundle's."""
    kernel = np.random.default_rng(77).standard_normal((FILTERS, ABOUT.bins, 11))
    padded = np.pad(image[0].astype(np.float64), ((5, 5), (0, 0)))
    frames = image.shape[1]
    found = sum(padded[k : k + frames] @ kernel[:, :, k].T for k in range(11))
    found = np.maximum(found, 0)
    return np.asarray(found.T @ found / frames)


def error(image: np.ndarray, style: np.ndarray) -> float:
    """Of the style's statistics, as loud as it is nearest: a file has the content's level."""
    goal, magnitudes = grams(style), from_canvas(image, ABOUT)
    found = [grams(to_canvas(2 ** (k / 3) * magnitudes, ABOUT)) for k in range(-9, 4)]
    return float(min(np.linalg.norm(own - goal) for own in found) / np.linalg.norm(goal))


def envelope(samples: np.ndarray) -> np.ndarray:
    """Of 20 ms, the level in decibels, down to 60 below the loudest."""
    block = ABOUT.rate // 50
    cut = samples[: len(samples) // block * block].reshape(-1, block)
    energy = np.square(cut).mean(1)
    return 10 * np.log10(np.maximum(energy, 1e-6 * energy.max()))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    count = min(len(a), len(b))
    return float(np.corrcoef(a[:count], b[:count])[0, 1])


def resemblance(samples: np.ndarray, style: np.ndarray) -> tuple[float, float]:
    """Of pieces of half a second, the largest normalised cross-correlation with the style.

    The largest and the median of them.
    """
    size, found = round(PIECE * ABOUT.rate), []
    energy = np.convolve(style**2, np.ones(size), "valid")
    for start in range(0, len(samples) - size + 1, size // 2):
        piece = samples[start : start + size]
        if np.abs(piece).max() > 0.02 * np.abs(samples).max():
            products = np.abs(correlate(style, piece, "valid", "fft"))
            found.append((products / np.sqrt((piece**2).sum() * np.maximum(energy, 1e-9))).max())
    return float(max(found)), float(np.median(found))


def griffin_lim(magnitudes: np.ndarray, count: int, rounds: int) -> float:
    """Spectral convergence of the plain algorithm, from random phases."""
    turn = np.random.default_rng(0).uniform(-np.pi, np.pi, magnitudes.shape)
    spectrum = magnitudes * np.exp(1j * turn)
    for _ in range(rounds):
        spectrum = magnitudes * unit(stft(istft(spectrum, ABOUT, count), ABOUT))
    return spectral_convergence(istft(spectrum, ABOUT, count), magnitudes, ABOUT)


def draw(rows: list[tuple[str, np.ndarray]], path: Path) -> None:
    """Spectrograms, one below the other, to 8 kHz."""
    matplotlib.rcParams["font.size"] = 9
    figure = Figure(figsize=(8, 2.1 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), 1, sharex=True)
    for (title, image), axis in zip(rows, axes, strict=True):
        extent = (0, image.shape[1] * ABOUT.hop / ABOUT.rate, 0, ABOUT.rate / 2000)
        axis.imshow(image[0].T, aspect="auto", origin="lower", extent=extent, cmap="magma", vmin=0)
        axis.set(title=title, ylabel="kHz", ylim=(0, 8))
    axes[-1].set(xlabel="seconds")
    figure.savefig(path, dpi=80, pil_kwargs={"quality": 88})


def paint(speech: Sound, tabla: Sound, out: Path) -> dict[str, Sound]:
    """What is not there yet, and how long it took."""
    engine = Engine.load("audio", device="cpu")
    made = {
        "painted": lambda: start_sound(engine, speech, tabla),
        "texture": lambda: start_texture(engine, tabla, SECONDS),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, make in made.items():
        if not (out / f"{name}.wav").exists():
            wall, own = time.perf_counter(), time.process_time()
            painting = make()
            write_sound(out / f"{name}.wav", painting.sound(painting.run.finish()))
            wall, own = time.perf_counter() - wall, time.process_time() - own
            print(f"{name}: {wall:.0f} s, {own:.0f} s of processors")
    return {name: read_sound(out / f"{name}.wav") for name in made}


def tell(sounds: dict[str, Sound], images: dict[str, np.ndarray]) -> None:
    """A row for each sound, and how good the phases of true magnitudes become."""
    waves = {name: mono(sound) for name, sound in sounds.items()}
    print("| | style's error | content | envelope: speech, tabla | tabla's wave: most, median |")
    for name, image in images.items():
        flat, own = image.ravel(), images["speech"].ravel()
        count = min(len(flat), len(own))
        like = resemblance(waves[name], waves["tabla"])
        print(
            f"| {name} | {error(image, images['tabla']):.2f} "
            f"| {correlation(flat[:count], own[:count]):.2f} "
            f"| {correlation(envelope(waves[name]), envelope(waves['speech'])):.2f}, "
            f"{correlation(envelope(waves[name]), envelope(waves['tabla'])):.2f} "
            f"| {like[0]:.2f}, {like[1]:.2f} |"
        )
    for name in ("speech", "tabla"):
        magnitudes = from_canvas(images[name], ABOUT)
        count = (images[name].shape[1] - 1) * ABOUT.hop
        phases = find_phases(magnitudes, ABOUT, count, 0)
        ours = spectral_convergence(istft(magnitudes * phases, ABOUT, count), magnitudes, ABOUT)
        print(f"{name}: {ours:.4f}; 200 rounds: {griffin_lim(magnitudes, count, 200):.4f}")


def main(folder: Path, out: Path) -> None:
    speech, tabla = load(folder, *SPEECH), load(folder, f"{SAMPLES}/loop_tabla.flac")
    more = load(folder, f"{SAMPLES}/loop_tabla.flac", start=SECONDS)
    sounds = {"speech": speech, "tabla": tabla, "more tabla": more, **paint(speech, tabla, out)}
    images = {name: prepare(sound, ABOUT)[0] for name, sound in sounds.items()}
    titles = {
        "speech": "speech",
        "tabla": "tabla",
        "painted": "speech in the style of tabla",
        "texture": "a texture of tabla",
    }
    draw([(title, images[name]) for name, title in titles.items()], Path("docs/images/sound.jpg"))
    tell(sounds, images)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "build/sounds"))
