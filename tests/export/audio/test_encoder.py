"""The encoder of sounds by loops in float64, and the bundles that are made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from impasto.export.audio import Sound
from impasto.runtime import Engine
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.conformance import verify_bundle

HUM = Path(__file__).parents[2] / "data" / "hum"


def test_it_is_a_convolution_with_silence_around(make_data: Any) -> None:
    encoder = make_data.Hum()
    image = np.random.default_rng(0).random((64, 23))
    found = encoder(torch.from_numpy(image[None, :, None].astype(np.float32)))["filters"]
    kernel = encoder.filters.weight.detach().double().numpy()[:, :, 0]
    assert found.shape == (1, 96, 1, 23)
    for filter_, place in ((0, 0), (50, 3), (95, 22), (7, 11)):
        total = 0.0
        for frame in range(11):
            there = place + frame - 5
            if 0 <= there < 23:
                for k in range(64):
                    total += kernel[filter_, k, frame] * image[k, there]
        assert found[0, filter_, 0, place].item() == pytest.approx(max(total, 0), abs=1e-5)


def test_features_are_as_large_as_what_they_are_of(make_data: Any) -> None:
    with torch.no_grad():
        image = torch.rand(1, 64, 1, 200)
        found = make_data.Hum()(image)["filters"][..., 5:-5]
    assert found.square().mean().item() == pytest.approx(image.square().mean().item(), rel=0.25)


def test_the_packaged_bundle_says_what_the_encoder_does_and_has_no_weights() -> None:
    bundle = Bundle("audio")
    manifest = bundle.manifest
    assert manifest.random == Sound.random
    assert manifest.spectrogram == Sound.spectrogram
    assert manifest.canvas == Sound.canvas
    assert manifest.presets == Sound.presets
    assert manifest.random
    assert manifest.random.shape == (2048, 1024, 1, 11)
    size = sum(path.stat().st_size for path in bundle.path.iterdir())
    assert size < 120_000 < len(bundle.files["weights.bin"])
    assert not (bundle.path / "weights.bin").exists()


def test_a_bundle_is_what_pytorch_computes() -> None:
    report = verify_bundle(HUM, device="cpu")
    assert report.passes


def test_the_small_bundles_preset_is_the_large_ones() -> None:
    raw = json.loads((HUM / "manifest.json").read_text())
    assert raw["presets"]["sound"]["settings"]["schedule"] == [100]
    assert Engine.load(HUM, device="cpu").settings().init == "content"


@pytest.mark.soak
def test_the_bundles_are_what_is_exported_now(make_data: Any, tmp_path: Path) -> None:
    from impasto.export import Recipe, export_bundle

    for encoder, recipe, folder in (
        (make_data.Hum(), Recipe(["filters"], ["filters"], history_size=4), HUM),
        (Sound(), Recipe(["filters"], ["filters"]), Bundle("audio").path),
    ):
        export_bundle(tmp_path / folder.name, encoder, recipe)
        for path in folder.iterdir():
            assert path.read_bytes() == (tmp_path / folder.name / path.name).read_bytes(), path
