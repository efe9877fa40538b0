"""The optimizers' graphs, driven as the runtime drives them, against independent oracles.

The problems have 3 x 16 x 16 values, or as few on other canvases, so that an inverse Hessian can be
written out in full.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from impasto.export import optimizers as exported
from impasto.export.optimizers import FIRST_STEP, Preconditioner
from impasto.export.tensors import Layout
from impasto.export.tracing import trace
from impasto.runtime import Settings
from impasto.runtime.bundle.bundle import Bundle
from impasto.runtime.bundle.shapes import fix
from impasto.runtime.graphs.device import Device
from impasto.runtime.graphs.pool import Graphs
from impasto.runtime.objective import Point, Slot
from impasto.runtime.optimizers import LBFGS, Adam, LBFGSInParts, Optimizer, lbfgs_parts
from impasto.runtime.optimizers import adam as adam_module

SIDE = 16
SHAPE = (1, 3, SIDE, SIDE)
SIZE = 3 * SIDE * SIDE
NONE = (0.0,) * 4
USUAL = (2.0, 4.0, 8.0, 16.0)
RATE = 0.02

Weights = tuple[float, ...]
Vector = NDArray[np.float64]
Function = Callable[[Vector], tuple[float, Vector]]


class Optimiser:
    """An optimizer of the runtime with the memory that it would have in a run."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.memory = optimizer, optimizer.start()
        self._proposal: Any = None

    def propose(self, image: Any, gradient: Any, step: float, into: Any) -> None:
        self._proposal = self.optimizer.propose(self.memory, point(image, gradient), step, into)

    def accept(self, image: Any, gradient: Any) -> None:
        self.memory = self.optimizer.accept(self.memory, point(image, gradient), self._proposal)

    def restart(self) -> bool:
        had = not self.memory.fresh
        self.memory = self.optimizer.start()
        return had


def point(image: Any, gradient: Any) -> Point:
    return Point(Slot(1, image, gradient), 0.0, np.zeros(1, np.float32))


Make = Callable[..., Optimiser]


@dataclasses.dataclass(frozen=True)
class Canvas:
    """Its channels, rows and columns; what rows and columns are multiples of; its range."""

    shape: tuple[int, int, int]
    alignment: tuple[int, int]
    low: float
    high: float


PICTURE = Canvas((3, SIDE, SIDE), (16, 16), 0.0, 1.0)
SOUND = Canvas((5, 1, 32), (1, 16), -2.0, 3.0)
OBLONG = Canvas((2, 16, 16), (2, 8), 0.0, 255.0)


@pytest.fixture(scope="module")
def graphs() -> Graphs:
    return Graphs(Bundle("vgg19"), Device("cpu"), 1)


@pytest.fixture(scope="module")
def make(graphs: Graphs) -> Make:
    usual = graphs.bundle.manifest.optimizers.history_size

    def at(
        name: str,
        pyramid: Weights = NONE,
        history: int = usual,
        channels: float = 1.0,
    ) -> Optimiser:
        chosen = Settings(
            preconditioner_pyramid=pyramid, preconditioner_channels=channels, learning_rate=RATE
        )
        if name == "adam":
            return Optimiser(Adam(graphs, chosen, SHAPE))
        return Optimiser(LBFGS(graphs, chosen, history, SHAPE))

    return at


def propose(optimiser: Optimiser, x: Vector, gradient: Vector, step: float = 1.0) -> Vector:
    """The next x, and the proposal taken."""
    image, slope = (upload(v) for v in (x, gradient))
    following = proposal(optimiser, image, slope, step)
    optimiser.accept(image, slope)
    return following


def proposal(optimiser: Optimiser, image: object, gradient: object, step: float) -> Vector:
    following = Device("cpu").empty(*SHAPE)
    optimiser.propose(image, gradient, step, into=following)
    return np.asarray(following.numpy(), np.float64).ravel()


def upload(vector: Vector) -> object:
    return Device("cpu").upload(vector.astype(np.float32).reshape(SHAPE))


def iterates(optimiser: Optimiser, function: Function, x: Vector, steps: int) -> Iterator[Vector]:
    for _ in range(steps):
        x = propose(optimiser, x, function(x)[1])
        yield x


def quadratic(
    seed: int, low: float, high: float, condition: float = 30.0, size: int = SIZE
) -> Function:
    """A convex one, neighbours coupled, with its free minimiser in [low, high]."""
    random = np.random.default_rng(seed)
    centre = random.uniform(low, high, size)
    scale = np.geomspace(1, condition, size)[random.permutation(size)]

    def evaluate(x: Vector) -> tuple[float, Vector]:
        d = x - centre
        product = scale * d + 2 * (2 * d - np.roll(d, 1) - np.roll(d, -1))
        return 0.5 * float(d @ product), product

    return evaluate


# Adam


def test_adam_is_torchs_inside_the_bounds(make: Make) -> None:
    function = quadratic(0, 0.3, 0.7)
    parameter = torch.full((SIZE,), 0.5, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([parameter], lr=RATE)
    for ours in iterates(make("adam"), function, np.full(SIZE, 0.5), 30):
        parameter.grad = torch.from_numpy(function(parameter.detach().numpy())[1])
        adam.step()
        np.testing.assert_allclose(ours, parameter.detach().numpy(), atol=2e-5)
    assert 0 < ours.min() < ours.max() < 1  # no bound was met


def test_adam_with_other_betas_is_torchs() -> None:
    module, betas = exported.Adam(-10.0, 10.0).double(), (0.7, 0.95)
    parameter = torch.full((8,), 0.5, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([parameter], lr=RATE, betas=betas)
    count, mean, square = torch.zeros(1), torch.zeros(8).double(), torch.zeros(8).double()
    image, fixed = parameter.detach().clone(), torch.tensor(betas, dtype=torch.float64)
    for seed in range(5):
        parameter.grad = torch.from_numpy(np.random.default_rng(seed).standard_normal(8))
        adam.step()
        image, count, mean, square = module(
            image, parameter.grad, torch.tensor([RATE]).double(), fixed, count, mean, square
        )
        torch.testing.assert_close(image, parameter.detach(), rtol=0, atol=1e-8)


def test_adam_leaves_a_pixel_without_gradient_alone(make: Make) -> None:
    gradient = np.where(np.arange(SIZE) % 2, 1.0, 0.0)
    x = propose(make("adam"), np.full(SIZE, 0.5), gradient)
    np.testing.assert_allclose(x, 0.5 - RATE * gradient, atol=1e-6)


def test_adam_projects_onto_the_range_of_a_picture(make: Make) -> None:
    random, optimiser = np.random.default_rng(1), make("adam")
    x = random.choice([0.0, 0.01, 0.5, 0.99, 1.0], SIZE)
    mean = square = np.zeros(SIZE)
    for count in range(1, 6):
        gradient = random.standard_normal(SIZE)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        update = mean / (1 - 0.9**count) / (np.sqrt(square / (1 - 0.999**count)) + 1e-8)
        expected = np.clip(x - RATE * update, 0, 1)
        x = propose(optimiser, x, gradient)
        np.testing.assert_allclose(x, expected, atol=2e-6)
    assert (x == 0).any()
    assert (x == 1).any()


@pytest.mark.parametrize("in_tiles", [False, True], ids=["in memory", "in files"])
def test_adam_in_parts_is_adam(
    graphs: Graphs, monkeypatch: pytest.MonkeyPatch, in_tiles: bool
) -> None:
    """A proposal that is not taken leaves no trace either."""
    random, shape = np.random.default_rng(2), (1, 3, 4 * SIDE, SIDE)
    whole = Optimiser(Adam(graphs, Settings(), shape))
    monkeypatch.setattr(adam_module, "PART", SIDE * SIDE)
    parted = Adam(graphs, Settings(), shape, in_tiles=in_tiles)
    assert (parted._shape[0], len(parted._scratches)) == (4, 2 * in_tiles)
    parts = Optimiser(parted)
    device, images = Device("cpu"), [random.random(shape, np.float32)] * 2
    for _ in range(5):
        gradient = device.upload(random.standard_normal(shape).astype(np.float32))
        for step in (1.0, 0.3):
            found = []
            for optimiser, image in zip((whole, parts), images, strict=True):
                into = device.empty(*shape)
                optimiser.propose(device.upload(image), gradient, step, into)
                found.append(into.numpy().copy())
        for optimiser, image in zip((whole, parts), images, strict=True):
            optimiser.accept(device.upload(image), gradient)
        np.testing.assert_array_equal(*found)
        assert abs(found[0] - images[0]).max() > 0
        images = found


# The preconditioner


def dense_pyramid(weights: Weights, canvas: Canvas = PICTURE) -> Vector:
    """P = 1 + sum_k w_k n_k D_k^T D_k of one plane, as a matrix from its definition."""
    sides = list(canvas.shape[1:])
    total = down = np.eye(math.prod(sides))
    for k, weight in enumerate(weights, start=1):
        axes = []
        for axis, side in enumerate(sides):
            axes.append(np.eye(side))
            if canvas.alignment[axis] % 2**k == 0:
                blur = (2 * np.eye(side) + np.eye(side, k=1) + np.eye(side, k=-1)) / 4
                axes[-1] = np.kron(np.eye(side // 2), [[0.5, 0.5]]) @ blur
                sides[axis] //= 2
        down = np.kron(*axes) @ down
        total = total + weight * down.shape[1] / down.shape[0] * down.T @ down
    return np.asarray(total)


def pyramid(weights: Weights, canvas: Canvas) -> Vector:
    """The export's P of one channel, as a matrix."""
    _, rows, columns = canvas.shape
    planes = torch.eye(rows * columns, dtype=torch.float64).reshape(-1, 1, rows, columns)
    one = torch.ones(1, dtype=torch.float64)
    preconditioner = Preconditioner(canvas.alignment)
    assert preconditioner.levels == len(weights)
    product = preconditioner(planes, torch.tensor(weights, dtype=torch.float64), one)
    return np.asarray(product.reshape(len(planes), -1).numpy())


@pytest.mark.parametrize(
    ("weights", "canvas"),
    [
        (USUAL, PICTURE),
        ((1.0, 0.0, 0.0, 5.0), PICTURE),
        (NONE, PICTURE),
        (USUAL, SOUND),
        (USUAL[:3], OBLONG),
        (USUAL[:2], Canvas((1, 12, 24), (12, 6), 0, 1)),  # as often as they are even
        ((0.5,), Canvas((1, 3, 5), (1, 1), 0, 1)),  # nothing to halve
        ((*USUAL, 32.0), Canvas((1, 32, 2), (32, 2), 0, 1)),
    ],
    ids=str,
)
def test_the_pyramid_is_its_definition(weights: Weights, canvas: Canvas) -> None:
    found, expected = pyramid(weights, canvas), dense_pyramid(weights, canvas)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(found, found.T, atol=1e-12)
    assert np.linalg.eigvalsh(found).min() >= 1 - 1e-12
    assert any(weights) or np.array_equal(found, np.eye(len(found)))


# L-BFGS


class DenseBFGS:
    """H+ = V^T H V + rho s s^T, V = 1 - rho y s^T, from H0 = gamma P, over the last pairs."""

    def __init__(
        self,
        weights: Weights,
        history_size: int,
        channels: float = 1.0,
        canvas: Canvas = PICTURE,
    ) -> None:
        n = canvas.shape[0]
        mixed = 1 / n + channels * (np.eye(n) - 1 / n)
        self.p = np.kron(mixed, dense_pyramid(weights, canvas))
        self.low, self.high = canvas.low, canvas.high
        self.pairs: list[tuple[Vector, Vector]] = []
        self.history_size = history_size
        self.previous: tuple[Vector, Vector] | None = None

    def propose(self, x: Vector, gradient: Vector, step: float = 1.0) -> Vector:
        if self.previous:
            s, y = x - self.previous[0], gradient - self.previous[1]
            if s @ y > 0:
                self.pairs = [*self.pairs, (s, y)][-self.history_size :]
        self.previous = x, gradient
        held = (x <= self.low) & (gradient > 0) | (x >= self.high) & (gradient < 0)
        inverse = self.inverse(np.where(held, 0.0, gradient))
        return np.asarray(np.clip(x - step * np.where(held, 0.0, inverse), self.low, self.high))

    def inverse(self, gradient: Vector) -> Vector:
        if not self.pairs:
            preconditioned = self.p @ gradient
            first = FIRST_STEP * (self.high - self.low)
            return np.asarray(first * preconditioned / abs(preconditioned).max())
        s, y = self.pairs[-1]
        h = s @ y / (y @ self.p @ y) * self.p
        for s, y in self.pairs:
            rho = 1 / (s @ y)
            h = h - rho * np.outer(s, y @ h)
            h = h - rho * np.outer(h @ y, s) + rho * np.outer(s, s)
        return np.asarray(h @ gradient)


@pytest.mark.parametrize(
    ("weights", "history_size", "channels"),
    [(USUAL, 10, 0.3), (NONE, 10, 1.0), (NONE, 10, 0.2), (USUAL, 4, 1.0)],
)
def test_lbfgs_is_a_dense_inverse_hessian(
    make: Make, weights: Weights, history_size: int, channels: float
) -> None:
    """Also with pixels at their bounds, and when the oldest pair has gone."""
    optimiser = make("lbfgs", weights, history_size, channels)
    dense = DenseBFGS(weights, history_size, channels)
    function = quadratic(2, -0.5, 1.5)
    x = np.random.default_rng(2).choice([0.0, 0.25, 0.75, 1.0], SIZE).astype(np.float64)
    for _ in range(history_size + 3):
        gradient = function(x)[1].astype(np.float32).astype(np.float64)
        expected = dense.propose(x, gradient, 0.7)
        held = (x == expected) & ((x == 0) | (x == 1))
        assert held.any()
        found = propose(optimiser, x, gradient, 0.7)
        assert np.linalg.norm(found - expected) <= 1e-4 * np.linalg.norm(expected - x)
        x = found
    assert len(dense.pairs) == history_size


@pytest.mark.parametrize("channels", [0.3, 1.0])
def test_lbfgs_in_parts_is_lbfgs_with_one_pair(
    graphs: Graphs, monkeypatch: pytest.MonkeyPatch, channels: float
) -> None:
    """Also at bounds, where a pair has no curvature, and after a proposal that was not taken."""
    size, parts = (224, 240), graphs.bundle.manifest.lbfgs_parts
    assert parts
    settings = Settings(preconditioner_pyramid=USUAL, preconditioner_channels=channels)
    monkeypatch.setattr(lbfgs_parts, "PART", 128 * 128)
    parted = LBFGSInParts(graphs, parts, settings, size)
    assert len({tile.own[0].start for tile in parted._tiles}) > 2
    assert len({tile.own[1].start for tile in parted._tiles}) > 2
    pair = Optimiser(LBFGS(graphs, settings, 1, (1, 3, *size))), Optimiser(parted)
    device, random = Device("cpu"), np.random.default_rng(4)
    image = random.choice([0.0, 0.25, 0.75, 1.0], (1, 3, *size)).astype(np.float32)
    scale = random.uniform(0.5, 2.0, image.shape)
    gradient = random.standard_normal(image.shape).astype(np.float32)
    for curvature in (1.0, 0.3, -1.0, 2.0, 1.0):  # of the pair that this step leaves
        at = device.upload(image), device.upload(gradient)
        for step in (1.0, 0.3):
            found = [device.empty(*image.shape) for _ in pair]
            for optimiser, into in zip(pair, found, strict=True):
                optimiser.propose(*at, step, into)
            whole, in_parts = (into.numpy().astype(np.float64) for into in found)
            moved = np.linalg.norm(whole - image)
            assert np.linalg.norm(in_parts - whole) <= 1e-5 * moved
            assert moved > 0
        for optimiser in pair:
            optimiser.accept(*at)
        gradient = (gradient + curvature * scale * (whole - image)).astype(np.float32)
        image = whole.astype(np.float32)


def test_lbfgs_in_one_part_is_a_dense_inverse_hessian(graphs: Graphs) -> None:
    parts = graphs.bundle.manifest.lbfgs_parts
    assert parts
    settings = Settings(preconditioner_pyramid=USUAL, preconditioner_channels=0.3)
    optimiser = Optimiser(LBFGSInParts(graphs, parts, settings, (SIDE, SIDE)))
    dense, function = DenseBFGS(USUAL, 1, 0.3), quadratic(2, -0.5, 1.5)
    x = np.random.default_rng(2).choice([0.0, 0.25, 0.75, 1.0], SIZE).astype(np.float64)
    for _ in range(5):
        gradient = function(x)[1].astype(np.float32).astype(np.float64)
        expected = dense.propose(x, gradient, 0.7)
        found = propose(optimiser, x, gradient, 0.7)
        assert np.linalg.norm(found - expected) <= 1e-4 * np.linalg.norm(expected - x)
        x = found


@pytest.mark.parametrize("alignment", [(16, 16), (2, 8), (1, 16), (12, 6), (1, 1)], ids=str)
def test_the_pyramid_reaches_as_far_as_it_says(alignment: tuple[int, int]) -> None:
    sides = [unit * -(-100 // unit) for unit in alignment]
    preconditioner = Preconditioner(alignment)
    one, weights = torch.ones(1).double(), torch.ones(preconditioner.levels).double()
    reached = [0, 0]
    for offset in range(max(alignment)):
        place = [
            side // 2 // unit * unit + offset % unit
            for side, unit in zip(sides, alignment, strict=True)
        ]
        planes = torch.zeros(1, 1, *sides).double()
        planes[0, 0, place[0], place[1]] = 1
        where = preconditioner(planes, weights, one)[0, 0].nonzero()
        for axis in (0, 1):
            far = int((where[:, axis] - place[axis]).abs().max())
            reached[axis] = max(reached[axis], far)
    assert tuple(reached) == preconditioner.reach


def test_a_pair_without_curvature_has_no_effect(make: Make, graphs: Graphs) -> None:
    optimiser = make("lbfgs", USUAL)
    dense = DenseBFGS(USUAL, graphs.bundle.manifest.optimizers.history_size)
    random = np.random.default_rng(3)
    x, gradient = random.uniform(0.4, 0.6, SIZE), random.standard_normal(SIZE)
    scale = random.uniform(0.5, 2.0, SIZE)
    mixed, good = (0.5, 2.0, -1.0, 1.0, -3.0, 0.7), random.uniform(0.5, 2.0, 8)
    for curvature in (*mixed, *good):  # of the pair that this step leaves
        x, gradient = (v.astype(np.float32).astype(np.float64) for v in (x, gradient))
        expected = dense.propose(x, gradient, 0.2)
        found = propose(optimiser, x, gradient, 0.2)
        assert np.linalg.norm(found - expected) <= 1e-4 * np.linalg.norm(expected - x)
        gradient = gradient + curvature * scale * (found - x)
        x = found
    assert len(dense.pairs) == dense.history_size  # so a bad pair took no good one's place


def test_products_of_large_pictures_are_exact(graphs: Graphs) -> None:
    """A float32 sum of 786,432 products in one go is off by more than this."""
    name = graphs.bundle.manifest.optimizers.lbfgs
    shapes = graphs.bundle.manifest.signatures[name].inputs
    inputs = {k: np.zeros(fix(shape, 512, 512), np.float32) for k, shape in shapes.items()}
    random = np.random.default_rng(8)
    for vector in ("image", "gradient"):
        inputs[vector] = random.random(inputs[vector].shape, np.float32)
    device = Device("cpu")
    values = {k: device.upload(array) for k, array in inputs.items()}
    rho = graphs.get(name, 512, 512).run(values)["rho"].numpy()[0]
    s, y = (inputs[vector].ravel().astype(np.float64) for vector in ("image", "gradient"))
    assert rho == pytest.approx(1 / (s @ y), rel=1e-6)


def test_the_first_step_moves_no_pixel_far(make: Make) -> None:
    """And so does every step where the function curves down: no pair is ever kept."""
    start = np.random.default_rng(4).uniform(0.4, 0.6, SIZE)
    x = start
    optimiser = make("lbfgs", USUAL)
    for _ in range(3):
        following = propose(optimiser, x, 1e6 * (0.5 - x))
        assert abs(following - x).max() == pytest.approx(FIRST_STEP, rel=1e-4)
        x = following


def test_nothing_moves_where_the_gradient_is_zero(make: Make) -> None:
    x = np.full(SIZE, 0.5)
    for optimiser in (make("lbfgs", USUAL), make("adam")):
        np.testing.assert_array_equal(propose(optimiser, x, np.zeros(SIZE)), x)
        np.testing.assert_array_equal(propose(optimiser, x, np.zeros(SIZE)), x)


def test_lbfgs_is_torchs_without_bounds_and_preconditioner(make: Make, graphs: Graphs) -> None:
    function = quadratic(5, 0.4, 0.6, condition=5)
    parameter = torch.full((SIZE,), 0.5, dtype=torch.float64, requires_grad=True)
    gradient = function(np.full(SIZE, 0.5))[1]
    # Torch's first step is lr * gradient / |gradient|_1, ours a length of its own.
    first = FIRST_STEP / abs(gradient).max() * abs(gradient).sum()
    history_size = graphs.bundle.manifest.optimizers.history_size
    torchs = torch.optim.LBFGS([parameter], first, max_iter=1, history_size=history_size)

    def closure() -> float:
        loss, slope = function(parameter.detach().numpy())
        parameter.grad = torch.from_numpy(slope)
        return loss

    distances = []
    for ours in iterates(make("lbfgs"), function, np.full(SIZE, 0.5), 14):
        before = parameter.detach().numpy().copy()
        torchs.step(closure)  # type: ignore[no-untyped-call]
        torchs.param_groups[0]["lr"] = 1.0
        theirs = parameter.detach().numpy()
        distances.append(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs - before))
    assert max(distances) <= 1e-2
    assert 0 < ours.min() < ours.max() < 1


@pytest.mark.parametrize("weights", [USUAL, NONE])
@pytest.mark.parametrize("seed", [6, 7])
def test_lbfgs_finds_scipys_minimiser_at_the_bounds(
    make: Make, seed: int, weights: Weights
) -> None:
    function, start = quadratic(seed, -0.5, 1.5), np.full(SIZE, 0.5)
    options, bounds = {"ftol": 1e-15}, [(0, 1)] * SIZE
    expected = minimize(
        function, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    ).x
    found = descend(make("lbfgs", weights), function, start, 120)
    assert 0.4 < np.isin(expected, (0, 1)).mean() < 0.6  # half of the pixels are at a bound
    np.testing.assert_array_equal(found == 0, expected == 0)
    np.testing.assert_array_equal(found == 1, expected == 1)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def descend(optimiser: Optimiser, function: Function, x: Vector, steps: int) -> Vector:
    """As the runtime does it: a shorter step where the loss grows."""
    for _ in range(steps):
        loss, gradient = function(x)
        step = 1.0
        while step > 1e-3:
            image, slope = upload(x), upload(gradient)
            following = proposal(optimiser, image, slope, step)
            if function(following)[0] <= loss:
                break
            step *= 0.3
        optimiser.accept(image, slope)
        x = following
    return x


# Other canvases


HISTORY = 3


class Driven:
    """The graphs of a canvas, traced and run, with the runtime's bookkeeping of pairs."""

    def __init__(self, canvas: Canvas, folder: Path) -> None:
        self.canvas = canvas
        self.shape = (1, *canvas.shape)
        sides = [
            name if side > 1 else 1 for side, name in zip(self.shape[2:], SYMBOLS, strict=True)
        ]
        image, one = (1, canvas.shape[0], *sides), (1,)
        lbfgs = exported.LBFGS(HISTORY, canvas.alignment, canvas.low, canvas.high)
        older = [f"{kind}_{i}" for kind in ("s", "y", "rho") for i in range(1, HISTORY)]
        inputs = dict.fromkeys(("image", "gradient", "previous_image", "previous_gradient"), image)
        inputs |= {"step": one, "preconditioner": (lbfgs.precondition.levels,), "channels": one}
        inputs |= {"gamma": one} | {key: one if "rho" in key else image for key in older}
        outputs = ("next_image", "s", "y", "rho", "next_gamma", "slope")
        self.lbfgs = _session(lbfgs, inputs, outputs, folder / "lbfgs.onnx")
        moments = dict.fromkeys(("mean", "square"), image)
        fixed = {"rate": one, "betas": (2,), "count": one}
        inputs = {"image": image, "gradient": image, **fixed, **moments}
        outputs = ("next_image", "next_count", "next_mean", "next_square")
        adam = exported.Adam(canvas.low, canvas.high)
        self.adam = _session(adam, inputs, outputs, folder / "adam.onnx")

    def start(self, weights: Weights, channels: float) -> None:
        self.weights = {"preconditioner": weights, "channels": [channels]}
        self.pairs: list[tuple[Any, ...]] = []
        self.previous: tuple[Vector, Vector] | None = None
        self.gamma: Any = [0.0]

    def proposal(self, x: Vector, gradient: Vector, step: float) -> Vector:
        before = self.previous or (x, gradient)
        missing = [(np.zeros(self.shape), np.zeros(self.shape), [0.0])] * HISTORY
        feeds = {"image": x, "gradient": gradient, "step": [step], "gamma": self.gamma}
        feeds |= {"previous_image": before[0], "previous_gradient": before[1], **self.weights}
        for i, pair in enumerate([*self.pairs, *missing][: HISTORY - 1], start=1):
            feeds |= zip((f"s_{i}", f"y_{i}", f"rho_{i}"), pair, strict=True)
        self.found = self.run(self.lbfgs, feeds)
        return np.asarray(self.found["next_image"], np.float64).ravel()

    def accept(self, x: Vector, gradient: Vector) -> None:
        if self.found["rho"] > 0:
            self.pairs = [(self.found["s"], self.found["y"], self.found["rho"]), *self.pairs]
        self.previous, self.gamma = (x, gradient), self.found["next_gamma"]

    def run(self, session: Any, feeds: dict[str, Any]) -> dict[str, Any]:
        shapes = {i.name: i.shape for i in session.get_inputs()}
        ready = {
            key: np.asarray(value, np.float32).reshape(self.shape if len(shapes[key]) == 4 else -1)
            for key, value in feeds.items()
        }
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, ready), strict=True))


SYMBOLS = ("height", "width")


def _session(module: Any, inputs: dict[str, Any], outputs: tuple[str, ...], file: Path) -> Any:
    shapes = {key: inputs.get(key.removeprefix("next_"), inputs["image"]) for key in outputs}
    shapes |= {key: (1,) for key in ("rho", "slope") if key in outputs}
    model = trace.trace_forward(module, inputs, shapes)
    file.write_bytes(trace.finish(model, inputs, shapes, Layout({})))
    return ort.InferenceSession(file, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=[SOUND, OBLONG], ids=["sound", "oblong"])
def driven(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Driven:
    return Driven(request.param, tmp_path_factory.mktemp("canvas"))


def test_lbfgs_of_any_canvas_is_a_dense_inverse_hessian(driven: Driven) -> None:
    canvas, size = driven.canvas, math.prod(driven.canvas.shape)
    weights = USUAL[: Preconditioner(canvas.alignment).levels]
    dense = DenseBFGS(weights, HISTORY, 0.4, canvas)
    width = canvas.high - canvas.low
    function = quadratic(2, canvas.low - 0.5 * width, canvas.high + 0.5 * width, size=size)
    x = canvas.low + width * np.random.default_rng(2).choice([0.0, 0.25, 0.75, 1.0], size)
    driven.start(weights, 0.4)
    for i in range(HISTORY + 3):
        gradient = function(x)[1].astype(np.float32).astype(np.float64)
        expected = dense.propose(x, gradient, 0.7)
        assert ((x == expected) & np.isin(x, (canvas.low, canvas.high))).any()
        found = driven.proposal(x, gradient, 0.7)
        assert np.linalg.norm(found - expected) <= 1e-4 * np.linalg.norm(expected - x)
        if i == 0:
            assert abs(found - x).max() == pytest.approx(0.7 * FIRST_STEP * width, rel=1e-4)
        driven.accept(x, gradient)
        x = found
    assert len(dense.pairs) == HISTORY


def test_lbfgs_of_any_canvas_finds_scipys_minimiser(driven: Driven) -> None:
    canvas, size = driven.canvas, math.prod(driven.canvas.shape)
    low, high, width = canvas.low, canvas.high, canvas.high - canvas.low
    function = quadratic(6, low - 0.5 * width, high + 0.5 * width, size=size)
    x = np.full(size, low + 0.5 * width)
    bounds, options = [(low, high)] * size, {"ftol": 1e-15}
    expected = minimize(function, x, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    driven.start(USUAL[: Preconditioner(canvas.alignment).levels], 0.4)
    for _ in range(150):
        loss, gradient = function(x)
        for step in 0.3 ** np.arange(6):
            following = driven.proposal(x, gradient, step)
            if function(following)[0] <= loss:
                break
        driven.accept(x, gradient)
        x = following
    assert 0.3 < np.isin(expected, (low, high)).mean() < 0.7
    np.testing.assert_array_equal(x == low, expected == low)
    np.testing.assert_array_equal(x == high, expected == high)
    np.testing.assert_allclose(x, expected, atol=2e-3 * width)


def test_adam_projects_onto_the_range_of_any_canvas(driven: Driven) -> None:
    canvas, size = driven.canvas, math.prod(driven.canvas.shape)
    random, width = np.random.default_rng(1), canvas.high - canvas.low
    x = canvas.low + width * random.choice([0.0, 0.01, 0.5, 0.99, 1.0], size)
    state: dict[str, Any] = {"count": [0.0], "mean": np.zeros(size), "square": np.zeros(size)}
    mean = square = np.zeros(size)
    for count in range(1, 4):
        gradient = random.standard_normal(size)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        update = mean / (1 - 0.9**count) / (np.sqrt(square / (1 - 0.999**count)) + 1e-8)
        expected = np.clip(x - 0.02 * width * update, canvas.low, canvas.high)
        fixed = {"rate": [0.02 * width], "betas": [0.9, 0.999]}
        feeds = {"image": x, "gradient": gradient, **fixed, **state}
        found = driven.run(driven.adam, feeds)
        state = {key: found[f"next_{key}"] for key in state}
        x = np.asarray(found["next_image"], np.float64).ravel()
        np.testing.assert_allclose(x, expected, atol=2e-6 * width)
    assert np.isin((canvas.low, canvas.high), x).all()
