"""The result has the size that was asked for, to the pixel, and the content its proportions."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto.runtime import SettingError, Settings, Sizes
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.pictures.image import middle
from impasto.runtime.planning.make import make_plan
from impasto.runtime.planning.sizes import Size, cover_size
from impasto.runtime.settings.resolve import resolve


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return Bundle("vgg19").manifest


def planned(manifest: Manifest, given: dict[str, Any], shape: Size, texture: bool = False) -> Any:
    pictures: Any = {"content": not texture, "styles": int(texture)}
    settings = resolve(manifest, given, image=False, **pictures)
    sizes = Sizes(styles=(shape,)) if texture else Sizes(content=shape)
    return make_plan(manifest, settings, sizes, 10**15)


@pytest.mark.parametrize("texture", [False, True])
@pytest.mark.parametrize(
    ("given", "shape", "expected"),
    [
        ({"size": 512}, (3000, 4000), (384, 512)),
        ({"size": 512}, (4001, 2999), (512, 384)),
        ({"size": 17}, (300, 301), (17, 17)),
        ({"size": 16}, (300, 300), (16, 16)),
        ({"size": 16384}, (300, 300), (16384, 16384)),
        ({"size": "original"}, (333, 1021), (333, 1021)),
        ({"size": "original"}, (4001, 2999), (4001, 2999)),
        ({"width": 801}, (3000, 4000), (601, 801)),
        ({"width": 801}, (4000, 3000), (1068, 801)),
        ({"width": 16}, (400, 300), (21, 16)),
        ({"height": 801}, (3000, 4000), (801, 1068)),
        ({"height": 799}, (4000, 3000), (799, 599)),
        ({"height": 16384}, (301, 300), (16384, 16330)),
        ({"width": 801, "height": 333}, (4000, 3000), (333, 801)),
        ({"width": 16, "height": 16384}, (300, 300), (16384, 16)),
        ({"megapixels": 1}, (1000, 1000), (1000, 1000)),
        ({"megapixels": 0.5}, (3000, 4000), (612, 816)),
        ({"megapixels": 268.435456}, (50, 50), (16384, 16384)),
        ({"megapixels": 0.001}, (500, 500), (32, 32)),
    ],
)
def test_the_result_has_the_size_that_was_asked_for(
    manifest: Manifest, given: dict[str, Any], shape: Size, expected: Size, texture: bool
) -> None:
    plan = planned(manifest, given, shape, texture)
    assert plan.size == expected
    proportions = expected if {*given} == {"width", "height"} else shape
    for scale, finer in zip(plan.scales, plan.scales[1:], strict=False):
        assert max(scale.size) == max(finer.size) // 2
        short = min(proportions) / max(proportions) * max(scale.size)
        assert abs(min(scale.size) - short) <= 0.5


@pytest.mark.parametrize("name", ["size", "width", "height", "megapixels"])
def test_what_is_said_to_do_for_a_thin_picture_does(manifest: Manifest, name: str) -> None:
    for shape in ((50, 2000), (2000, 50)):
        short = name == ("height", "width")[shape[0] > shape[1]]
        given: dict[str, Any] = {name: 0.005 if name == "megapixels" else 80}
        if short:
            assert min(planned(manifest, given, shape).size) == 80
            continue
        with pytest.raises(SettingError, match="would be too thin") as caught:
            planned(manifest, given, shape)
        assert caught.value.field == name
        needed = str(caught.value).partition("give ")[2].partition(" ")[0]
        value = float(needed) if name == "megapixels" else int(needed)
        assert min(planned(manifest, {name: value}, shape).size) == 16


@pytest.mark.parametrize(
    ("given", "shape", "reason"),
    [
        ({"width": 10_000}, (4000, 2000), "width=10000: 10000 x 20000 pixels are more than 16384"),
        ({"height": 9000}, (1000, 2000), "height=9000: 18000 x 9000 pixels are more than 16384"),
        ({"megapixels": 200}, (100, 1000), "megapixels=200.0: 44721 x 4472 pixels are more than"),
        ({"size": "original"}, (100, 20_000), "size='original': 20000 x 100 pixels are more than"),
    ],
)
def test_what_would_be_too_large_is_refused(
    manifest: Manifest, given: dict[str, Any], shape: Size, reason: str
) -> None:
    with pytest.raises(SettingError, match=reason):
        planned(manifest, given, shape)


def test_what_needs_too_much_memory_is_told_by_the_field_that_was_given(manifest: Manifest) -> None:
    settings = resolve(manifest, {"width": 9000}, content=True, styles=0, image=False)
    with pytest.raises(SettingError, match="width=9000: 9000 x 9000 pixels need"):
        make_plan(manifest, settings, Sizes(content=(300, 300)), 10**9)
    settings = dataclasses.replace(Settings(), **dataclasses.asdict(settings))
    assert settings.width == 9000


# The crop


@pytest.mark.parametrize(
    ("shape", "size"),
    [((64, 97), (64, 64)), ((97, 64), (64, 64)), ((65, 33), (20, 33)), ((48, 48), (48, 48))],
)
def test_what_fits_already_is_cut_out_of_the_middle(shape: Size, size: Size) -> None:
    picture = np.random.default_rng(1).random((*shape, 3), np.float32)
    assert cover_size(shape, size) == shape
    top, left = ((a - b) // 2 for a, b in zip(shape, size, strict=True))
    expected = picture[top : top + size[0], left : left + size[1]]
    np.testing.assert_array_equal(middle(picture, *size), expected)


@pytest.mark.parametrize(("shape", "size"), [((30, 40), (90, 60)), ((30, 40), (64, 99))])
def test_what_is_smaller_is_enlarged_and_not_stretched(shape: Size, size: Size) -> None:
    """Pillow's own crop and resize, of the part that has the wanted proportions."""
    picture = np.random.default_rng(2).random((*shape, 3), np.float32)
    factor = max(size[0] / shape[0], size[1] / shape[1])
    height, width = (side / factor for side in size)
    left, top = (shape[1] - width) / 2, (shape[0] - height) / 2
    plane = Image.fromarray(picture[:, :, 1].copy())
    box = (left, top, left + width, top + height)
    expected = plane.resize(size[::-1], Image.Resampling.LANCZOS, box)
    np.testing.assert_allclose(middle(picture, *size)[:, :, 1], np.asarray(expected), atol=1e-5)


def test_what_covers_a_size_has_no_more_than_is_needed() -> None:
    random = np.random.default_rng(3)
    for _ in range(500):
        shape, size = (tuple(map(int, random.integers(16, 5000, 2))) for _ in range(2))
        cover = cover_size(shape, size)  # type: ignore[arg-type]
        assert all(a >= b for a, b in zip(cover, size, strict=True))
        assert any(a == b for a, b in zip(cover, size, strict=True))
        drift = cover[0] * shape[1] / shape[0] - cover[1]
        assert abs(drift) <= 0.51 * max(1, shape[1] / shape[0])
        assert math.prod(cover) >= math.prod(size)
