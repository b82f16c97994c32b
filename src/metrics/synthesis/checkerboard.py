"""Checkerboard patterns, which strided layers leave."""

from __future__ import annotations

import torch
from torch import Tensor

PERIODS = (2, 4)
NEAR, FAR = 2, 5
"""A frequency is compared with those this many bins away; the window blurs over one."""


def checkerboard_index(images: Tensor) -> float:
    """Return the power at periods of 2 and 4 pixels over that at the frequencies around them; 1: no pattern.

    The largest of the ratios along the rows, along the columns and along both, in the mean power spectrum of
    the set and its channels. Each image loses its mean and gets a Hann window, its sides cut to multiples of
    4. On such patterns: Odena et al., Distill 2016. NaN for sides below 24, which have too few frequencies.
    """
    height, width = (side // 4 * 4 for side in images.shape[2:])
    if min(height, width) < 24 or len(images) == 0:
        return float("nan")
    cut = images[:, :, :height, :width].double()
    windows = [torch.hann_window(side, dtype=torch.float64, device=cut.device) for side in (height, width)]
    window = windows[0][:, None] * windows[1]
    power = torch.zeros(height, width, dtype=torch.float64, device=cut.device)
    for part in torch.split(cut, 64):
        spectrum = torch.fft.fft2((part - part.mean((2, 3), keepdim=True)) * window)
        power += spectrum.abs().square().sum((0, 1))
    return max(_peak(power, y, x) for y, x in _frequencies(height, width))


def _frequencies(height: int, width: int) -> list[tuple[int, int]]:
    found = []
    for period in PERIODS:
        y, x = height // period, width // period
        found += [(y, 0), (0, x), (y, x)]
    return found


def _peak(power: Tensor, y: int, x: int) -> float:
    """Return the ratio at a bin.

    On an axis only neighbours on that axis are compared, since images have more power there.
    """
    steps = [step for step in range(-FAR, FAR + 1) if abs(step) >= NEAR]
    if y == 0:
        around = [power[0, (x + step) % power.shape[1]] for step in steps]
    elif x == 0:
        around = [power[(y + step) % power.shape[0], 0] for step in steps]
    else:
        around = [
            power[(y + down) % power.shape[0], (x + right) % power.shape[1]]
            for down in range(-FAR, FAR + 1)
            for right in range(-FAR, FAR + 1)
            if max(abs(down), abs(right)) >= NEAR
        ]
    expected = torch.stack(around).mean()
    floor = 1e-20 * power.sum()
    return float((power[y, x] + floor) / (expected + floor)) if float(floor) > 0 else float("nan")
