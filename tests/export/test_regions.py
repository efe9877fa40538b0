"""Objectives that regions guide: their graphs are PyTorch's, and cost what they must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from impasto.export import Head, Recipe, Style, masked
from impasto.export.additive import check_additive
from impasto.export.bundle import Plan
from impasto.export.objective.terms import Term
from impasto.export.verify import verify
from impasto.runtime import ImpastoError, SettingError
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.manifest import Layer
from impasto.runtime.conformance import verify_bundle


class Squared(Head):
    """Masks both factors: of a soft mask it takes the square."""

    name, inputs = "squared", {"target": "style"}

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        own = masked(features, mask).flatten(2)
        return own @ own.transpose(1, 2)

    def loss(self, means: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (means - target).square().mean((1, 2))


class Flat(Squared):
    """As heads were before there were regions."""

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        own = masked(features, mask).flatten(2).squeeze(0)
        return own @ own.T


def test_the_bundle_of_the_tests_is_what_pytorch_computes(
    guided: Any, own: Any, make_data: Any
) -> None:
    plan = Plan(own.Plain(), make_data.RECIPES["guided"])
    report = verify(guided.folder, plan.encoder, plan.objectives)
    assert {figure.graph for figure in report} >= {
        "step-gatys-regions-own.onnx",
        "pullback-gatys-regions-own.onnx",
    }
    assert max(figure.error for figure in report) < 1e-5
    figures = verify_bundle(guided.folder, device="cpu").figures
    # Noise beside noise: what is left of two Gram matrices has fewer digits than either.
    assert max(figure.error / figure.tolerance for figure in figures) < 3


def test_each_style_term_takes_two_products_with_regions_or_without(guided: Any) -> None:
    bundle = Bundle(guided.folder)
    for graph in ("step-gatys-own.onnx", "step-gatys-regions-own.onnx"):
        assert bundle.operators(graph)["MatMul"] == 4
    for graph in ("pullback-gatys-own.onnx", "pullback-gatys-regions-own.onnx"):
        assert bundle.operators(graph)["MatMul"] == 2
    assert bundle.manifest.signatures["step-gatys-own.onnx"].floats_per_region == 0
    assert bundle.manifest.signatures["step-gatys-regions-own.onnx"].floats_per_region > 0


def test_a_head_that_is_not_linear_in_soft_masks_is_refused() -> None:
    at = Layer(channels=4, stride=(1, 1))
    check_additive(Term(Style(), "first", at, guided=True))
    check_additive(Term(Squared(), "first", at))  # without regions masks are 0 or 1
    with pytest.raises(ImpastoError, match="'squared': its statistics of regions are not weighed"):
        check_additive(Term(Squared(), "first", at, guided=True))
    with pytest.raises(SettingError, match=r"a style's begin with the regions, \(1, ...\) without"):
        Term(Flat(), "first", at).sums_shape  # noqa: B018


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(["nothing"], "the objectives are gatys"), (["gatys", "gatys"], "name each objective once")],
)
def test_a_variant_of_no_objective_is_refused(own: Any, names: list[str], sentence: str) -> None:
    with pytest.raises(SettingError, match=sentence):
        Recipe(["second"], ["first"], regions=names).places(own.Plain)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["plain", "guided", "losses", "moving"])
def test_the_bundles_of_the_tests_are_what_is_exported_now(
    make_data: Any, own: Any, tmp_path: Path, name: str
) -> None:
    make_data.make(name, tmp_path / name, own.Plain())
    for file in sorted((make_data.HERE / name).iterdir()):
        assert (tmp_path / name / file.name).read_bytes() == file.read_bytes(), file.name
