"""Pictures of anomalies: input, reconstruction, residual and map."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.pictures import shown
from ganatomy.pictures.heat import heat
from ganatomy.tasks.anomaly.anomaly_map import Findings

COLUMNS = 6
"""Images from noise in a row."""


def sample_columns(
    batch: Batch, prediction: Findings | Tensor, ill: Tensor, masks: Tensor | None
) -> dict[str, np.ndarray]:
    """Return named tiles of the image with most anomalous pixels; none of a batch without anomalies.

    Args:
        batch: Evaluation batch.
        prediction: Findings, or images from noise of a first phase.
        ill: True for anomalous rows, [B].
        masks: Lesion masks [B, *spatial]; None without outlines.
    """
    image = _drawable(batch["image"])
    if not isinstance(prediction, Findings):
        return _from_noise(image, _drawable(prediction))
    if not bool(ill.any()):
        return {}
    sizes = ill.float() if masks is None else masks.flatten(1).sum(1)
    row = int(sizes.argmax())
    shown_image, made = image[row], _drawable(prediction.reconstruction[row : row + 1])[0]
    low, high = (float(value) for value in np.percentile(shown_image, (0.5, 99.5)))
    found = prediction.map[row].cpu().numpy()
    truth = None if masks is None else masks[row : row + 1].cpu().numpy().astype(np.float32)
    window = (0.0, float(found.max()) or 1.0)
    return {
        "input": shown(shown_image[None], (low, high)),
        "reconstruction": shown(made[None], (low, high)),
        "residual": shown(np.abs(shown_image - made)[None], (0.0, (high - low) / 2)),
        "map" if truth is None else "map, truth outlined": heat(found[None], window, truth),
    }


def _drawable(images: Tensor) -> np.ndarray:
    """Return three channels, or the first."""
    kept = images if images.shape[1] == 3 else images[:, :1]
    drawn: np.ndarray = kept.float().cpu().numpy()
    return drawn


def _from_noise(real: np.ndarray, made: np.ndarray) -> dict[str, np.ndarray]:
    low, high = (float(value) for value in np.percentile(real, (0.5, 99.5)))
    middle = len(real) // 2
    across = min(COLUMNS, len(made))
    tiles = {"real": shown(real[middle : middle + 1], (low, high))}
    for column in range(across):
        tiles[f"from noise {column + 1}"] = shown(made[column : column + 1], (low, high))
    return tiles
