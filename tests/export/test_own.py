"""Heads and encoders of a user's own, from declaration to gradient: whole, and in tiles.

The oracle is PyTorch in float64, each term written by hand from the encoder's features.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from impasto.export import Encoder, Head, Recipe, export_bundle, masked
from impasto.export.additive import check_additive
from impasto.export.objective.encoder import measure
from impasto.export.objective.terms import Term
from impasto.runtime import Engine, ImageError
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.manifest import Layer
from impasto.runtime.bundle.shapes import fix
from impasto.runtime.errors import ImpastoError, SettingError
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.pool import Graphs
from impasto.runtime.objective import Objective, make_objective
from impasto.runtime.objective.tiled import Tiled
from impasto.runtime.objective.whole import Whole

LIMIT = 1e-5

Tensor = NDArray[np.float32]
Features = Mapping[str, torch.Tensor]
Pair = tuple[int, int]


class Case(NamedTuple):
    """A bundle, and the sizes of its canvas and of a style."""

    encoder: Encoder
    graphs: Graphs
    size: Pair
    style: Pair


Make = Callable[..., Case]


@pytest.fixture(scope="module")
def make(own: Any, tmp_path_factory: pytest.TempPathFactory) -> Make:
    found: dict[str, Case] = {}

    def case(name: str) -> Case:
        if name not in found:
            encoder = getattr(own, name)()
            heads = [getattr(own, head)() for head in HEADS[name]]
            folder = tmp_path_factory.mktemp("own") / "bundle"
            recipe = Recipe(["second"], ["first"], heads=heads, history_size=2)
            export_bundle(folder, encoder, recipe)
            graphs = Graphs(Bundle(folder), Device("cpu"), None)
            flat = name == "Sound"
            found[name] = Case(
                encoder, graphs, (1, 96) if flat else (24, 36), (1, 80) if flat else (20, 28)
            )
        return found[name]

    return case


def test_the_engine_paints_on_a_canvas_of_five_channels_and_one_row(
    make: Make, tmp_path: Path
) -> None:
    """Scales, tiles or not, both optimizers, a checkpoint: nothing knows the number 3."""
    folder = make("Sound").graphs.bundle.path
    engine = Engine.load(folder, device="cpu")
    content, style = (
        np.random.default_rng(seed).uniform(-1, 3, (1, width, 5)).astype(np.float32)
        for seed, width in ((1, 200), (2, 150))
    )
    for optimizer in ("lbfgs", "adam"):
        settings: dict[str, Any] = {"size": 200, "min_size": 100, "schedule": (3, 6)}
        settings |= {"preset": "gatys2016", "style_scale": 1}
        run = engine.start(content, style, optimizer=optimizer, **settings)
        assert [scale.size for scale in run.plan.scales] == [(1, 100), (1, 200)]
        for step in run:
            if (step.scale, step.iteration) == (2, 2):
                run.save(tmp_path / "run.checkpoint")
        result = run.result()
        assert result.image.shape == (1, 200, 5)
        assert -1 <= result.image.min() < result.image.max() <= 3
        first = sum(result.initial_terms[name] for name in result.terms if "style" in name)
        assert sum(result.terms[name] for name in result.terms if "style" in name) < first
        again = engine.resume(tmp_path / "run.checkpoint").finish()
        np.testing.assert_array_equal(again.image, result.image)
    for wrong in (content[:, :, :3], content + 9, content[:, :1], "photo.jpg"):
        with pytest.raises(ImageError):
            engine.start(wrong, style)


def test_regions_and_given_maps_reach_a_run_and_may_be_renewed(
    make: Make, own: Any, tmp_path: Path
) -> None:
    """The term is what the head makes of the final picture and the latest map."""
    engine = Engine.load(make("Plain").graphs.bundle.path, device="cpu")
    content, style, other = np.random.default_rng(4).random((3, 48, 64, 3), np.float32)
    trust = np.zeros((48, 64), np.float32)
    trust[:, :32] = 1
    settings: dict[str, Any] = {"size": 64, "min_size": 32, "schedule": (2, 4)}
    settings["weights"] = {"temporal": 50.0, "regional": 2.0}
    maps = {"temporal.target": content, "temporal.trust": trust, "regional.region": trust}
    run = engine.start(content, style, maps=maps, **settings)
    run.save(tmp_path / "begun.checkpoint")
    before = [next(run), next(run), next(run)]
    run.set_maps({"temporal.target": other})
    run.save(tmp_path / "run.checkpoint")
    losses = [step.loss for step in run]
    result = run.result()
    again = engine.resume(tmp_path / "run.checkpoint")
    assert [step.loss for step in again] == losses
    first = next(engine.resume(tmp_path / "begun.checkpoint"))
    assert (first.loss, first.terms) == (before[0].loss, before[0].terms)

    image, target = (
        torch.from_numpy(p.transpose(2, 0, 1)[None].copy()) for p in (result.image, other)
    )
    head = own.Temporal()
    means = head.statistics(image, None, target, torch.from_numpy(trust)[None, None]) / (48 * 64)
    assert result.terms["temporal"] == pytest.approx(float(head.loss(means)), rel=1e-4)
    far = np.abs(result.image - other).mean((0, 2))
    assert far[:32].mean() < 0.7 * far[32:].mean()  # it went there, where it was trusted

    for wrong in (
        {"temporal.mine": trust},
        {"temporal.trust": content},
        {"style.first.target": trust},
    ):
        with pytest.raises(SettingError, match=r"^maps="):
            engine.start(content, style, maps=wrong, **settings)
        with pytest.raises(SettingError, match=r"^maps="):
            again.set_maps(wrong)


HEADS = {
    "Plain": ["Regional", "Temporal", "Matched", "Mapped", "Away", "Curved"],
    "Sound": ["Regional", "Temporal", "Curved"],
    "Squeezed": [],
}
CASES = [("Plain", None), ("Plain", 16 * 20), ("Sound", None), ("Sound", 56), ("Squeezed", 99)]


def noise(seed: int, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def canvas(case: Case, seed: int, size: Pair) -> Tensor:
    found = case.encoder.canvas
    return noise(seed, (1, found.channels, *size), found.low, found.high)


def features(case: Case, image: Any) -> Features:
    """In float64; ``image`` too."""
    x = torch.as_tensor(image, dtype=torch.float64)
    return {"image": x, **copy.deepcopy(case.encoder).double()(x)}


class Inputs(NamedTuple):
    """Pictures, and the maps that the caller brings."""

    image: Tensor
    content: Tensor
    style: Tensor
    fitted: Tensor
    """The style in the canvas's size."""
    maps: dict[str, Tensor]
    style_maps: dict[str, Tensor]


def inputs_of(case: Case) -> Inputs:
    objective = case.graphs.bundle.manifest.objectives["gatys"]

    def maps(size: Pair, seed: int) -> dict[str, Tensor]:
        own = [v for t in objective.terms for v in t.inputs if v.source in ("region", "given")]
        return {v.name: noise(seed + i, fix(v.shape, *size)) for i, v in enumerate(own)}

    regions = {k: v for k, v in maps(case.style, 50).items() if k.startswith("regional")}
    sizes = [case.size, case.size, case.style, case.size]
    pictures = [canvas(case, seed, size) for seed, size in enumerate(sizes)]
    return Inputs(*pictures, maps(case.size, 20), regions)


def gram(flat: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
    a, b = flat.flatten(2)[0], (flat if other is None else other).flatten(2)[0]
    return a @ b.T


def by_hand(case: Case, given: Inputs) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The image, which wants its gradient, and every term."""
    x = torch.tensor(given.image, dtype=torch.float64, requires_grad=True)
    ours, content, style, fitted = (
        features(case, picture) for picture in (x, given.content, given.style, given.fitted)
    )
    maps = {key: torch.from_numpy(value).double() for key, value in given.maps.items()}
    f, s, style_f = ours["first"], ours["second"], style["first"]

    def means(flat: torch.Tensor) -> torch.Tensor:
        return gram(flat) / flat[0, 0].numel()

    horizontal, vertical = 255 * x.diff(dim=3), 255 * x.diff(dim=2)
    terms = {
        "content.second": (s - content["second"]).square().mean(),
        "style.first": ((means(f) - means(style_f)) / len(f[0])).square().mean(),
        "tv": (horizontal.square().sum() + vertical.square().sum()) / x.numel(),
    }
    if "regional.first.region" in maps:
        region = maps["regional.first.region"]
        theirs = torch.from_numpy(given.style_maps["regional.first.region"]).double()
        wanted = gram(theirs * style_f, style_f) / theirs.sum()
        found = gram(region * f, f) / region.sum()
        terms["regional.first"] = (found - wanted).square().mean()
    if "temporal.target" in maps:
        difference = (x - maps["temporal.target"]).square() * maps["temporal.trust"]
        terms["temporal"] = difference.mean()
    if "matched.second.target" in maps:
        terms["matched.second"] = (s - maps["matched.second.target"]).square().mean()
        terms["mapped.first"] = (f * fitted["first"]).mean((2, 3)).square().sum()
        terms["away.second"] = -(s - content["second"]).square().mean()
    if "Curved" in HEADS[type(case.encoder).__name__]:
        wide = torch.nn.functional.pad(f, (1, 1))
        curvature = wide[..., :-2] - 2 * f + wide[..., 2:]
        terms["curved.first"] = curvature.square().mean()
    return x, terms


def targets_of(
    case: Case, given: Inputs, pixels: int | None
) -> tuple[Objective, dict[str, Tensor]]:
    objective, painted = (
        make_objective(case.graphs, "gatys", "own", size, pixels)
        for size in (case.size, case.style)
    )
    targets = objective.describe(given.content, "content")
    targets |= objective.describe(given.fitted, "style_map")
    targets |= painted.describe(given.style, "style", given.style_maps)
    return objective, targets | given.maps


def evaluated(objective: Objective, image: Tensor) -> tuple[float, Tensor]:
    (slot,) = objective.slots(1)
    slot.image.update_inplace(image)
    return objective.evaluate(slot).loss, slot.gradient.numpy()


@pytest.mark.parametrize(("name", "pixels"), CASES)
def test_every_term_and_its_gradient_are_pytorchs(
    make: Make, name: str, pixels: int | None
) -> None:
    case = make(name)
    given = inputs_of(case)
    objective, targets = targets_of(case, given, pixels)
    tiled = pixels is not None and case.encoder.tiled
    assert isinstance(objective, Tiled if tiled else Whole)
    x, terms = by_hand(case, given)
    names = [term.name for term in case.graphs.bundle.manifest.objectives["gatys"].terms]
    assert set(names) == set(terms)
    for term in names:
        objective.set_targets(targets, [float(term == other) for other in names])
        loss, gradient = evaluated(objective, given.image)
        assert loss == pytest.approx(terms[term].item(), rel=LIMIT), term
        (expected,) = torch.autograd.grad(terms[term], x, retain_graph=True)
        error = np.linalg.norm(gradient - expected.numpy()) / expected.norm().item()
        assert error <= LIMIT, term


@pytest.mark.parametrize("pixels", [None, 16 * 20])
def test_a_given_target_can_be_renewed_between_iterations(make: Make, pixels: int | None) -> None:
    case = make("Plain")
    given = inputs_of(case)
    objective, targets = targets_of(case, given, pixels)
    names = [term.name for term in case.graphs.bundle.manifest.objectives["gatys"].terms]
    weights = [float(name == "matched.second") for name in names]
    (slot,) = objective.slots(1)
    slot.image.update_inplace(given.image)
    for seed in (70, 71):
        renewed = noise(seed, targets["matched.second.target"].shape)
        objective.set_targets({**targets, "matched.second.target": renewed}, weights)
        second = features(case, given.image)["second"].detach().numpy()
        expected = np.square(second - renewed).mean()
        assert objective.evaluate(slot).loss == pytest.approx(expected, rel=LIMIT)


@pytest.mark.parametrize("pixels", [None, 16 * 20])
def test_what_is_missing_is_zeros_and_regions_are_everywhere(
    make: Make, pixels: int | None
) -> None:
    case = make("Plain")
    image = inputs_of(case).image
    objective = make_objective(case.graphs, "gatys", "own", case.size, pixels)
    names = [term.name for term in case.graphs.bundle.manifest.objectives["gatys"].terms]
    f = features(case, image)["first"].detach()
    expected = {"temporal": 0.0, "regional.first": (gram(f) / f[0, 0].numel()).square().mean()}
    for name, value in expected.items():
        objective.set_targets({}, [float(name == other) for other in names])
        assert evaluated(objective, image)[0] == pytest.approx(float(value), rel=LIMIT)


@pytest.mark.parametrize("pixels", [None, 16 * 20])
def test_targets_of_another_name_or_shape_are_told(make: Make, pixels: int | None) -> None:
    case = make("Plain")
    objective = make_objective(case.graphs, "gatys", "own", case.size, pixels)
    with pytest.raises(SettingError, match=r"maps='mine': the terms take content.second.target"):
        objective.set_targets({"mine": np.zeros(3, np.float32)}, [1.0] * 9)
    wrong = {"temporal.trust": np.zeros((1, 1, 3, 3), np.float32)}
    with pytest.raises(SettingError, match=r"temporal.trust.: give the shape \(1, 1, 24, 36\)"):
        objective.set_targets(wrong, [1.0] * 9)


def test_the_manifest_says_what_was_declared_and_measured(make: Make) -> None:
    plain, sound = (make(name).graphs.bundle.manifest for name in ("Plain", "Sound"))
    layers = {"first": Layer(channels=8, stride=(1, 1)), "second": Layer(channels=6, stride=(2, 2))}
    assert plain.encoder.layers == layers
    assert plain.objectives["gatys"].margin == (4, 4)
    assert (sound.canvas.channels, sound.canvas.low, sound.canvas.high) == (5, -1.0, 3.0)
    assert sound.encoder.layers["second"] == Layer(channels=7, stride=(1, 2))
    assert sound.objectives["gatys"].margin == (0, 8)
    step = sound.objectives["gatys"].poolings["own"].step
    assert sound.signatures[step].inputs["image"] == (1, 5, 1, "width")
    assert sound.signatures[step].inputs["regional.first.region"] == (1, 1, 1, "width")
    regional = next(t for t in plain.objectives["gatys"].terms if t.head == "regional")
    assert regional.sums == (1, 8 * 8 + 1)
    assert not make("Squeezed").graphs.bundle.manifest.encoder.tiled


def test_presets_name_what_the_bundle_has(make: Make) -> None:
    """The encoder has a pooling of its own, and two levels of the preconditioner or three."""
    for name, pyramid in (("Plain", [3.0, 9.0]), ("Sound", [3.0, 9.0, 27.0])):
        for preset in make(name).graphs.bundle.manifest.presets.values():
            assert preset.settings["pooling"] == "own"
            assert preset.settings["preconditioner_pyramid"] == pyramid


def test_they_know_impasto_export_alone(own: Any) -> None:
    tree = ast.parse(Path(own.__file__).read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name for name in modules if str(name).startswith("impasto")} == {"impasto.export"}


# What is refused


class Unmasked(Head):
    name = "unmasked"

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return features.sum((0, 2, 3))


class Forgetful(Head):
    """Masks its features, and not what it counts."""

    name, inputs = "forgetful", {"other": "given"}

    def statistics(
        self, features: torch.Tensor, mask: torch.Tensor | None, other: torch.Tensor
    ) -> torch.Tensor:
        return torch.stack([masked(features, mask).sum(), other.sum()])


class Sized(Head):
    name = "sized"

    def statistics(self, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return masked(features, mask).sum((0, 1, 2))


def term(head: Head, height: int | None = None) -> Term:
    return Term(head, "first", Layer(channels=4, stride=(1, 1)), height)


def looking(own: Any, reach: int | Pair) -> Head:
    """It looks at the next position, and says that it looks so far."""
    head: Head = type("Looking", (own.Curved,), {"reach": reach})()
    return head


@pytest.mark.parametrize("height", [None, 1])
def test_a_head_whose_tiles_do_not_add_up_is_refused(own: Any, height: int | None) -> None:
    for head in (Unmasked(), Forgetful(), looking(own, 0), looking(own, (1, 0))):
        with pytest.raises(ImpastoError, match=rf"head '{head.name}'.* use `masked`, and say in"):
            check_additive(term(head, height))
    with pytest.raises(ImpastoError, match=r"head 'sized'.*sum over space"):
        check_additive(term(Sized(), height))
    for head in (looking(own, 1), looking(own, (0, 3)), own.Regional(), own.Temporal()):
        check_additive(term(head, height))


def test_it_is_refused_before_anything_is_written(own: Any, tmp_path: Path) -> None:
    with pytest.raises(ImpastoError, match=r"head 'unmasked'"):
        export_bundle(tmp_path / "new", own.Plain(), Recipe([], ["first"], heads=[Unmasked()]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("declared", "part"),
    [
        ({"inputs": {"target": "picture"}}, "input 'target' has the source 'picture'"),
        ({"inputs": {"not a name": "given"}}, "'not a name' is no name"),
        ({"count": "region"}, "it counts 'region', which is no region or given input"),
        ({"layers": ("third",)}, "layer='third': plain has first to second"),
    ],
)
def test_declarations_that_make_no_sense(own: Any, declared: dict[str, Any], part: str) -> None:
    head = type("Odd", (Unmasked,), declared)()
    with pytest.raises(SettingError, match=part):
        Recipe(["second"], ["first"], heads=[head]).places(own.Plain)


# What an encoder is measured to be


def test_an_encoder_that_looks_at_the_whole_picture_must_say_so(own: Any) -> None:
    liar = type("Liar", (own.Squeezed,), {"tiled": True})()
    with pytest.raises(ImpastoError, match=r"squeezed looks at the whole image.*`tiled = False`"):
        measure(liar.eval())


def test_layers_that_do_not_fit_the_alignment_are_told(own: Any) -> None:
    odd = type("Odd", (own.Plain,), {"alignment": (5, 4)})()
    with pytest.raises(ImpastoError, match=r"layer 'second' of plain .* divides the alignment"):
        measure(odd)


@pytest.mark.parametrize("kernel", [1, 3, 7])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_reach_is_what_convolutions_have(
    own: Any, kernel: int, dilation: int, stride: int
) -> None:
    """One of a stride after one of 3x3: 1 + stride' * radius pixels, up to whole positions."""
    encoder = own.Plain()
    radius = dilation * (kernel // 2)
    options = {"padding": radius, "dilation": dilation, "stride": stride}
    encoder.two = torch.nn.Conv2d(8, 6, kernel, **options)
    reach = measure(encoder).reach["second"][0]
    needed = 1 + 2 * radius
    whole = 2 * stride
    assert needed <= reach < needed + 2 * whole
    assert reach % whole == 0


def test_a_bundle_that_says_so_is_never_tiled(make: Make) -> None:
    graphs = make("Plain").graphs
    bundle = Bundle(graphs.bundle.path)
    encoder = dataclasses.replace(bundle.manifest.encoder, tiled=False)
    bundle.manifest = dataclasses.replace(bundle.manifest, encoder=encoder)
    spoilt = Graphs(bundle, Device("cpu"), None)
    assert isinstance(make_objective(graphs, "gatys", "own", (24, 36), 320), Tiled)
    assert isinstance(make_objective(spoilt, "gatys", "own", (24, 36), 320), Whole)
