"""The heads' formulas, in loops of float64; their gradients; and that they are linear in masks.

What every head has in common with those of a user's own is in ../objective and ../test_own.py.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy.typing import NDArray

from impasto.export import Head, Laplacian, Moments, NinePoint, Recipe, Wasserstein
from impasto.export.additive import check_additive
from impasto.export.heads import wasserstein
from impasto.export.objective.terms import Term
from impasto.export.tracing import roots
from impasto.runtime.bundle.manifest import IMAGE, Layer
from impasto.runtime.errors import ImpastoError, SettingError
from impasto.runtime.objective.factors import factor

Array = NDArray[np.float64]


def features(seed: int, channels: int = 4, size: tuple[int, int] = (6, 7)) -> torch.Tensor:
    """Correlated ones, not negative."""
    random = np.random.default_rng(seed)
    mixing = random.random((channels, channels))
    flat = np.maximum(mixing @ random.standard_normal((channels, size[0] * size[1])), 0)
    return torch.from_numpy(flat.reshape(1, channels, *size))


def means(head: Head, image: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = head.statistics(image, None) / image[0, 0].numel()
    return found


def compared(head: Head, image: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """A style head's loss of two pictures' features."""
    target, more = means(head, style), {}
    if "factor" in head.inputs:
        more["factor"] = torch.from_numpy(factor(target.numpy(), RANK))
    found: torch.Tensor = head.loss(means(head, image), target, **more)
    return found


RANK = 128


def as_rows(image: torch.Tensor) -> Array:
    return image[0].flatten(1).T.numpy()


def exact_distance(image: torch.Tensor, style: torch.Tensor) -> float:
    """Squared 2-Wasserstein over C, by SciPy's sqrtm."""
    (m, s), (n, t) = ((x.mean(0), np.cov(x.T, bias=True)) for x in map(as_rows, (image, style)))
    root = np.real(scipy.linalg.sqrtm(t))
    both = np.trace(np.real(scipy.linalg.sqrtm(root @ s @ root)))
    return float((((m - n) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * both) / len(m))


def test_moments_are_means_and_deviations() -> None:
    image, style = features(0), features(1)
    expected = 0.0
    for c in range(4):
        a, b = (x[0, c].numpy() for x in (image, style))
        expected += ((a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2) / 4
    assert compared(Moments(), image, style).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("channels", "difference"), [(3, 4e-4), (24, 0.013)])
def test_wasserstein_is_scipys(
    channels: int, difference: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And by how little what is added against rounding changes it."""
    image, style = features(2, channels, (16, 16)), features(3, channels, (12, 20))
    expected = exact_distance(image, style)
    found = compared(Wasserstein(), image, style).item()
    assert found == pytest.approx(expected, rel=difference)
    monkeypatch.setattr(wasserstein, "NOISE", 1e-10)
    assert compared(Wasserstein(), image, style).item() == pytest.approx(expected, rel=1e-5)
    same = compared(Wasserstein(), style, style).item()
    assert abs(same) <= 1e-5 * expected


def test_with_a_factor_of_low_rank_it_is_a_lower_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """And 0 where the Gaussians are the same; without the trace of the rest it would not be."""
    image, style = features(2, 24, (16, 16)), features(3, 24, (12, 20))
    exact = exact_distance(image, style)
    monkeypatch.setitem(globals(), "RANK", 12)
    assert 0.7 * exact < compared(Wasserstein(), image, style).item() < exact
    assert abs(compared(Wasserstein(), style, style).item()) <= 1e-4 * exact


@pytest.mark.parametrize("spread", [1e2, 1e6])
def test_roots_are_scipys(spread: float) -> None:
    random = np.random.default_rng(4)
    vectors, _ = np.linalg.qr(random.standard_normal((32, 32)))
    matrix = (vectors * np.geomspace(1 / spread, 1, 32)) @ vectors.T
    root, inverse = (
        x.numpy()[0] for x in roots.roots(torch.tensor(matrix[None] / 2), torch.eye(32).double())
    )
    expected = np.real(scipy.linalg.sqrtm(matrix / 2))
    np.testing.assert_allclose(root, expected, atol=1e-6)
    np.testing.assert_allclose(inverse, np.linalg.inv(expected), rtol=1e-3, atol=1e-3)


def test_fewer_positions_than_channels_have_a_gradient_that_is_not_rounding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the coarsest scale has: of its covariance most eigenvalues are 0."""
    image, style = features(2, 64, (4, 5)), features(3, 64, (12, 20))

    def error() -> float:
        exact, ours = (_gradient(x, y) for x, y in ((image, style), (image.float(), style.float())))
        return float((ours - exact).norm() / exact.norm())

    assert error() < 3e-4
    monkeypatch.setattr(wasserstein, "NOISE", 0.0)
    monkeypatch.setattr(roots, "ITERATIONS", 14)
    monkeypatch.setattr(roots, "LEAST", 1e-4)
    assert not error() < 1e-3


def _gradient(image: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    image = image.clone().requires_grad_()
    (found,) = torch.autograd.grad(compared(Wasserstein(), image, style).sum(), image)
    return found


@pytest.mark.parametrize("kind", [Moments, Wasserstein])
def test_gradients_are_those_of_finite_differences(kind: type[Head]) -> None:
    image, style, head = features(5, 6, (8, 9)) + 0.1, features(6, 6, (9, 8)), kind()
    image.requires_grad_()
    (gradient,) = torch.autograd.grad(compared_in(head, image, style), image)
    direction = torch.from_numpy(np.random.default_rng(7).standard_normal(image.shape))
    with torch.no_grad():
        after, before = (
            compared_in(head, image + step * direction, style) for step in (1e-5, -1e-5)
        )
    slope = (after - before) / 2e-5
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-4)
    spoilt = 1.001 * (gradient * direction).sum().item()
    assert spoilt != pytest.approx(slope.item(), rel=1e-4)


def compared_in(head: Head, image: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    return compared(head, image, style).sum()


@pytest.mark.parametrize("kind", [Moments, Wasserstein])
@pytest.mark.parametrize("flat", ["image", "style", "both"])
def test_a_flat_picture_has_a_finite_gradient(kind: type[Head], flat: str) -> None:
    blank = torch.full((1, 5, 6, 7), 3.0)
    image = blank if flat != "style" else features(8, 5).float()
    style = blank if flat != "image" else features(9, 5).float()
    image = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(compared_in(kind(), image, style), image)
    assert gradient.isfinite().all()


def test_the_laplacian_is_that_of_blocks() -> None:
    random = np.random.default_rng(10)
    x, c = random.random((2, 3, 16, 20))
    small = 255 * np.array([[block(x - c, i, j) for j in range(5)] for i in range(4)])
    total = 0.0
    for i, j in product(range(1, 3), range(1, 4)):
        beside = small[i - 1, j] + small[i + 1, j] + small[i, j - 1] + small[i, j + 1]
        total += 16 * (4 * small[i, j] - beside) ** 2
    head = Laplacian().double()
    image, content = (torch.from_numpy(a[None]) for a in (x, c))
    found = head.loss(head.statistics(image, None, content) / (16 * 20))
    assert found.item() == pytest.approx(total / (16 * 20))


def block(picture: Array, i: int, j: int) -> float:
    """The sum over channels of a block's mean."""
    return float(picture[:, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4].mean((1, 2)).sum())


def test_nine_point_variation_is_style_transfer_pytorchs() -> None:
    """Its mean squared differences, but for the border, which theirs repeats."""
    x = np.random.default_rng(11).random((3, 7, 8))
    pairs = [
        (2 / 3, x[:, :, 1:] - x[:, :, :-1]),
        (2 / 3, x[:, 1:] - x[:, :-1]),
        (2 / 12, x[:, 1:, 1:] - x[:, :-1, :-1]),
        (2 / 12, x[:, 1:, :-1] - x[:, :-1, 1:]),
    ]
    expected = sum(weight * (d**2).sum() for weight, d in pairs) / x.size
    head = NinePoint().double()
    found = head.loss(head.statistics(torch.from_numpy(x[None]), None) / 56)
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", [Moments, Wasserstein])
def test_statistics_are_linear_in_masks_and_have_the_regions_first(kind: type[Head]) -> None:
    image, head = features(12), kind()
    soft = torch.from_numpy(np.random.default_rng(13).random((3, 1, 6, 7)))
    soft /= soft.sum(0)
    found = head.statistics(image, soft)
    torch.testing.assert_close(found.sum(0, keepdim=True), head.statistics(image, None))
    torch.testing.assert_close(found[1:2], head.statistics(image, soft[1:2]))
    assert head.loss(found, found, **more(head, found)).shape == (3,)


def more(head: Head, found: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"factor": torch.from_numpy(factor(found.numpy(), RANK))} if len(head.inputs) > 1 else {}


@pytest.mark.parametrize("kind", [Moments, Wasserstein, Laplacian, NinePoint])
@pytest.mark.parametrize("height", [None, 1])
def test_statistics_of_tiles_add_up(kind: type[Head], height: int | None) -> None:
    layer = IMAGE if kind.layers else "first"
    if kind is Laplacian and height:
        return  # refused: see below
    check_additive(Term(kind(), layer, Layer(channels=5, stride=(1, 1)), height))


def test_a_laplacian_without_its_mask_is_refused() -> None:
    class Everywhere(Laplacian):
        def statistics(
            self, features: torch.Tensor, mask: torch.Tensor | None, target: torch.Tensor
        ) -> torch.Tensor:
            return super().statistics(features, None, target)

    with pytest.raises(ImpastoError, match="use `masked`"):
        check_additive(Term(Everywhere(), IMAGE, Layer(channels=3, stride=(1, 1))))


def test_a_factor_is_of_the_largest_eigenvalues() -> None:
    moments = means(Wasserstein(), features(14, 6, (9, 9))).numpy()
    covariance = moments[0, :6] - np.outer(moments[0, 6], moments[0, 6])
    values, vectors = scipy.linalg.eigh(covariance)
    for rank in (2, 6):
        found = factor(moments, rank)
        assert found.shape == (1, 6, rank)
        kept = (vectors[:, -rank:] * values[-rank:]) @ vectors[:, -rank:].T
        np.testing.assert_allclose(found[0] @ found[0].T, kept, atol=1e-12)


@pytest.mark.parametrize(
    ("inputs", "layers", "block", "mend"),
    [
        ({"factor": "style_factor"}, None, 1, "declare one of these"),
        ({}, ("first",), 4, "read the image alone"),
        ({}, ("image",), 3, "alignment must be a multiple"),
    ],
)
def test_declarations_that_make_no_sense_are_refused(
    own: Any, inputs: Any, layers: Any, block: int, mend: str
) -> None:
    class Odd(NinePoint):
        name = "odd"

    Odd.inputs, Odd.layers, Odd.block = inputs, layers, block
    with pytest.raises(SettingError, match=mend):
        Recipe(["second"], ["first"], heads=[Odd()]).places(own.Plain)
