"""Scores of an enhanced image against the truth: similarity and texture."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ganatomy.metrics.similarity import mae, psnr, ssim
from ganatomy.metrics.texture import (
    edge_gradient_ratio,
    flat_deviation_ratio,
    high_frequency_ratio,
    noise_power_distance,
)

TEXTURE = {
    "nps_distance": noise_power_distance,
    "high_frequency": high_frequency_ratio,
    "flat_deviation": flat_deviation_ratio,
    "edge_gradient": edge_gradient_ratio,
}
"""nps_distance: dB, 0 is best. The others: ratios to the truth, 1 is best."""
SCORES = ("psnr", "ssim", "mae", *TEXTURE)


def score_case(
    prediction: Tensor, truth: Tensor, data_range: float | Sequence[float | None] | None = None
) -> dict[str, float]:
    """Compute every score of one case, in its own units.

    Args:
        prediction: Images [N, C, *spatial]; N > 1 for the slices of a volume.
        truth: Images of the same shape.
        data_range: Range that PSNR and SSIM relate errors to; None: the truth's maximum less its minimum, in
            this case. A list: one for each channel with units of its own; scores are the means over channels.

    Returns:
        Name of each of `SCORES` to its value.

    Raises:
        ValueError: If the shapes differ, the prediction is not finite, or the range is 0.
    """
    if prediction.shape != truth.shape:
        raise ValueError(
            f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} differ in shape"
        )
    if isinstance(data_range, Sequence):
        each = [
            score_case(prediction[:, c : c + 1], truth[:, c : c + 1], span)
            for c, span in enumerate(data_range)
        ]
        return {name: sum(scores[name] for scores in each) / len(each) for name in SCORES}
    if not bool(prediction.isfinite().all()):
        raise ValueError("the prediction holds values that are not finite: the generator has diverged")
    if data_range is None:
        data_range = float(truth.max()) - float(truth.min())
    scores = {
        "psnr": float(psnr(prediction, truth, data_range)),
        "ssim": float(ssim(prediction, truth, data_range)),
        "mae": float(mae(prediction, truth)),
    }
    ours, theirs = prediction.cpu().double().numpy(), truth.cpu().double().numpy()
    return scores | {name: score(ours, theirs) for name, score in TEXTURE.items()}
