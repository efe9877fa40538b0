"""The presets of peers: their objectives, written from their formulas in plain PyTorch.

Of pictures so small that no layer has more positions than a style's factor has columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from impasto.export import OBJECTIVES, VGG19, Recipe, load_weights
from impasto.export.objective.encoder import Geometry
from impasto.export.objective.objective import ALL, DESCRIBED, Describe, Objective
from impasto.export.objective.terms import Term, make_terms
from impasto.export.presets import PIXELS, PRESETS, UNIT, presets_of
from impasto.runtime.bundle.manifest import IMAGE, Layer
from impasto.runtime.objective.factors import factor
from impasto.runtime.settings import Settings, check_all, term_weights

SIZE = (32, 48)
CONTENT, STYLE = "conv4_2", ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
CHANNELS = (64, 128, 256, 512, 512)

Maps = dict[str, torch.Tensor]
Pictures = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def mse(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a - b).square().mean()


def flat(x: torch.Tensor) -> torch.Tensor:
    return x[0].flatten(1)


def gram(x: torch.Tensor) -> torch.Tensor:
    """F F^T / M."""
    return flat(x) @ flat(x).T / flat(x).shape[1]


def squares(x: torch.Tensor) -> torch.Tensor:
    """The sum of squared differences of neighbours, of values from 0 to 255."""
    x = 255 * x
    return x.diff(dim=3).square().sum() + x.diff(dim=2).square().sum()


def gatys_code(content: float, style: float) -> Callable[..., Any]:
    """leongatys/PytorchNeuralStyleTransfer, and pastiche: mean squares of F F^T / M, over C^2."""

    def loss(x: Maps, c: Maps, s: Maps, _: torch.Tensor) -> Any:
        grams = (mse(gram(x[n]), gram(s[n])) / k**2 for n, k in zip(STYLE, CHANNELS, strict=True))
        return content * mse(x[CONTENT], c[CONTENT]) + style * sum(grams)

    return loss


def johnson(x: Maps, c: Maps, s: Maps, image: torch.Tensor) -> Any:
    """neural_style.lua: its variation is half a sum over the picture, here of 512 x 384 pixels."""
    grams = sum(mse(gram(x[n]) / k, gram(s[n]) / k) for n, k in zip(STYLE, CHANNELS, strict=True))
    variation = 1e-3 * squares(image) / 2 * PIXELS / image[0, 0].numel()
    return 5 * mse(x[CONTENT], c[CONTENT]) + 100 * grams + variation


def athalye(x: Maps, c: Maps, s: Maps, image: torch.Tensor) -> Any:
    """500 / 5 for each layer; means of squares, across and down."""
    grams = sum(mse(gram(x[n]) / k, gram(s[n]) / k) for n, k in zip(STYLE, CHANNELS, strict=True))
    variation = 100 * squares(image) / image.numel()
    return 5 * mse(x[CONTENT], c[CONTENT]) + 500 / 5 * grams + variation


def galerne(x: Maps, c: Maps, s: Maps, image: torch.Tensor) -> Any:
    """spst.py: Gram matrices as in the authors' code, means and deviations with 1e4."""
    more = sum(
        mse(flat(x[n]).mean(1), flat(s[n]).mean(1))
        + mse(flat(x[n]).std(1, correction=0), flat(s[n]).std(1, correction=0))
        for n in STYLE
    )
    return gatys_code(1.0, 1e3)(x, c, s, image) + 1e4 * more


def crowson(x: Maps, c: Maps, s: Maps, image: torch.Tensor) -> Any:
    """style-transfer-pytorch, of features in its units; without the 1e-4 that its roots need."""
    content = 0.015 * mse(x[CONTENT] / UNIT, c[CONTENT] / UNIT)
    layers = zip((256, 64, 16, 4, 1), STYLE, strict=True)
    style = sum(w / 341 * wasserstein(x[n] / UNIT, s[n] / UNIT) for w, n in layers)
    pairs = (
        (1 / 3, image.diff(dim=3)),
        (1 / 3, image.diff(dim=2)),
        (1 / 12, image[:, :, 1:, 1:] - image[:, :, :-1, :-1]),
        (1 / 12, image[:, :, 1:, :-1] - image[:, :, :-1, 1:]),
    )
    variation = 2 * sum(weight * d.square().sum() / image.numel() for weight, d in pairs)
    return UNIT**2 * (content + style + 2 * variation)


def wasserstein(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    (m, s), (n, t) = (
        (flat(x).double().mean(1), flat(x).double().cov(correction=0)) for x in (a, b)
    )
    values, vectors = torch.linalg.eigh(t)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    both = torch.linalg.eigvalsh(root @ s @ root).clamp(min=0).sqrt().sum()
    return mse(m, n) + (s.trace() + t.trace() - 2 * both) / len(s)


PEERS = {
    "gatys2016": gatys_code(1.0, 1e3),  # the paper's, as its authors' code weighs it
    "gatys-pytorch": gatys_code(1.0, 1e3),
    "neural-style": johnson,
    "pastiche": gatys_code(0.01, 10.0),
    "anishathalye": athalye,
    "spst": galerne,
    "crowsonkb": crowson,
}


@pytest.fixture(scope="module")
def encoder() -> VGG19:
    return VGG19(load_weights("shipped"))


@pytest.fixture(scope="module")
def pictures(photo: Callable[..., Any]) -> Pictures:
    image, content, style = (
        torch.from_numpy(np.ascontiguousarray(photo(name, *SIZE).transpose(2, 0, 1)[None]))
        for name in ("astronaut", "chelsea", "coffee")
    )
    return image, content, style


def settings_of(name: str) -> Settings:
    poolings = Recipe(poolings=("avg", "max"), objectives=OBJECTIVES).chosen_poolings(VGG19)
    return Settings(**check_all(Settings, presets_of(poolings, 4, True)[name].settings))


def terms_of(objective: str) -> list[Term]:
    layers = {IMAGE: Layer(channels=3, stride=(1, 1))}
    places = Recipe(objectives=OBJECTIVES).places(VGG19)[objective]
    for name, channels in (("conv3_2", 256), (CONTENT, 512), *zip(STYLE, CHANNELS, strict=True)):
        stride = 2 ** (int(name[4]) - 1)
        layers[name] = Layer(channels=channels, stride=(stride, stride))
    return make_terms(places, Geometry(layers, {}), None)


def ours(encoder: VGG19, settings: Settings, pictures: Pictures) -> float:
    """The loss of the modules that are traced."""
    terms = terms_of(settings.objective)
    entries = [term.entry() for term in terms]
    weights = term_weights(entries, settings, content=True, style=True)
    objective = Objective(encoder, terms, settings.pooling)
    names = [value.name for term in terms for value in term.inputs(DESCRIBED).values()]
    image, content, style = pictures
    with torch.no_grad():
        found, painted = (
            dict(zip(names, Describe(objective)(picture), strict=True))
            for picture in (content, style)
        )
        for term in terms:
            for value in term.inputs(("style",)).values():
                found[value.name] = painted[value.name]
            for value in term.inputs(("style_factor",)).values():
                moments = painted[f"{term.name}.target"].numpy()
                found[value.name] = torch.from_numpy(factor(moments, int(value.shape[-1])))
        inputs = [found[v.name] for term in terms for v in term.inputs(ALL).values()]
        loss, _ = objective(image, torch.tensor(weights), *inputs)
    return float(loss)


def theirs(name: str, reference: Any, pooling: str, pictures: Pictures) -> float:
    arrays = [picture.numpy() for picture in pictures]
    plain = reference.Reference(pooling, arrays[1], arrays[2])
    with torch.no_grad():
        found: torch.Tensor = PEERS[name](*map(plain.features, pictures), pictures[0])
    return float(found)


@pytest.mark.parametrize("name", PEERS)
def test_a_peers_preset_has_its_objective(
    name: str, encoder: VGG19, reference: Any, pictures: Pictures
) -> None:
    settings = settings_of(name)
    assert settings.pooling == ("avg" if name == "gatys2016" else "max")
    expected = theirs(name, reference, settings.pooling, pictures)
    limit = 1e-3 if name == "crowsonkb" else 1e-4  # what Wasserstein adds against rounding
    assert ours(encoder, settings, pictures) == pytest.approx(expected, rel=limit)
    other = "max" if settings.pooling == "avg" else "avg"
    assert theirs(name, reference, other, pictures) != pytest.approx(expected, rel=2 * limit)


def test_a_peers_first_image_is_its_own() -> None:
    found = {name: settings_of(name).init for name in PRESETS}
    blank = {"gatys2016": "noise", "neural-style": "gray", "anishathalye": "gray"}
    styled = dict.fromkeys(("paint", "bold", "faithful"), "style")
    assert found == dict.fromkeys(PRESETS, "content") | blank | styled


def test_crowsonkb_has_adam_and_its_average() -> None:
    settings = settings_of("crowsonkb")
    assert (settings.optimizer, settings.learning_rate) == ("adam", 0.02)
    assert (settings.betas, settings.averaging) == ((0.9, 0.99), 0.99)


def test_every_preset_weighs_all_terms_of_its_objective_that_it_names() -> None:
    for name in PRESETS:
        settings = settings_of(name)
        entries = [term.entry() for term in terms_of(settings.objective)]
        weights = term_weights(entries, settings, content=True, style=True)
        for entry, weight in zip(entries, weights, strict=True):
            assert weight > 0 or entry.head == "tv", (name, entry.name)


def test_the_faithful_one_compares_content_at_two_layers() -> None:
    terms = [term.entry() for term in terms_of("faithful")]
    weights = dict(
        zip(
            (term.name for term in terms),
            term_weights(terms, settings_of("faithful"), content=True, style=True),
            strict=True,
        )
    )
    assert weights["content.conv3_2"] == 2
    assert weights["content.conv4_2"] == 8
    assert weights["laplacian"] == 60


def test_a_bundle_without_an_objective_lacks_the_presets_that_weigh_its_terms() -> None:
    found = presets_of({"mine": ["own"]}, 4, False)
    assert set(PRESETS) - set(found) == {"faithful", "spst", "crowsonkb"}
    assert {preset.settings["objective"] for preset in found.values()} == {"mine"}
    assert {preset.settings["pooling"] for preset in found.values()} == {"own"}
    assert "init" not in found["paint"].settings
