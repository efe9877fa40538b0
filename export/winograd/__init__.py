"""Winograd's convolutions, for CPUs: 16 products for 2x2 outputs, where a 3x3 kernel takes 36.

F(2x2, 3x3) of Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016): of a
4x4 patch d and a kernel g the 2x2 outputs are A^T [(G g G^T) * (B^T d B)] A. Its coefficients are
ones and halves, so it is as exact as the sums that it replaces.

It pays only if no feature map is rearranged for it. So between two such convolutions a map stays
split into its four phases (see phases.py), and the products are sixteen 1x1 convolutions. GPUs have
kernels of their own. What else was tried: docs/decisions.md, 3 to 5.
"""

from .rewrite import rewrite

__all__ = ["rewrite"]
