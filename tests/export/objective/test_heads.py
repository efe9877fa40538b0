"""The heads' formulas, their statistics' additivity, and heads of a user's own as ONNX graphs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from impasto.export import Content, Head, Style, TotalVariation
from impasto.export.objective.terms import Term
from impasto.runtime import DivergenceError, Engine
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.manifest import Layer, Manifest
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.pool import Graphs
from impasto.runtime.objective import make_objective

Array = NDArray[np.float64]


def maps(seed: int, height: int = 3, width: int = 5, channels: int = 4) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((1, channels, height, width)))


def whole_term(head: Head, features: torch.Tensor, target: torch.Tensor | None) -> torch.Tensor:
    """``target``: a map, or a style's means."""
    term = Term(head, "image", Layer(channels=features.shape[1], stride=(1, 1)))
    ((name, source),) = head.inputs.items() or [("", None)]
    maps, styles = {}, {}
    if target is not None:
        (styles if source == "style" else maps)[name] = target
    return term.loss(term.sums(features, maps) / features[0, 0].numel(), styles)


# Formulas of Gatys et al. 2016, in their letters: N channels, M positions, F and P (N, M)


def test_content_is_equation_1_over_half_the_size() -> None:
    features, target = maps(0), maps(1)
    f, p = (x.numpy().reshape(4, 15) for x in (features, target))
    loss = sum((f[i, j] - p[i, j]) ** 2 for i, j in product(range(4), range(15))) / 2
    assert whole_term(Content(), features, target).item() == pytest.approx(loss / (4 * 15 / 2))


def test_style_is_equation_4_times_4_over_n_squared() -> None:
    features, painting = maps(2), maps(3)
    n, m = 4, 15

    def gram(f: Array) -> Array:  # equation 3
        g = np.zeros((n, n))
        for i, j, k in product(range(n), range(n), range(m)):
            g[i, j] += f[i, k] * f[j, k]
        return g

    g, a = (gram(x.numpy().reshape(n, m)) for x in (features, painting))
    loss = sum((g[i, j] - a[i, j]) ** 2 for i, j in product(range(n), range(n)))
    expected = loss / (4 * n**2 * m**2) * 4 / n**2
    head = Style()
    means = head.statistics(painting, None) / m
    assert whole_term(head, features, means).item() == pytest.approx(expected)


def test_total_variation_is_in_units_of_8_bits() -> None:
    image, head = maps(4, channels=3), TotalVariation().double()
    x = 255 * image.numpy()[0]
    total = 0.0
    for c, i, j in product(range(3), range(3), range(5)):
        total += (x[c, i, j + 1] - x[c, i, j]) ** 2 if j < 4 else 0.0
        total += (x[c, i + 1, j] - x[c, i, j]) ** 2 if i < 2 else 0.0
    assert whole_term(head, image, None).item() == pytest.approx(total / (3 * 15))


# Statistics of tiles add up


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize(
    ("head", "channels"), [(Style(), 4), (Content(), 4), (TotalVariation().double(), 3)]
)
def test_statistics_of_two_tiles_add_up(head: Head, channels: int, axis: int) -> None:
    whole, target = (maps(seed, 8, 10, channels) for seed in (5, 6))
    mask = torch.zeros(1, 1, 8, 10, dtype=torch.float64)
    mask.narrow(axis, 0, 3).fill_(1)
    reach = 4  # the first tile sees a neighbour beyond its own positions
    given = [target] if head.inputs.get("target") == "content" else []
    first = head.statistics(*(x.narrow(axis, 0, reach) for x in (whole, mask, *given)))
    rest = (x.narrow(axis, 1, x.shape[axis] - 1) for x in (whole, 1 - mask, *given))
    total = head.statistics(whole, None, *given)
    torch.testing.assert_close(first + head.statistics(*rest), total)


# A user's own heads, in the bundle of conftest.py


def test_the_manifest_describes_every_head(exported: Any) -> None:
    manifest = Manifest.from_json((exported.folder / "manifest.json").read_bytes(), "")
    terms = manifest.objectives["gatys"].terms
    found = [(t.name, t.inputs[0].source if t.inputs else None, t.weight) for t in terms]
    assert found == [
        ("content.conv1_1", "content", 1.0),
        ("style.conv1_2", "style", 1.0),
        ("style.conv2_1", "style", 1.0),
        ("tv", None, 0.0),
        ("means.conv1_2", "style", 1.0),
        ("means.conv2_1", "style", 1.0),
        ("soft", "content", 0.5),
        ("soft.conv1_1", "content", 0.5),
        ("soft.conv1_2", "content", 0.5),
        ("blue", None, 1.0),
    ]
    shapes = {value.name: value.shape for term in terms for value in term.inputs}
    assert shapes["means.conv2_1.target"] == (1, 128)
    assert shapes["soft.conv1_2.target"] == (1, 64, "height", "width")
    assert shapes["content.conv1_1.target"] == (1, 64, "height", "width")


def own_terms(features: Any, content: Any, style: Any) -> dict[str, torch.Tensor]:
    """The heads of conftest.py as one would write them by hand."""
    terms = {}
    for layer in ("conv1_2", "conv2_1"):
        difference = features[layer].mean((2, 3)) - style[layer].mean((2, 3))
        terms[f"means.{layer}"] = (difference**2).mean()
    for name, layer in (("soft", "image"), *((f"soft.conv1_{i}", f"conv1_{i}") for i in (1, 2))):
        mixed = torch.tanh(features[layer] / 100) * torch.exp(-content[layer] / 100)
        terms[name] = mixed.mean((0, 2, 3)).norm()
    return terms | {"blue": (0.5 - torch.log(1 + features["image"][:, 2]).mean()).sqrt()}


@pytest.mark.parametrize("pixels", [None, 2304, 4500], ids=["whole", "8 tiles", "2 tiles"])
def test_the_gradient_of_ones_own_heads_is_torchs(
    exported: Any, reference: Any, photo: Callable[..., Any], pixels: int | None
) -> None:
    size = (64, 96)
    image, content, style = (
        np.ascontiguousarray(photo(name, *size).transpose(2, 0, 1)[None])
        for name in ("astronaut", "chelsea", "coffee")
    )
    plain = reference.Reference("max", content, style, dtype=torch.float64)
    x, c, s = (torch.from_numpy(array).double() for array in (image, content, style))
    features, targets = ({**plain.features(p), "image": p} for p in (x.requires_grad_(), c))
    terms = own_terms(features, targets, plain.features(s))

    graphs = Graphs(Bundle(exported.folder), Device("cpu"), None)
    objective = make_objective(graphs, "gatys", "max", size, pixels)
    found = objective.describe(content, "content") | objective.describe(style, "style")
    for name, term in terms.items():
        weights = [
            float(entry.name == name) for entry in graphs.bundle.manifest.objectives["gatys"].terms
        ]
        objective.set_targets(found, weights)
        (slot,) = objective.slots(1)
        slot.image.update_inplace(image)
        point = objective.evaluate(slot)
        assert point.loss == pytest.approx(term.item(), rel=1e-5), name
        (expected,) = torch.autograd.grad(term, x, retain_graph=True)
        difference = np.linalg.norm(point.gradient.numpy() - expected.numpy())
        assert difference <= 1e-5 * expected.norm(), name


def test_a_run_brings_the_term_of_ones_own_head_down(
    exported: Any, photo: Callable[..., Any]
) -> None:
    engine = Engine.load(exported.folder, device="cpu")
    weights = {"content": 0.0, "style": 0.0, "soft": 0.0, "blue": 0.0, "means": 1.0}
    photograph, painting = photo("chelsea", 32, 48), photo("coffee", 32, 48)
    result = engine.stylize(photograph, painting, size=48, iterations=10, weights=weights)
    for layer in ("conv1_2", "conv2_1"):
        assert result.terms[f"means.{layer}"] < 0.1 * result.initial_terms[f"means.{layer}"]


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_step_to_where_the_loss_is_no_number_is_shortened_until_none_is_left(
    exported: Any, photo: Callable[..., Any], optimizer: str
) -> None:
    """The head `blue` is least just where it ends: at a mean of 0.5."""
    engine = Engine.load(exported.folder, device="cpu")
    weights = {"content": 0.0, "soft": 0.0, "blue": 1.0}
    settings: dict[str, Any] = {"weights": weights, "optimizer": optimizer, "iterations": 99}
    run = engine.start(photo("chelsea", 32, 32), size=32, init="content", **settings)
    steps = []
    with pytest.raises(DivergenceError, match="to nan and no shorter step helped") as caught:
        run.finish(on_step=lambda step: steps.append((step.loss, step.image)))
    losses = [loss for loss, _ in steps]
    assert sorted(losses, reverse=True) == losses
    mean = np.log1p(caught.value.picture[:, :, 2]).mean()
    assert mean == pytest.approx(0.5, abs=2e-3)
    np.testing.assert_array_equal(caught.value.picture, steps[-1][1])
