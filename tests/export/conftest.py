"""A small bundle with heads of a user's own, exported once for all tests that look at it."""

from __future__ import annotations

import fcntl
import os
import pickle
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from impasto.export import VGG19, Encoder, Figure, Head, Recipe, export_bundle, load_weights, masked


class ChannelMeans(Head):
    """The example of export/heads/head.py."""

    name, inputs = "means", {"target": "style"}

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return masked(features, mask).sum((2, 3))

    def loss(self, means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (means - target).square().mean(1)


class Soft(Head):
    """Smooth functions of the features and of the content's, and of the pictures themselves."""

    name, inputs, weight = "soft", {"target": "content"}, 0.5
    layers = ("image", "conv1_1", "conv1_2")

    def statistics(
        self, features: torch.Tensor, mask: torch.Tensor | None, target: torch.Tensor
    ) -> torch.Tensor:
        products = torch.tanh(features / 100) * torch.exp(-target / 100)
        return masked(products, mask).sum((0, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        return means.square().sum().sqrt()


class Blue(Head):
    """Of the picture itself, with nothing to compare with; no number where it is very blue."""

    name, layers = "blue", ("image",)

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return masked(features[:, 2:].log1p(), mask).sum((1, 2, 3))

    def loss(self, means: torch.Tensor) -> torch.Tensor:
        return (0.5 - means.mean()).sqrt()


class Exported(NamedTuple):
    folder: Path
    encoder: Encoder
    recipe: Recipe
    report: list[Figure]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Content at conv1_1, style at conv1_2 and conv2_1, the heads above."""
    encoder = VGG19(load_weights("shipped"))
    recipe = Recipe(
        content_layers=["conv1_1"],
        style_layers=["conv2_1", "conv1_2"],
        heads=[ChannelMeans(), Soft(), Blue()],
        poolings=["max"],
        history_size=3,
    )
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # exported by the process that asks first
        base = base.parent
    folder, report = base / "exported" / "bundle", base / "exported.report"
    with (base / "exported.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not report.exists():
            report.write_bytes(pickle.dumps(_export(folder, encoder, recipe)))
    return Exported(folder, encoder, recipe, pickle.loads(report.read_bytes()))


def _export(folder: Path, encoder: Encoder, recipe: Recipe) -> list[Figure]:
    """Over an older bundle."""
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("an older bundle")
    (folder / "older.onnx").touch()
    return export_bundle(folder, encoder, recipe, overwrite=True)
