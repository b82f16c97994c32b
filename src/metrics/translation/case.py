"""All scores of one translated image against its target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ganatomy.metrics.enhancement import TEXTURE
from ganatomy.metrics.translation.region import Range, Span, mae, ms_ssim, per_channel, psnr, ssim

SCORES = ("mae", "psnr", "ssim", "multiscale_ssim", *TEXTURE)
AT_VALIDATION = ("mae", "psnr", "ssim")
"""Scores that a validation computes: the others take longer."""


def score_case(
    prediction: Tensor,
    truth: Tensor,
    mask: Tensor | None = None,
    data_range: Range | list[Range] = None,
    names: Sequence[str] = SCORES,
) -> dict[str, float]:
    """Compute scores of one case, in its own units.

    The scores of texture are those of enhancement, on the whole image, in which the prediction outside the
    region is the truth.

    Args:
        prediction: Images [N, C, *spatial]; N > 1 for the slices of a volume.
        truth: Images of the same shape.
        mask: Region of the scores [N, 1, *spatial], bool; None for all of the image.
        data_range: Range that PSNR and the structural similarities relate errors to; see `Range`. A list: one
            for each channel with units of its own; scores are the means over channels.
        names: Scores to compute, out of `SCORES`.

    Returns:
        Name of each score to its value; NaN for a similarity whose region is too thin for its window.

    Raises:
        ValueError: The shapes differ, the mask is empty, the prediction is not finite, or the range is 0.
    """
    ours, theirs = (image.detach().cpu().double().numpy() for image in (prediction, truth))
    if ours.shape != theirs.shape:
        raise ValueError(f"prediction {ours.shape} and truth {theirs.shape} differ in shape")
    if not np.isfinite(ours).all():
        raise ValueError("the prediction holds values that are not finite: the generator has diverged")
    inside = None if mask is None else np.broadcast_to(mask.cpu().numpy().astype(bool), theirs.shape)
    if inside is not None and not inside.any():
        raise ValueError("the mask is empty: no voxel is scored")
    rows = []
    for part, given in per_channel(data_range, theirs.shape[1]):
        region = None if inside is None else inside[:, part]
        rows.append(_part(ours[:, part], theirs[:, part], region, given, names))
    return {name: float(np.mean([row[name] for row in rows])) for name in names}


def _part(
    ours: np.ndarray, theirs: np.ndarray, inside: np.ndarray | None, given: Range, names: Sequence[str]
) -> dict[str, float]:
    span = Span.of(given, theirs, inside)
    found: dict[str, float] = {}
    if "mae" in names:
        found["mae"] = mae(ours, theirs, inside)
    for name, score in {"psnr": psnr, "ssim": ssim, "multiscale_ssim": ms_ssim}.items():
        if name in names:
            found[name] = score(ours, theirs, span, inside)
    drawn = ours if inside is None else np.where(inside, ours, theirs)
    return found | {name: score(drawn, theirs) for name, score in TEXTURE.items() if name in names}
