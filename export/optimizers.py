"""The optimizers, as pure functions of image, gradient and state.

The image is a canvas: (1, channels, height, width), values in [low, high]. Each optimizer ends with
the projection onto that range: what it sees is what the file will hold.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

FIRST_STEP = 0.04  # how far the first step moves the pixel that moves most, of the range: 10 of 255
CURVATURE = 1e-10  # a pair is kept if s.y > CURVATURE y.y


class Adam(nn.Module):
    """Kingma & Ba 2015, algorithm 1, projected onto [low, high]."""

    def __init__(self, low: float, high: float, epsilon: float = 1e-8) -> None:
        super().__init__()
        self.low, self.high, self.epsilon = low, high, epsilon

    def forward(
        self,
        image: torch.Tensor,
        gradient: torch.Tensor,
        rate: torch.Tensor,
        betas: torch.Tensor,
        count: torch.Tensor,
        mean: torch.Tensor,
        square: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Next image, count, mean and square.

        rate and count are (1,), ``betas`` is (2,), the rest image-shaped.
        """
        beta1, beta2 = torch.split(betas, 1)
        count = count + 1
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient * gradient
        unbiased_mean = mean / (1 - torch.pow(beta1, count))
        unbiased_square = square / (1 - torch.pow(beta2, count))
        step = rate * unbiased_mean / (unbiased_square.sqrt() + self.epsilon)
        return (image - step).clamp(self.low, self.high), count, mean, square


class _Projected(nn.Module):
    """What L-BFGS' graphs share: a range, what is held at its bounds, and a preconditioner."""

    def __init__(self, alignment: tuple[int, int], low: float, high: float) -> None:
        """Of images whose rows and columns are multiples of ``alignment``."""
        super().__init__()
        self.low, self.high = low, high
        self.precondition = Preconditioner(alignment)

    def free(self, image: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """1 where a step is possible; 0 at a bound whose gradient points outward."""
        # Without Or: WebGPU has all of these graphs' operators but that one.
        free = ~((image <= self.low) & (gradient > 0)) & ~((image >= self.high) & (gradient < 0))
        return free.to(image.dtype)


class LBFGS(_Projected):
    """Projected, preconditioned L-BFGS: Nocedal & Wright, algorithm 7.4.

    Values at a bound whose gradient points outward are held for the step. The initial inverse
    Hessian is gamma P: P favours low spatial frequencies and the mean of the channels, which change
    most between a photograph and its painting, and gamma = s.y / y.Py. A pair with no positive
    curvature has rho = 0: no effect.
    """

    def __init__(
        self, history_size: int, alignment: tuple[int, int], low: float, high: float
    ) -> None:
        """Of images whose rows and columns are multiples of ``alignment``."""
        super().__init__(alignment, low, high)
        self.older = history_size - 1

    def forward(
        self,
        image: torch.Tensor,
        gradient: torch.Tensor,
        previous_image: torch.Tensor,
        previous_gradient: torch.Tensor,
        step: torch.Tensor,
        preconditioner: torch.Tensor,
        channels: torch.Tensor,
        gamma: torch.Tensor,
        *pairs: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Next image, s, y, rho, gamma, slope.

        ``pairs`` are the older s (newest first), then their y, then their rho. step, gamma, rho
        and slope (gradient times direction) are (1,), gamma 0 before the first pair;
        ``preconditioner`` is (levels,) and ``channels`` (1,), see Preconditioner; the rest is
        image-shaped.
        """
        s, y = image - previous_image, gradient - previous_gradient
        weighed = _dot(y, self.precondition(y, preconditioner, channels))
        rho, gamma = _curvature(_dot(s, y), _dot(y, y), weighed, gamma)

        n = self.older
        all_s, all_y = [s, *pairs[:n]], [y, *pairs[n : 2 * n]]
        free = self.free(image, gradient)
        inverse = self.inverse(
            gradient * free, all_s, all_y, [rho, *pairs[2 * n :]], (preconditioner, channels), gamma
        )
        direction = -free * inverse
        return (
            (image + step * direction).clamp(self.low, self.high),
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
        largest = q.abs().amax((1, 2, 3))
        r = _scale(gamma, largest, self.high - self.low) * q
        for i in reversed(range(len(s))):
            r = r + s[i] * (alphas[i] - rho[i] * _dot(y[i], r))
        return r


class LBFGSProducts(_Projected):
    """What L-BFGS with one pair needs to know of the whole image, from a part of it.

    A part reaches beyond the positions that are its own, where the mask is 1, by ``reach`` of the
    preconditioner. Parts' products add up, and the largest value is the largest of theirs.
    """

    def forward(
        self,
        image: torch.Tensor,
        gradient: torch.Tensor,
        previous_image: torch.Tensor,
        previous_gradient: torch.Tensor,
        mask: torch.Tensor,
        preconditioner: torch.Tensor,
        channels: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """s.y, y.y, y.Py, s.q and y.Pq as (5,), and the largest value of Pq, (1,).

        ``mask`` is (1, 1, height, width); q is the gradient where pixels are not held.
        """
        s, y = image - previous_image, gradient - previous_gradient
        q = gradient * self.free(image, gradient)
        weighed = self.precondition(q, preconditioner, channels) * mask
        of_y = self.precondition(y, preconditioner, channels) * mask
        own = s * mask
        products = [_dot(own, y), _dot(y * mask, y), _dot(of_y, y), _dot(own, q), _dot(weighed, y)]
        return torch.cat(products), weighed.abs().amax((1, 2, 3))


class LBFGSPart(_Projected):
    """The next image of a part, of the products of the whole: as LBFGS, with the newest pair alone.

    No pair is kept: s and y are made again of two images and gradients. So it takes the least
    memory. With one pair the two-loop recursion is r = gamma P (q - alpha y) + beta s.
    """

    def forward(
        self,
        image: torch.Tensor,
        gradient: torch.Tensor,
        previous_image: torch.Tensor,
        previous_gradient: torch.Tensor,
        step: torch.Tensor,
        preconditioner: torch.Tensor,
        channels: torch.Tensor,
        gamma: torch.Tensor,
        products: torch.Tensor,
        largest: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Next image and gamma; ``products`` and ``largest`` are the whole's, see LBFGSProducts."""
        curvature, of_y, weighed, s_q, y_q = torch.split(products, 1)
        rho, gamma = _curvature(curvature, of_y, weighed, gamma)
        scale = _scale(gamma, largest, self.high - self.low)
        alpha = rho * s_q
        beta = alpha - rho * scale * (y_q - alpha * weighed)
        free = self.free(image, gradient)
        q = gradient * free - alpha * (gradient - previous_gradient)
        inverse = scale * self.precondition(q, preconditioner, channels)
        direction = -free * (inverse + beta * (image - previous_image))
        return (image + step * direction).clamp(self.low, self.high), gamma


def _curvature(
    curvature: torch.Tensor, of_y: torch.Tensor, weighed: torch.Tensor, gamma: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rho and gamma from s.y, y.y and y.Py; without curvature 0 and the gamma before."""
    kept = curvature > CURVATURE * of_y
    rho = torch.where(kept, 1 / torch.where(kept, curvature, 1.0), 0.0)
    return rho, torch.where(kept, curvature / torch.where(kept, weighed, 1.0), gamma)


def _scale(gamma: torch.Tensor, largest: torch.Tensor, span: float) -> torch.Tensor:
    """Of P q: gamma, or what makes the first step's ``largest`` value FIRST_STEP of the range."""
    return torch.where(gamma > 0, gamma, FIRST_STEP * span / largest.clamp(min=1e-30))


class Preconditioner(nn.Module):
    """P v = M (v + sum_k w_k n_k D_k^T D_k v): symmetric, positive definite.

    D blurs with (1, 3, 3, 1) / 8 each way and halves: the mean over 2x2 of a blur with
    (1, 2, 1) / 4. Its transpose, times 4, doubles and blurs. D_k is D applied k times; n_k
    positions become one. An axis is blurred and halved only while the alignment is a multiple of
    2^k: an image of one row only along it.
    M leaves the mean of a position's channels as it is, and weighs what they differ from it.
    """

    def __init__(self, alignment: tuple[int, int]) -> None:
        """Of images whose rows and columns are multiples of ``alignment``."""
        super().__init__()
        halvings = [(side & -side).bit_length() - 1 for side in alignment]  # factors of 2
        self.levels = max(1, *halvings)  # one at least, so that no graph has an empty input
        self.halved = [[k < n for n in halvings] for k in range(self.levels)]
        self.reach = tuple(3 * (2**n - 1) for n in halvings)
        """How far a value depends on others: D_k sees 3 (2^k - 1) pixels beside the first of its
        2^k, and D_k^T leads back as far."""

    def forward(
        self, v: torch.Tensor, preconditioner: torch.Tensor, channels: torch.Tensor
    ) -> torch.Tensor:
        """The product with a (N, C, H, W) v.

        ``preconditioner`` are the (levels,) weights w_k, finest first; ``channels`` is M's, (1,).
        Zeros and 1: P v = v.
        """
        v = channels * v + (1 - channels) * v.mean(1, keepdim=True)
        planes = [v]
        for halved in self.halved:
            planes.append(_halve(_blur(planes[-1], halved), halved))
        total = planes[-1] * preconditioner[-1]
        for k in range(self.levels - 1, -1, -1):
            weight = preconditioner[k - 1] if k else 1.0
            total = planes[k] * weight + _blur(_double(total, self.halved[k]), self.halved[k])
        return total


def _blur(planes: torch.Tensor, axes: list[bool]) -> torch.Tensor:
    """With (1, 2, 1) / 4 along the axes: the mean of two, twice. Zeros beyond the border.

    As a convolution it would take most of the optimizer's time: on the CPU ONNX Runtime pads one
    channel to 16.
    """
    kernel, padding = [1 + axis for axis in axes], [int(axis) for axis in axes]
    return F.avg_pool2d(F.avg_pool2d(planes, kernel, stride=1, padding=padding), kernel, stride=1)


def _halve(planes: torch.Tensor, axes: list[bool]) -> torch.Tensor:
    return F.avg_pool2d(planes, [1 + axis for axis in axes])


def _double(planes: torch.Tensor, axes: list[bool]) -> torch.Tensor:
    return F.interpolate(planes, scale_factor=[1.0 + axis for axis in axes], mode="nearest")


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The sum of sums of sums, along rows, columns and channels: as exact as sums of 192 parts.

    Products of matrices, row by column, need not write a * b. On the CPU they take a quarter less
    of L-BFGS' time at 2048x1536, 0.6 % of a step, and no less at 512x512; memory is the same. On
    WebGPU without a GPU they take 200 times as long.
    """
    return (a * b).sum(3).sum(2).sum().reshape(1)
