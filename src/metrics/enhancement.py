"""The scores of an enhanced image beside the truth: how near, and how alike in texture."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from src.metrics.similarity import mae, psnr, ssim
from src.metrics.texture import (
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
    """Every score of one case [N, C, *spatial] in its own units; N > 1 for the slices of a volume.

    data_range: what PSNR and SSIM relate errors to; None: the truth's maximum less its minimum, in this case.
    A list: one for each channel, which have units of their own; scores are the means of the channels'.
    Raises ValueError where the shapes differ, where the prediction is not finite, or with a range of 0.
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
