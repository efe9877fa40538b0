"""The optimisers, as pure functions of image, gradient and state.

Each ends with the projection onto [0, 1], the range of a picture: what the optimiser sees is what
the file will hold.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

PYRAMID_LEVELS = 4  # sides are multiples of 2^4
FIRST_STEP = 0.04  # how far the first step moves the pixel that moves most: 10 of 255
CURVATURE = 1e-10  # a pair is kept if s.y > CURVATURE y.y


class Adam(nn.Module):
    """Kingma & Ba 2015, algorithm 1, projected."""

    def __init__(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        super().__init__()
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def forward(
        self,
        image: torch.Tensor,
        gradient: torch.Tensor,
        rate: torch.Tensor,
        count: torch.Tensor,
        mean: torch.Tensor,
        square: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Next image, count, mean and square: rate and count are (1,), the rest image-shaped."""
        count = count + 1
        mean = self.beta1 * mean + (1 - self.beta1) * gradient
        square = self.beta2 * square + (1 - self.beta2) * gradient * gradient
        unbiased_mean = mean / (1 - torch.pow(self.beta1, count))
        unbiased_square = square / (1 - torch.pow(self.beta2, count))
        step = rate * unbiased_mean / (unbiased_square.sqrt() + self.epsilon)
        return (image - step).clamp(0, 1), count, mean, square


class LBFGS(nn.Module):
    """Projected, preconditioned L-BFGS: Nocedal & Wright, algorithm 7.4.

    Pixels at a bound whose gradient points outward are held for the step. The initial inverse
    Hessian is gamma P: P favours low spatial frequencies and brightness, which change most between
    a photograph and its painting, and gamma = s.y / y.Py. A pair with no positive curvature has
    rho = 0: no effect.
    """

    def __init__(self, history_size: int) -> None:
        super().__init__()
        self.older = history_size - 1
        self.precondition = Preconditioner()

    def forward(
        self,
        image: torch.Tensor,
        gradient: torch.Tensor,
        previous_image: torch.Tensor,
        previous_gradient: torch.Tensor,
        step: torch.Tensor,
        pyramid: torch.Tensor,
        colour: torch.Tensor,
        gamma: torch.Tensor,
        *pairs: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Next image, s, y, rho, gamma, slope.

        ``pairs`` are the older s (newest first), then their y, then their rho. step, gamma, rho
        and slope (gradient times direction) are (1,), gamma 0 before the first pair;
        ``pyramid`` is (PYRAMID_LEVELS,) and ``colour`` (1,), see Preconditioner; the rest is
        image-shaped.
        """
        s, y = image - previous_image, gradient - previous_gradient
        curvature = _dot(s, y)
        kept = curvature > CURVATURE * _dot(y, y)
        rho = torch.where(kept, 1 / torch.where(kept, curvature, 1.0), 0.0)
        weighed = _dot(y, self.precondition(y, pyramid, colour))
        gamma = torch.where(kept, curvature / torch.where(kept, weighed, 1.0), gamma)

        n = self.older
        all_s, all_y = [s, *pairs[:n]], [y, *pairs[n : 2 * n]]
        # Without Or: WebGPU has all of this graph's operators but that one.
        free = ~((image <= 0) & (gradient > 0)) & ~((image >= 1) & (gradient < 0))
        free = free.to(image.dtype)
        inverse = self.inverse(
            gradient * free, all_s, all_y, [rho, *pairs[2 * n :]], (pyramid, colour), gamma
        )
        direction = -free * inverse
        return (
            (image + step * direction).clamp(0, 1),
            s,
            y,
            rho,
            gamma,
            _dot(gradient, direction),
        )

    def inverse(
        self,
        q: torch.Tensor,
        s: list[torch.Tensor],
        y: list[torch.Tensor],
        rho: list[torch.Tensor],
        weights: tuple[torch.Tensor, torch.Tensor],
        gamma: torch.Tensor,
    ) -> torch.Tensor:
        """The inverse Hessian's product with q: the two-loop recursion, newest pair first."""
        alphas = []
        for i in range(len(s)):
            alphas.append(rho[i] * _dot(s[i], q))
            q = q - alphas[i] * y[i]
        q = self.precondition(q, *weights)
        largest = q.abs().amax((1, 2, 3)).clamp(min=1e-30)
        r = torch.where(gamma > 0, gamma, FIRST_STEP / largest) * q
        for i in reversed(range(len(s))):
            r = r + s[i] * (alphas[i] - rho[i] * _dot(y[i], r))
        return r


class Preconditioner(nn.Module):
    """P v = M (v + sum_k w_k 4^k D_k^T D_k v): symmetric, positive definite.

    D blurs with (1, 3, 3, 1) / 8 each way and halves: the mean over 2x2 of a blur with
    (1, 2, 1) / 4. Its transpose, times 4, doubles and blurs. D_k is D applied k times.
    M leaves the mean of a pixel's channels as it is, and weighs what they differ from it.
    """

    def forward(self, v: torch.Tensor, pyramid: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
        """The product with (N, C, H, W) v, sides multiples of 2^PYRAMID_LEVELS.

        ``pyramid`` are the weights w_k, finest first; ``colour`` is M's. Zeros and 1: P v = v.
        """
        v = colour * v + (1 - colour) * v.mean(1, keepdim=True)
        levels = [v]
        for _ in range(PYRAMID_LEVELS):
            levels.append(F.avg_pool2d(self.blur(levels[-1]), 2))
        total = levels[-1] * pyramid[-1]
        for k in range(PYRAMID_LEVELS - 1, -1, -1):
            weight = pyramid[k - 1] if k else 1.0
            doubled = F.interpolate(total, scale_factor=2.0, mode="nearest")
            total = levels[k] * weight + self.blur(doubled)
        return total

    def blur(self, planes: torch.Tensor) -> torch.Tensor:
        """With (1, 2, 1) / 4 each way: the mean of two, twice. Zeros beyond the border.

        As a convolution it would take most of the optimiser's time: on the CPU ONNX Runtime pads
        one channel to 16.
        """
        return F.avg_pool2d(F.avg_pool2d(planes, 2, stride=1, padding=1), 2, stride=1)


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The sum of sums of sums, along rows, columns and channels: as exact as sums of 192 parts.

    Products of matrices, row by column, need not write a * b. On the CPU they take a quarter less
    of L-BFGS' time at 2048x1536, 0.6 % of a step, and no less at 512x512; memory is the same. On
    WebGPU without a GPU they take 200 times as long.
    """
    return (a * b).sum(3).sum(2).sum().reshape(1)
