"""Colors matched, and lightness and chroma apart, against formulas written here in float64."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.linalg import sqrtm
from skimage import data

from impasto.runtime.pictures import color
from impasto.runtime.pictures.color import (
    blend_moments,
    from_oklab,
    lightness_gray,
    moments,
    to_oklab,
    transport,
    with_chroma,
)
from impasto.runtime.pictures.image import Picture, read_picture, resize

RNG = np.random.default_rng(11)
STEP = 1 / 255


@pytest.fixture(autouse=True)
def _no_floating_point_error() -> Iterator[None]:
    with np.errstate(all="raise", under="ignore"):
        yield


def match_colors(picture: Picture, like: Picture, strength: float = 1.0) -> Picture:
    return transport(moments(picture), moments(like), strength)(picture)


def photograph(name: str) -> Picture:
    return resize(read_picture(getattr(data, name)()), 96, 128)


def flat(*rgb: float) -> Picture:
    return np.broadcast_to(np.float32(rgb), (16, 16, 3)).copy()


def cloud(deviation: float, size: tuple[int, int] = (40, 50)) -> Picture:
    """Correlated colors about the middle, of full rank, that stay far from 0 and 1."""
    mixing = np.eye(3) + 0.5 * RNG.random((3, 3))
    colors = RNG.uniform(-1, 1, (*size, 3)) @ mixing.T
    center = 0.5 + 0.05 * RNG.uniform(-1, 1, 3)
    return (center + deviation * colors).astype(np.float32)


def statistics(picture: Picture) -> tuple[np.ndarray, np.ndarray]:
    colors = picture.reshape(-1, 3).astype(np.float64)
    return colors.mean(axis=0), np.cov(colors.T, bias=True)


def monge_kantorovich(picture: Picture, like: Picture) -> tuple[np.ndarray, np.ndarray]:
    """The map's matrix, and what it makes of the picture."""
    (mean, source), (like_mean, target) = statistics(picture), statistics(like)
    root = sqrtm(source).real
    inverse = np.linalg.inv(root)
    matrix = inverse @ sqrtm(root @ target @ root).real @ inverse
    return matrix, (picture.astype(np.float64) - mean) @ matrix.T + like_mean


PICTURES = {
    "chelsea": photograph("chelsea"),
    "coffee": photograph("coffee"),
    "random": RNG.random((30, 40, 3), np.float32),
    "dark": RNG.random((30, 40, 3), np.float32) ** 8,
    "tiny values": np.float32(1e-6) * RNG.random((16, 16, 3), np.float32),
    "corners": RNG.integers(0, 2, (30, 40, 3)).astype(np.float32),
    "faint": cloud(0.5 * STEP, (16, 16)),
    "gray": np.repeat(RNG.random((16, 16, 1), np.float32), 3, axis=2),
    "gray ramp": np.repeat(np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64, 1), 3, axis=2),
    "flat": flat(0.2, 0.5, 0.4),
    "black": flat(0, 0, 0),
    "white": flat(1, 1, 1),
    "red": flat(1, 0, 0),
    "blue": flat(0, 0, 1),
    "two colors": np.where(RNG.random((16, 16, 1)) < 0.5, flat(1, 0.2, 0), flat(0, 0.3, 1)),
    "black and white": np.where(RNG.random((16, 16, 1)) < 0.5, flat(0, 0, 0), flat(1, 1, 1)),
    "one dot": np.where(np.arange(256).reshape(16, 16, 1) == 7, flat(1, 0, 0), flat(0, 0, 0)),
}


# The colors of another picture


def test_blended_moments_are_those_of_the_pictures_side_by_side() -> None:
    one, other = cloud(0.1, (16, 30)), cloud(0.05, (16, 10)) + np.float32(0.1)
    mean, covariance = statistics(np.concatenate([one, other], axis=1))
    found = blend_moments([moments(one), moments(other)], [0.75, 0.25])
    np.testing.assert_allclose(found.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("size", [(16, 16), (40, 50), (300, 200)])
@pytest.mark.parametrize("scale", [0.3, 1, 3])
def test_matching_is_the_monge_kantorovich_map(size: tuple[int, int], scale: float) -> None:
    picture, like = cloud(0.05, size), cloud(0.05 * scale)
    matrix, expected = monge_kantorovich(picture, like)
    assert 0 < expected.min() < expected.max() < 1
    found = match_colors(picture, like)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)

    mean, covariance = statistics(found)
    like_mean, target = statistics(like)
    np.testing.assert_allclose(mean, like_mean, rtol=0, atol=1e-6)
    np.testing.assert_allclose(covariance, target, rtol=0, atol=1e-5 * target.max())

    # one percent would show in both
    _, source = statistics(picture)
    assert abs(1.01 * matrix @ source @ matrix * 1.01 - target).max() > 1e-2 * target.max()
    assert abs(0.01 * (expected - like_mean)).max() > 1e-4


def test_another_map_with_the_same_covariance_moves_colors_further() -> None:
    """Cholesky's factors give C as well: the oracle of the covariance alone would take them."""
    picture, like = cloud(0.05), cloud(0.08)
    (mean, source), (like_mean, target) = statistics(picture), statistics(like)
    factors = np.linalg.cholesky(target) @ np.linalg.inv(np.linalg.cholesky(source))
    other = (picture - mean) @ factors.T + like_mean
    np.testing.assert_allclose(statistics(other)[1], target, rtol=0, atol=1e-8)
    found = match_colors(picture, like)
    assert abs(found - other).max() > 1e-3
    assert ((found - picture) ** 2).mean() < ((other - picture) ** 2).mean()


@pytest.mark.parametrize(("name", "like"), [("chelsea", "coffee"), ("coffee", "chelsea")])
def test_photographs_match_but_for_the_clip(name: str, like: str) -> None:
    _, expected = monge_kantorovich(PICTURES[name], PICTURES[like])
    found = match_colors(PICTURES[name], PICTURES[like])
    np.testing.assert_allclose(found, expected.clip(0, 1), rtol=0, atol=1e-5)
    assert abs(found - PICTURES[name]).max() > 0.1


@pytest.mark.parametrize("strength", [0, 0.25, 0.5, 1])
def test_strength_goes_straight_from_picture_to_match(strength: float) -> None:
    picture, like = cloud(0.04), cloud(0.08)
    _, matched = monge_kantorovich(picture, like)
    expected = picture + strength * (matched - picture)
    np.testing.assert_allclose(match_colors(picture, like, strength), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("like", PICTURES)
@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.filterwarnings("error")
def test_any_two_pictures_can_be_matched(name: str, like: str) -> None:
    picture, before = PICTURES[name], PICTURES[name].copy()
    found = match_colors(picture, PICTURES[like])
    assert found.shape == picture.shape
    assert 0 <= found.min() <= found.max() <= 1  # false for NaN too
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(match_colors(picture, PICTURES[like], 0), picture)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_like_itself_stays(name: str) -> None:
    found = match_colors(PICTURES[name], PICTURES[name])
    np.testing.assert_allclose(found, PICTURES[name], rtol=0, atol=2e-6)


@pytest.mark.parametrize("like", PICTURES)
@pytest.mark.parametrize("name", ["flat", "black", "white", "red"])
def test_a_flat_picture_gets_the_mean(name: str, like: str) -> None:
    found = match_colors(PICTURES[name], PICTURES[like])
    mean = np.broadcast_to(statistics(PICTURES[like])[0], found.shape)
    np.testing.assert_allclose(found, mean, rtol=0, atol=2e-6)


@pytest.mark.parametrize("like", ["gray", "gray ramp", "black and white", "black", "white"])
@pytest.mark.parametrize("name", ["gray", "gray ramp", "black and white", "chelsea", "coffee"])
def test_what_matches_a_gray_picture_is_gray(name: str, like: str) -> None:
    found = match_colors(PICTURES[name], PICTURES[like])
    np.testing.assert_allclose(np.ptp(found, axis=2), 0, atol=5e-6)


def test_a_gray_picture_gets_one_tint() -> None:
    """Its colors lie on a line, and a linear map leaves them on one."""
    gray, like = PICTURES["gray"] * 0.4 + 0.3, cloud(0.08)
    found = match_colors(gray, like)
    mean, covariance = statistics(found)
    np.testing.assert_allclose(mean, statistics(like)[0], rtol=0, atol=1e-6)
    variances = np.linalg.eigvalsh(covariance)
    assert variances[1] < 1e-12
    assert variances[2] > 0.5 * np.linalg.eigvalsh(statistics(like)[1])[2]


def test_noise_is_no_color() -> None:
    """What rounding and JPEG leave in a gray picture is not blown up to the colors of another."""
    gray = 0.25 + 0.5 * RNG.random((64, 64, 1), np.float32)
    noise = (RNG.standard_normal((64, 64, 3)) * STEP).astype(np.float32)
    picture, like = gray + noise - noise.mean(axis=2, keepdims=True), cloud(0.15)

    def deviation(found: Picture) -> float:
        """Of what is across the line that the gray ones come to."""
        return float(np.sqrt(np.linalg.eigvalsh(np.cov(found.reshape(-1, 3).T))[1]))

    assert deviation(picture) == pytest.approx(STEP, rel=0.1)
    exact = monge_kantorovich(picture, like)[1].astype(np.float32)
    assert deviation(exact) > 20 * STEP
    assert deviation(match_colors(picture, like)) < 10 * STEP


@pytest.mark.parametrize("like", PICTURES)
@pytest.mark.parametrize("deviation", [0.3 * STEP, STEP, 4 * STEP])
def test_nothing_is_magnified_more_than_tenfold(deviation: float, like: str) -> None:
    picture = cloud(deviation)
    found = match_colors(picture, PICTURES[like])
    change = abs(found - statistics(PICTURES[like])[0]).max(axis=2)
    distance = np.linalg.norm(picture - statistics(picture)[0], axis=2)
    assert (change <= 10 * distance + 1e-5).all()


def test_bands_are_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    chelsea, coffee = PICTURES["chelsea"], PICTURES["coffee"]

    def everything() -> list[Picture]:
        return [
            match_colors(chelsea, coffee),
            to_oklab(chelsea),
            from_oklab(to_oklab(chelsea)),
            lightness_gray(chelsea),
            with_chroma(chelsea, coffee),
        ]

    whole = everything()
    for band in (1, 128 * 5, 1 << 20):
        monkeypatch.setattr(color, "_BAND", band)
        for found, expected in zip(everything(), whole, strict=True):
            assert found.flags.c_contiguous
            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def test_any_layout_does() -> None:
    chelsea, coffee = PICTURES["chelsea"], PICTURES["coffee"]
    for turn in (np.asfortranarray, lambda p: p[::-1, ::-1], lambda p: p.swapaxes(0, 1)):
        one, other = turn(chelsea), turn(coffee)
        for function in (match_colors, with_chroma):
            expected = function(np.ascontiguousarray(one), np.ascontiguousarray(other))
            np.testing.assert_allclose(function(one, other), expected, rtol=0, atol=2e-6)


# OKLab

M1 = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)


def decoded(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def encoded(value: float) -> float:
    return value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def oklab(rgb: np.ndarray) -> tuple[float, float, float]:
    """Of one color, in float64, as Ottosson writes it."""
    red, green, blue = (decoded(float(value)) for value in rgb)
    lms = [math.cbrt(row[0] * red + row[1] * green + row[2] * blue) for row in M1]
    return (
        0.2104542553 * lms[0] + 0.7936177850 * lms[1] - 0.0040720468 * lms[2],
        1.9779984951 * lms[0] - 2.4285922050 * lms[1] + 0.4505937099 * lms[2],
        0.0259040371 * lms[0] + 0.7827717662 * lms[1] - 0.8086757660 * lms[2],
    )


def linear_rgb(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    """Ottosson's own inverse, which he rounds to ten digits."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def reference_lab(picture: Picture) -> np.ndarray:
    colors = [oklab(rgb) for rgb in picture.reshape(-1, 3)]
    return np.array(colors).reshape(picture.shape)


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((1, 1, 1), (1, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 1, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
    ],
)
def test_published_values(rgb: tuple[float, ...], expected: tuple[float, ...]) -> None:
    np.testing.assert_allclose(to_oklab(flat(*rgb))[3, 4], expected, rtol=0, atol=6e-6)
    np.testing.assert_allclose(from_oklab(flat(*expected))[3, 4], rgb, rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.filterwarnings("error")
def test_oklab_is_ottossons_there_and_back(name: str) -> None:
    picture, expected = PICTURES[name], reference_lab(PICTURES[name])
    lab = to_oklab(picture)
    assert lab.dtype == np.float32
    np.testing.assert_allclose(lab, expected, rtol=0, atol=5e-7)
    back = from_oklab(lab)
    assert 0 <= back.min() <= back.max() <= 1
    np.testing.assert_allclose(back, picture, rtol=0, atol=3e-5)
    above = picture > 0.01  # below, sRGB is 13 times as steep as light is
    np.testing.assert_allclose(back[above], picture[above], rtol=0, atol=1.5e-5)


def test_colors_that_srgb_lacks_are_clipped() -> None:
    lab = RNG.uniform(-1, 1, (20, 20, 3)).astype(np.float32) * np.float32([0.5, 0.4, 0.4])
    lab[:, :, 0] += 0.5
    expected = [
        [encoded(min(max(value, 0), 1)) for value in linear_rgb(*color)]
        for color in lab.reshape(-1, 3).astype(float)
    ]
    found = from_oklab(lab)
    np.testing.assert_allclose(found, np.reshape(expected, lab.shape), rtol=0, atol=1e-4)


# Lightness and chroma


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.filterwarnings("error")
def test_gray_has_the_lightness_of_the_picture(name: str) -> None:
    gray = lightness_gray(PICTURES[name])
    assert gray.dtype == np.float32
    assert 0 <= gray.min() <= gray.max() <= 1
    np.testing.assert_array_equal(gray, np.repeat(gray[:, :, :1], 3, axis=2))
    found, expected = reference_lab(gray), reference_lab(PICTURES[name])
    np.testing.assert_allclose(found[:, :, 0], expected[:, :, 0], rtol=0, atol=5e-7)
    np.testing.assert_allclose(found[:, :, 1:], 0, atol=1e-6)


@pytest.mark.parametrize("name", ["gray", "gray ramp", "black and white", "black", "white"])
def test_gray_stays(name: str) -> None:
    np.testing.assert_allclose(lightness_gray(PICTURES[name]), PICTURES[name], rtol=0, atol=1e-6)


def pairs() -> list[tuple[Picture, Picture]]:
    """Every picture with every other's colors, cut to one size."""
    corner = {name: picture[:16, :16] for name, picture in PICTURES.items()}
    return [(one, other) for one in corner.values() for other in corner.values()]


@pytest.mark.filterwarnings("error")
def test_lightness_is_that_of_the_first_everywhere() -> None:
    for picture, chroma_of in pairs():
        found = with_chroma(picture, chroma_of)
        assert found.dtype == np.float32
        assert 0 <= found.min() <= found.max() <= 1
        lightness = reference_lab(found)[:, :, 0]
        np.testing.assert_allclose(lightness, reference_lab(picture)[:, :, 0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(
            lightness_gray(found), lightness_gray(picture), rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("name", ["chelsea", "coffee", "random", "dark", "corners"])
@pytest.mark.parametrize("chroma_of", ["random", "corners", "blue", "red"])
def test_hue_stays_and_chroma_is_the_most_that_srgb_has(name: str, chroma_of: str) -> None:
    """Against a walk from gray to the color that is wanted, in float64."""
    picture, others = PICTURES[name][:16, :16], PICTURES[chroma_of][:16, :16]
    found = reference_lab(with_chroma(picture, others)).reshape(-1, 3)
    lightness = reference_lab(picture)[:, :, 0].ravel()
    wanted = reference_lab(others)[:, :, 1:].reshape(-1, 2)
    walk = np.linspace(0, 1, 1001)

    less = 0
    for light, (_, *got), (a, b) in zip(lightness, found, wanted, strict=True):
        if math.hypot(a, b) < 0.01:
            np.testing.assert_allclose(got, (a, b), rtol=0, atol=0.01)
            continue
        factor = np.dot(got, (a, b)) / np.dot((a, b), (a, b))
        np.testing.assert_allclose(got, (factor * a, factor * b), rtol=0, atol=5e-6)
        assert -1e-4 < factor < 1 + 1e-4

        further = np.append(walk[walk > factor + 1e-3], factor + 1e-3)
        further = further[further <= 1]
        rgb = np.array(linear_rgb(light, further * a, further * b))
        fits = (rgb.min(axis=0) >= 0) & (rgb.max(axis=0) <= 1)
        assert not fits[-1:].any()
        assert not fits.any() or 264 < math.degrees(math.atan2(b, a)) % 360 < 264.25
        less += factor < 0.99
    assert less > 10 or name == chroma_of


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_with_its_own_chroma_stays(name: str) -> None:
    found = with_chroma(PICTURES[name], PICTURES[name])
    np.testing.assert_allclose(found, PICTURES[name], rtol=0, atol=2e-4)
    lab, expected = reference_lab(found), reference_lab(PICTURES[name])
    np.testing.assert_allclose(lab, expected, rtol=0, atol=2e-5)


def test_blue_next_to_where_its_hue_leaves_srgb_twice() -> None:
    """Pure blue stays; a little darker or lighter, it has 15 percent less chroma for its L."""
    blue = PICTURES["blue"]
    np.testing.assert_allclose(with_chroma(blue, blue), blue, rtol=0, atol=2e-4)
    lightness, a, b = oklab(np.array([0, 0, 1]))
    for scale in (0.5, 0.9, 1.02):
        lab = np.broadcast_to(np.float32([scale * lightness, a, b]), (16, 16, 3))
        gray = lightness_gray(from_oklab(lab * np.float32([1, 0, 0])))
        found = to_oklab(with_chroma(gray, blue))[3, 4]
        assert found[0] == pytest.approx(scale * lightness, abs=1e-5)
        assert 0.58 * found[0] < math.hypot(*found[1:]) < 0.70 * found[0]
        assert math.atan2(found[2], found[1]) == pytest.approx(math.atan2(b, a), abs=1e-4)


def test_a_photograph_that_was_gray_gets_its_colors_back() -> None:
    coffee = PICTURES["coffee"]
    found = with_chroma(lightness_gray(coffee), coffee)
    np.testing.assert_allclose(found, coffee, rtol=0, atol=2e-4)


def test_gray_gives_gray() -> None:
    gray = PICTURES["gray"]
    chelsea = PICTURES["chelsea"][:16, :16]
    found = with_chroma(chelsea, gray)
    np.testing.assert_allclose(found, lightness_gray(chelsea), rtol=0, atol=2e-6)


MEMORY = """
import tracemalloc
import numpy as np
from impasto.runtime.pictures import color

picture = np.random.default_rng(0).random((1500, 1000, 3), np.float32)
like = np.ascontiguousarray(picture[::-1])
tracemalloc.start()
def match_colors(one, other):
    return color.transport(color.moments(one), color.moments(other))(one)


for function in (match_colors, color.with_chroma):
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    function(picture, like)
    print(tracemalloc.get_traced_memory()[1] - before)
"""


def test_no_more_memory_than_the_result_and_a_few_bands() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, check=True)
    for peak in map(int, done.stdout.split()):
        assert 18e6 <= peak < 18e6 + 4e6
