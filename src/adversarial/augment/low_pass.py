"""Interpolation that keeps frequencies apart: twice as many voxels by the wavelet sym6, and back."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
"""Low-pass filter of Daubechies' least asymmetric wavelet with six vanishing moments; its sum is √2."""


def doubled(x: Tensor) -> Tensor:
    """Return x [B, C, *spatial] on twice as many voxels of half the side, mirrored beyond the border.

    As in ADA's augmentation, Karras et al., arXiv 2006.06676, appendix B. `halved` undoes it.
    """
    for axis in range(2, x.dim()):
        x = _times(_doubling(x.shape[axis], x.dtype, x.device), x, axis)
    return x


def halved(x: Tensor) -> Tensor:
    """Return x [B, C, *spatial] with even sides on half as many voxels; see `doubled`."""
    for axis in range(2, x.dim()):
        x = _times(_halving(x.shape[axis] // 2, x.dtype, x.device), x, axis)
    return x


def reflected(place: Tensor, side: int) -> Tensor:
    """Return whole places mirrored into 0 to side - 1; the voxel at the border comes twice."""
    place = place % (2 * side)
    return torch.minimum(place, 2 * side - 1 - place)


def _times(matrix: Tensor, x: Tensor, axis: int) -> Tensor:
    return (x.movedim(axis, -1) @ matrix.T).movedim(-1, axis)


@cache
def _doubling(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return [2 side, side]: zeros between voxels, then √2 times the filter, centred on the voxels."""
    matrix = torch.zeros(2 * side, side, dtype=torch.float64, device=device)
    rows, columns = torch.arange(2 * side, device=device), torch.arange(side, device=device)
    for shift, tap in enumerate(SYM6):
        at = rows + 5 - shift
        places = reflected(at // 2, side)
        matrix += 2**0.5 * tap * ((at % 2 == 0)[:, None] & (places[:, None] == columns)).double()
    return matrix.to(dtype)


@cache
def _halving(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return [side, 2 side]: the filter over √2 at every second voxel, the transpose of doubling inside."""
    matrix = torch.zeros(side, 2 * side, dtype=torch.float64, device=device)
    rows, columns = torch.arange(side, device=device), torch.arange(2 * side, device=device)
    for shift, tap in enumerate(SYM6):
        places = reflected(2 * rows - 5 + shift, 2 * side)
        matrix += tap / 2**0.5 * (places[:, None] == columns).double()
    return matrix.to(dtype)
