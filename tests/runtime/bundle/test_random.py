"""Weights that no file holds: the stream by plain integers, and what a manifest may ask for."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.random import Random, make_index, make_table, make_weights
from impasto.runtime.errors import BundleError

HUM = Path(__file__).parents[2] / "data" / "hum"
MASK = (1 << 64) - 1


def philox(seed: int) -> Iterator[int]:
    """Philox4x64-10 by its paper: 64-bit words of the blocks 1, 2, ..."""
    block = 0
    while True:
        block += 1
        counter, key = [block, 0, 0, 0], [seed, 0]
        for _ in range(10):
            high = [counter[0] * 0xD2E7470EE14C6C93, counter[2] * 0xCA5A826395121157]
            counter = [
                (high[1] >> 64) ^ counter[1] ^ key[0],
                high[1] & MASK,
                (high[0] >> 64) ^ counter[3] ^ key[1],
                high[0] & MASK,
            ]
            key = [(key[0] + 0x9E3779B97F4A7C15) & MASK, (key[1] + 0xBB67AE8584CAA73B) & MASK]
        yield from counter


@pytest.mark.parametrize("seed", [0, 1, (1 << 63) - 1])
def test_the_bytes_are_those_of_philox_and_the_table_has_quantiles(seed: int) -> None:
    about = Random(generator="philox4x64-10", seed=seed, shape=(3, 5, 1, 7), deviation=0.25)
    stream = philox(seed)
    expected = b"".join(next(stream).to_bytes(8, "little") for _ in range(14))[:105]
    assert make_index(about).tobytes() == expected
    table = make_table(about)
    np.testing.assert_allclose(table, 0.25 * ndtri((np.arange(256) + 0.5) / 256), rtol=1e-6)
    weights = make_weights(about)
    assert weights == (table.tobytes() + expected).ljust(1024 + 128, b"\0")
    assert len(weights) == about.size


def test_the_weights_are_normal() -> None:
    about = Random(generator="philox4x64-10", seed=9, shape=(500, 400), deviation=2.0)
    values = make_table(about)[make_index(about)].astype(np.float64)
    assert abs(values.mean()) < 0.02
    assert values.std() == pytest.approx(2, rel=0.01)
    assert (values**4).mean() / 16 == pytest.approx(3, rel=0.05)  # the normal's kurtosis


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], object]], str]:
    """The sentence about the bundle with a changed manifest."""

    def refuse(change: Callable[[dict[str, Any]], object]) -> str:
        folder = Path(shutil.copytree(HUM, tmp_path / "bundle"))
        raw = json.loads((folder / "manifest.json").read_text())
        change(raw)
        (folder / "manifest.json").write_text(json.dumps(raw))
        with pytest.raises(BundleError) as caught:
            Bundle(folder)
        return str(caught.value)

    return refuse


def test_a_bundle_makes_its_weights_and_no_file_beside_it_counts(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(HUM, tmp_path / "bundle"))
    assert not (folder / "weights.bin").exists()
    (folder / "weights.bin").write_bytes(b"something else")
    bundle = Bundle(folder)
    manifest = bundle.manifest
    assert manifest.random
    assert bundle.files["weights.bin"] == make_weights(manifest.random)
    digest = hashlib.sha256(bundle.files["weights.bin"]).hexdigest()
    assert digest == manifest.files["weights.bin"].sha256
    size = 1024 + math.prod(manifest.random.shape)
    assert len(bundle.files["weights.bin"]) == -(-size // 64) * 64


@pytest.mark.parametrize(
    ("about", "change"),
    [
        ("its SHA-256 is not the manifest's", {"seed": 8}),
        ("its SHA-256 is not the manifest's", {"deviation": 0.1}),
        ("no weights have the shape", {"shape": []}),
        ("no weights have the shape", {"shape": [1 << 40]}),
        ("bytes are not those of weights.bin", {"shape": [96, 64, 1, 12]}),
        ("its seed or its deviation", {"seed": -1}),
        ("its seed or its deviation", {"deviation": 0.0}),
        ("is not what belongs there", {"generator": "mersenne"}),
    ],
)
def test_what_is_not_made_as_it_says_is_refused(
    refused: Callable[[Callable[[dict[str, Any]], object]], str], about: str, change: dict[str, Any]
) -> None:
    assert about in refused(lambda raw: raw["random"].update(change))


def test_no_small_manifest_asks_for_gigabytes(
    refused: Callable[[Callable[[dict[str, Any]], object]], str],
) -> None:
    def grow(raw: dict[str, Any]) -> None:
        raw["random"]["shape"] = [1 << 20, 1 << 10]
        raw["files"]["weights.bin"]["size"] = 1024 + (1 << 30)

    assert "or too many" in refused(grow)


@pytest.mark.parametrize(
    ("about", "change"),
    [
        ("its rate or its window", {"rate": 0}),
        ("its rate or its window", {"window": 1 << 20}),
        ("must overlap", {"hop": 65}),
        ("must overlap", {"hop": 0}),
        ("a channel for each bin", {"window": 256}),
    ],
)
def test_spectrograms_that_make_no_sense_are_refused(
    refused: Callable[[Callable[[dict[str, Any]], object]], str], about: str, change: dict[str, Any]
) -> None:
    assert about in refused(lambda raw: raw["spectrogram"].update(change))
