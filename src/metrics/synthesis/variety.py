"""Similarity among the images of a set."""

from __future__ import annotations

import torch
from torch import Tensor

from ganatomy.metrics.similarity import AT_ONCE, structure, window_side
from ganatomy.metrics.synthesis.pyramid import halved

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ms_ssim(a: Tensor, b: Tensor, data_range: float) -> Tensor:
    """Return the multi-scale structural similarity [n] of images [n, C, H, W]. Wang et al., Asilomar 2003.

    As many of the paper's five scales as leave room for the window of 11 pixels, their exponents scaled to
    the sum 1; sides below 11 get a smaller window. Negative contrast terms count as 0.

    Args:
        a: Images [n, C, H, W].
        b: Images of the same shape.
        data_range: Range of the values, above 0.
    """
    shortest = min(a.shape[2:])
    size = window_side(a.shape[2:])
    scales = next(s for s in range(len(WEIGHTS), 0, -1) if s == 1 or shortest // 2 ** (s - 1) >= size)
    exponents = torch.tensor(WEIGHTS[:scales], dtype=torch.float64) / sum(WEIGHTS[:scales])
    a, b = a.double(), b.double()
    product = torch.ones(len(a), dtype=torch.float64, device=a.device)
    for scale, exponent in enumerate(exponents.tolist()):
        if scale:
            a, b = (halved(_even(images)) for images in (a, b))
        full, contrast = structure(a, b, data_range, size)
        term = full if scale == scales - 1 else contrast
        product = product * term.flatten(1).mean(1).clamp_min(0) ** exponent
    return product


def pair_similarity(images: Tensor, data_range: float, seed: int = 0) -> float:
    """Return the mean MS-SSIM of random pairs, as many as there are images: higher means less variety.

    Odena et al., arXiv 1610.09585, section 4.2. Compare it with the real set's own value: neither a much
    higher nor a much lower one is right.

    Args:
        images: Images [n, C, H, W].
        data_range: Range of the values.
        seed: Seed of the pairs.

    Returns:
        The mean; NaN for fewer than two images or a range of 0.
    """
    if len(images) < 2 or data_range <= 0:
        return float("nan")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed)).to(images.device)
    step = max(1, AT_ONCE // images[0].numel())
    pairs = zip(torch.split(order, step), torch.split(order.roll(1), step), strict=True)
    return float(torch.cat([ms_ssim(images[a], images[b], data_range) for a, b in pairs]).mean())


def _even(images: Tensor) -> Tensor:
    """Return the images without the last row and column of an odd side."""
    height, width = (side - side % 2 for side in images.shape[2:])
    return images[:, :, :height, :width]
