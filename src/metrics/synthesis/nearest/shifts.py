"""Correlations of many images with many others at all small shifts, with and without a flip."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FLAT = 1e-3
"""Deviation of a window, in units of its surroundings', below which it counts as constant."""


class ShiftedCorrelations:
    """Correlation of windows with images at every shift of the window, and with the flipped images.

    The correlations along a row are products of Fourier coefficients, so that one matrix product over rows
    and channels for each coefficient serves all shifts along it. Those of the flipped image are other sums of
    the same four real products. A sixth of the operations of comparing shift by shift; exact but for the
    rounding of float32.

    Args:
        windows: Windows [n, C, h, w] of mean 0 and norm 1 each.
        reach: Largest shift along both axes, in pixels.
    """

    def __init__(self, windows: Tensor, reach: int) -> None:
        self.reach, self.sides = reach, tuple(windows.shape[2:])
        length = windows.shape[3] + 2 * reach
        waves = torch.fft.rfft(windows, length, dim=3).flatten(1, 2).permute(2, 0, 1)
        self.waves = torch.stack([waves.real, waves.imag], 1).flatten(1, 2).contiguous()  # [f, 2 n, C h]
        self.back = _inverse(length, 2 * reach + 1).to(windows.device)

    def best(self, images: Tensor) -> Tensor:
        """Return the highest correlation of each window with each image [m, C, h + 2 reach, w + 2 reach].

        A window on a constant part of an image has none with it, 0.

        Returns:
            Correlations [n, m].
        """
        images = images - images.double().mean((1, 2, 3), keepdim=True)
        scales = self._scales(images)
        waves = torch.fft.rfft(images.float(), dim=3).permute(3, 1, 2, 0)  # [f, C, h + 2 reach, m]
        found = torch.full((self.waves.shape[1] // 2, len(images)), -2.0, device=images.device)
        products = images.new_empty((2, *self.waves.shape[:2], len(images)), dtype=torch.float32)
        for down, scale in enumerate(scales):
            rows = waves[:, :, down : down + self.sides[0]].flatten(1, 2)
            for part, product in zip((rows.real, rows.imag), products, strict=True):
                torch.bmm(self.waves, part.contiguous(), out=product)
            lines = (self.back @ products.reshape(self.back.shape[1], -1)).reshape(-1, *found.shape)
            torch.maximum(found, lines.mul_(scale[:, None]).amax(0), out=found)
        return found

    def _scales(self, images: Tensor) -> Tensor:
        """Return 1 over the norm of what each window sees, its mean removed: [down, flips x right, m]."""
        area = images[0].numel() // images[0, 0].numel() * self.sides[0] * self.sides[1]
        mean, square = (F.avg_pool2d(part, self.sides, 1).mean(1) for part in (images, images.square()))
        variance = square - mean.square()
        around = images.square().mean((1, 2, 3))[:, None, None]
        flat = variance <= FLAT**2 * around
        scale = torch.where(flat, 0, (variance * area).clamp_min(1e-300).rsqrt()).float()
        return torch.cat([scale, scale.flip(2)], 2).permute(1, 2, 0).contiguous()


def _inverse(length: int, shifts: int) -> Tensor:
    """Return the matrix that makes lines of correlations from products of coefficients.

    Products are of the real and imaginary part (a) of a window with the real and imaginary part (b) of a row.

    Returns:
        [flips x shifts, b x coefficients x a], float32.
    """
    count = length // 2 + 1
    weight = torch.full((count,), 2.0 / length, dtype=torch.float64)
    weight[0] = 1 / length
    if length % 2 == 0:
        weight[-1] = 1 / length
    steps = torch.arange(shifts, dtype=torch.float64)[:, None] * torch.arange(count) * (2 * torch.pi / length)
    turn = torch.arange(count) * (2 * torch.pi / length)  # a flip moves the row's origin by a pixel
    cosine, sine = steps.cos() * weight, steps.sin() * weight
    turned_cosine, turned_sine = (steps + turn).cos() * weight, (steps + turn).sin() * weight
    real = torch.cat([torch.stack([cosine, sine], -1), torch.stack([turned_cosine, turned_sine], -1)])
    imaginary = torch.cat([torch.stack([-sine, cosine], -1), torch.stack([turned_sine, -turned_cosine], -1)])
    return torch.cat([real.flatten(1), imaginary.flatten(1)], 1).float()
