"""Regions: the formula in float64, tiles, resumed and replayed runs, the rest of a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from impasto.runtime import Engine, ImageError, ImpastoError, Region, SettingError
from impasto.runtime.inputs.regions import shared
from impasto.runtime.jobs import Jobs

Array = NDArray[np.float32]
SIZE = HEIGHT, WIDTH = 64, 80
SHORT: dict[str, Any] = {"size": WIDTH, "min_size": 40, "iterations": 3, "schedule": [3]}


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Array:
    """Smooth noise, so that nothing depends on a single pixel."""
    noise = np.random.default_rng(seed).random((height, width, 3), np.float32)
    return (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, 2, 0)) / 4


def band(first: float, last: float, soft: float = 6.0) -> Array:
    """White between two rows, with edges so many rows wide."""
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    inside = np.minimum(rows - first, last - rows) / soft
    return np.broadcast_to(inside.clip(0, 1), SIZE).copy()


@pytest.fixture(scope="module")
def engine(guided: Any) -> Engine:
    return Engine.load(guided.folder, device="cpu", threads=1)


# The formula


def blocks(mask: Array, stride: int) -> torch.Tensor:
    tensor = torch.from_numpy(mask).double()[None, None]
    return torch.nn.functional.avg_pool2d(tensor, stride) if stride > 1 else tensor


def gram(features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """sum_p m(p) F(p) F(p)^T / sum_p m(p), position by position of the formula."""
    flat, weights = features[0].flatten(1), mask.flatten()
    return torch.einsum("p,ip,jp->ij", weights, flat, flat) / weights.sum()


def oracle(
    encoder: torch.nn.Module,
    image: torch.Tensor,
    ground: torch.Tensor,
    masks: Sequence[Array],
    styles: Sequence[Sequence[tuple[float, Array, Array]]],
    content: torch.Tensor,
) -> torch.Tensor:
    """The loss of an image that is laid on a ground; styles are (share, picture, mask)."""
    share = torch.from_numpy(np.sum(masks, 0).clip(0, 1)).double()
    seen = share * image + (1 - share) * ground
    ours, theirs = encoder(seen), encoder(content)
    loss = (ours["second"] - theirs["second"]).square().mean()
    for layer, stride in (("first", 1), ("second", 2)):
        parts = []
        for mask, own in zip(masks, styles, strict=True):
            wanted = sum(
                part * gram(encoder(tensor(style))[layer], blocks(inside, stride))
                for part, style, inside in own
            )
            difference = gram(ours[layer], blocks(mask, stride)) - wanted
            parts.append((difference / len(difference)).square().mean())
        loss = loss + 1000 * sum(parts) / len(parts)
    return loss


def tensor(image: Array) -> torch.Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1)[None].copy()).double()


@pytest.mark.parametrize("tiled", [False, True], ids=["whole", "tiles"])
@pytest.mark.parametrize("count", [1, 2, 8])
def test_loss_and_gradient_are_the_formulas(
    engine: Engine, guided: Any, in_tiles: Any, count: int, tiled: bool
) -> None:
    photo, ones = picture(0), np.ones(SIZE, np.float32)
    edges = np.linspace(4, 60, count + 1)
    masks = [band(a - 4, b + 4) for a, b in pairwise(edges)]
    paintings = [picture(k + 1) ** 2 for k in range(count)]
    inside = np.flip(band(10, 50), 0).copy()
    regions = [Region(m, p) for m, p in zip(masks, paintings, strict=True)]
    regions[0] = Region(masks[0], [paintings[0], picture(99)], [inside, None])
    blend = [3.0, 1.0] + [1.0] * (count - 1)
    weights: dict[str, Any] = {"blend": blend, "content_weight": 1.0, "style_weight": 1000.0}
    run = engine.start(photo, regions=regions, init="noise", size=WIDTH, min_size=80, **weights)
    run = in_tiles(engine, run) if tiled else run
    point = run._loop.start().point

    own = [[(1.0, p, ones)] for p in paintings]
    own[0] = [(0.75, paintings[0], inside), (0.25, picture(99), ones)]
    image = torch.from_numpy(point.image.numpy().copy()).double().requires_grad_()
    double = guided.encoder.double()
    loss = oracle(double, image, tensor(photo), shared(masks), own, tensor(photo))
    (gradient,) = torch.autograd.grad(loss, image)
    assert point.loss == pytest.approx(loss.item(), rel=1e-5)
    difference = np.linalg.norm(point.gradient.numpy() - gradient.numpy())
    assert difference <= 1e-5 * gradient.norm()
    wrong = oracle(double, image, tensor(photo), shared(masks), own[::-1], tensor(photo))
    if count > 1:  # so the order of regions is seen, too
        assert point.loss != pytest.approx(wrong.item(), rel=1e-3)


def test_one_region_of_the_whole_is_the_picture_without_regions(engine: Engine) -> None:
    photo, painting = picture(0), picture(1) ** 2
    plain = engine.stylize(photo, painting, **SHORT)
    whole = engine.stylize(photo, regions=[Region(np.ones((5, 4)), painting)], **SHORT)
    assert whole.loss == pytest.approx(plain.loss, rel=1e-4)
    assert np.abs(whole.image - plain.image).max() < 1e-3


def test_masks_that_overlap_share_the_place() -> None:
    first, second = np.float32([[1, 0.5, 0]]), np.float32([[1, 0.25, 0]])
    one, two, rest = shared([first, second, None])
    np.testing.assert_allclose(one, [[0.5, 0.5, 0]])
    np.testing.assert_allclose(two, [[0.5, 0.25, 0]])
    np.testing.assert_allclose(rest, [[0, 0.25, 1]])


# The rest of the picture


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("color", ["style", "content", "match"])
def test_what_has_no_style_is_the_photograph_in_every_step(
    engine: Engine, optimizer: str, color: str
) -> None:
    photo, mask = picture(0), band(10, 40)
    settings: dict[str, Any] = {**SHORT, "optimizer": optimizer, "color": color, "init": "style"}
    run = engine.start(photo, regions=[Region(mask, picture(1) ** 2)], **settings)
    outside = mask == 0
    seen = 0
    for step in run:
        if step.size == SIZE:
            np.testing.assert_array_equal(step.image[outside], photo[outside])
            seen += 1
    image = run.result().image
    assert seen
    np.testing.assert_array_equal(image[outside], photo[outside])
    assert np.abs(image - photo)[mask == 1].mean() > 1e-3


def test_a_run_that_ends_at_a_coarse_scale_has_the_photograph_as_well(engine: Engine) -> None:
    photo, mask = picture(0), band(10, 40)
    run = engine.start(photo, regions=[Region(mask, picture(1))], **SHORT)
    next(run)
    np.testing.assert_array_equal(run.result().image[mask == 0], photo[mask == 0])


def test_one_region_of_a_finished_picture_is_painted_again(engine: Engine) -> None:
    photo, painting = picture(0), picture(1) ** 2
    before = engine.stylize(photo, painting, **SHORT).image
    mask = band(20, 50)
    after = engine.stylize(
        photo, regions=[Region(mask, picture(2))], init_image=before, **SHORT
    ).image
    np.testing.assert_array_equal(after[mask == 0], before[mask == 0])
    assert np.abs(after - before)[mask == 1].mean() > 1e-3


def test_a_style_besides_is_that_of_the_rest(engine: Engine) -> None:
    photo, mask = picture(0), band(10, 40)
    run = engine.start(photo, picture(2), regions=[Region(mask, picture(1))], **SHORT)
    assert [region.mask for region in run.plan.sizes.regions] == [SIZE, None]
    assert run.plan.shares == (1.0, 1.0)
    assert np.abs(run.finish().image - photo)[mask == 0].mean() > 1e-3


# Kept, resumed, replayed


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_it_is_resumed_and_replayed_to_the_same_bytes(
    engine: Engine, tmp_path: Path, optimizer: str
) -> None:
    photo = picture(0)
    regions = [Region(band(0, 30), picture(1), band(5, 50)), Region(band(25, 50), picture(2, 40))]
    run = engine.start(photo, regions=regions, optimizer=optimizer, **SHORT)
    for _ in range(4):
        next(run)
    run.save(tmp_path / "run")
    result = run.finish()
    resumed = engine.resume(tmp_path / "run").finish()
    np.testing.assert_array_equal(resumed.image, result.image)
    assert resumed.texts["run"] == result.texts["run"]
    result.save(tmp_path / "out.png")
    again = engine.replay(tmp_path / "out.png", photo, regions=regions).finish()
    np.testing.assert_array_equal(again.image, result.image)
    other = [Region(band(0, 29), picture(1), band(5, 50)), regions[1]]
    with pytest.raises(ImageError, match="region 1: other pixels than those"):
        engine.replay(tmp_path / "out.png", photo, regions=other)
    with pytest.raises(SettingError, match="painted from 2: give as many"):
        engine.replay(tmp_path / "out.png", photo, regions=other[:1])


def test_jobs_and_estimates_take_regions(engine: Engine) -> None:
    photo, regions = picture(0), [Region(band(0, 30) > 0.5, picture(1))]
    expected = engine.stylize(photo, regions=regions, **SHORT).image
    with Jobs(engine) as jobs:
        job = jobs.submit(photo, regions=regions, **SHORT)
        np.testing.assert_array_equal(job.result().image, expected)
    found = engine.estimate(photo, regions=regions * 8, size=512)
    one = engine.estimate(photo, regions=regions, size=512)
    none = engine.estimate(photo, picture(1), size=512)
    assert none.plan.memory < one.plan.memory < found.plan.memory
    assert none.plan.settings.objective == "gatys"
    assert one.plan.settings.objective == "gatys-regions"


# What is refused

ASKED: list[tuple[Callable[[], dict[str, Any]], str]] = [
    (
        lambda: {"content": picture(0), "regions": [Region(np.zeros((9, 9)), picture(1))]},
        "the mask of region 1 is black all over: paint white what is to be inside",
    ),
    (
        lambda: {"content": picture(0), "regions": [Region(band(0, 9), picture(1))] * 9},
        "regions=9: give at most 8, the rest of the picture among them",
    ),
    (
        lambda: {
            "content": picture(0),
            "style": picture(1),
            "regions": [Region(band(0, 9), picture(1))] * 8,
        },
        "regions=9: give at most 8",
    ),
    (
        lambda: {"regions": [Region(band(0, 9), picture(1))]},
        "regions=1: give the content that they are parts of",
    ),
    (
        lambda: {"content": picture(0), "regions": [Region(band(0, 9), [])]},
        "region 1 has 0 styles and 0 masks",
    ),
    (
        lambda: {"content": picture(0), "regions": [Region(band(0, 9), picture(1), [None, None])]},
        "region 1 has 1 styles and 2 masks",
    ),
    (
        lambda: {
            "content": picture(0),
            "regions": [Region(band(0, 9), [picture(1), picture(2)])],
            "blend": [0.0, 0.0],
        },
        "blend=.*give a weight above 0",
    ),
]


@pytest.mark.parametrize(("given", "sentence"), ASKED)
def test_what_makes_no_sense_is_told(
    engine: Engine, given: Callable[[], dict[str, Any]], sentence: str
) -> None:
    with pytest.raises(ImpastoError, match=sentence):
        engine.start(**given(), **SHORT)


def test_a_bundle_without_the_variant_says_how_to_make_one() -> None:
    engine = Engine.load(Path(__file__).parents[1] / "data" / "plain", device="cpu")
    regions = [Region(band(0, 9), picture(1))]
    with pytest.raises(SettingError, match="`impasto export --regions gatys` makes one"):
        engine.start(picture(0), regions=regions, size=WIDTH)
