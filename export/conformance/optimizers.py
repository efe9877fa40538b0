"""What the optimizers give of the probes, and the loop of a run, written here once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from impasto.export.optimizers import LBFGS, Adam
from impasto.runtime.bundle.manifest import Manifest
from impasto.runtime.bundle.shapes import Pair
from impasto.runtime.bundle.signatures import POINTS
from impasto.runtime.conformance import expected, probes
from impasto.runtime.conformance.probes import CONTENT

from .probed import Probed, tensor, told

ITERATIONS = 8
ADAM_STEPS, RATE = 3, 0.02
CHANNELS = 0.5
TOLERANCE = 0.1
"""By how much of itself the loss may grow in an iteration; SHORTER steps are tried else."""
RETRIES, SHORTER = 5, 0.3


def lbfgs_calls(manifest: Manifest, size: Pair) -> expected.LBFGS:
    """The first call, and one with full history."""
    canvas, older = manifest.canvas, manifest.optimizers.history_size - 1
    module, weights = _lbfgs_module(manifest)
    calls = []
    for pairs in sorted({0, older}):
        feeds = probes.lbfgs_inputs(canvas, size, 0, pairs, older)
        found = _next(module, weights, {k: tensor(v) for k, v in feeds.items()}, older)
        image, _, _, rho, gamma, slope = found
        calls.append(
            expected.LBFGSCall(
                pairs=pairs,
                step=told(image - tensor(feeds["image"])),
                rho=rho.item(),
                gamma=gamma.item(),
                slope=slope.item(),
            )
        )
    return expected.LBFGS(
        size=size, seed=0, preconditioner=weights, channels=CHANNELS, calls=tuple(calls)
    )


def _lbfgs_module(manifest: Manifest) -> tuple[LBFGS, tuple[float, ...]]:
    """And weights for the levels of its preconditioner."""
    canvas, optimizers = manifest.canvas, manifest.optimizers
    module = LBFGS(optimizers.history_size, manifest.encoder.alignment, canvas.low, canvas.high)
    return module, tuple(1 / 2**k for k in range(module.precondition.levels))


def _next(
    module: LBFGS, weights: Sequence[float], feeds: Mapping[str, torch.Tensor], older: int
) -> tuple[torch.Tensor, ...]:
    first = (*POINTS, "step")
    places = range(1, older + 1)
    pairs = [feeds[f"{kind}_{i}"] for kind in ("s", "y", "rho") for i in places]
    with torch.no_grad():
        found: tuple[torch.Tensor, ...] = module(
            *(feeds[name] for name in first),
            torch.tensor(weights),
            torch.tensor([CHANNELS]),
            feeds["gamma"],
            *pairs,
        )
    return found


def adam_steps(manifest: Manifest, size: Pair) -> expected.Adam:
    """Its first steps."""
    canvas = manifest.canvas
    module, seed = Adam(canvas.low, canvas.high), 1
    image, gradients = probes.adam_inputs(canvas, size, seed, ADAM_STEPS)
    now = tensor(image)
    count, mean, square = torch.zeros(1), torch.zeros_like(now), torch.zeros_like(now)
    rate, betas = torch.tensor([RATE]), tensor(np.array(probes.BETAS, np.float32))
    images = []
    for gradient in gradients:
        now, count, mean, square = module(now, tensor(gradient), rate, betas, count, mean, square)
        images.append(told(now))
    return expected.Adam(
        size=size,
        seed=seed,
        rate=RATE,
        images=tuple(images),
        mean=told(mean),
        square=told(square),
    )


def first_losses(probed: Probed, case: expected.Case) -> expected.Run:
    """The loop of a run: Nocedal & Wright, algorithm 7.5, but for how a step is accepted.

    It ends early where no step is.
    """
    manifest, seed, weights = probed.manifest, case.seed, case.weights
    module, levels = _lbfgs_module(manifest)
    older = manifest.optimizers.history_size - 1
    inputs = probed.inputs(seed, probed.maps(None))
    image = previous = probed.picture(seed, CONTENT)
    loss, _, gradient = probed.evaluate(image, weights, inputs)
    last = gradient
    pairs: list[tuple[torch.Tensor, ...]] = []
    none = (torch.zeros_like(image), torch.zeros_like(image), torch.zeros(1))
    gamma, losses = torch.zeros(1), [loss]
    while len(losses) <= ITERATIONS:
        feeds = {
            "image": image,
            "gradient": gradient,
            "previous_image": previous,
            "previous_gradient": last,
            "gamma": gamma,
        }
        padded = [*pairs, *[none] * (older - len(pairs))]
        for i, pair in enumerate(padded, start=1):
            feeds |= zip((f"s_{i}", f"y_{i}", f"rho_{i}"), pair, strict=True)
        for retry in range(RETRIES):
            feeds["step"] = torch.tensor([SHORTER**retry])
            proposed, s, y, rho, next_gamma, _ = _next(module, levels, feeds, older)
            trial, _, trial_gradient = probed.evaluate(proposed, weights, inputs)
            if trial <= loss + TOLERANCE * abs(loss):
                break
        else:
            break
        if rho.item() > 0:
            pairs = [(s, y, rho), *pairs][:older]
        previous, last, gamma = image, gradient, next_gamma
        image, loss, gradient = proposed, trial, trial_gradient
        losses.append(loss)
    return expected.Run(
        objective=probed.name,
        pooling=probed.pooling,
        size=probed.size,
        seed=seed,
        weights=weights,
        preconditioner=levels,
        channels=CHANNELS,
        losses=tuple(losses),
    )
