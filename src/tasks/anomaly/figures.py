"""Pictures of anomalies: what was seen, what was made of it, and where the two differ."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.pictures import shown
from ganatomy.pictures.heat import heat
from ganatomy.tasks.anomaly.anomaly_map import Findings

ACROSS = 6
"""Images from noise in a row."""


def sample_columns(
    batch: Batch, prediction: Findings | Tensor, ill: Tensor, masks: Tensor | None
) -> dict[str, np.ndarray]:
    """Of a batch the image with most anomalous pixels, as named tiles; nothing of a batch without any."""
    image = _seen(batch["image"])
    if not isinstance(prediction, Findings):
        return _imagined(image, _seen(prediction))
    if not bool(ill.any()):
        return {}
    sizes = ill.float() if masks is None else masks.flatten(1).sum(1)
    row = int(sizes.argmax())
    seen, made = image[row], _seen(prediction.made[row : row + 1])[0]
    low, high = (float(value) for value in np.percentile(seen, (0.5, 99.5)))
    found = prediction.map[row].cpu().numpy()
    truth = None if masks is None else masks[row : row + 1].cpu().numpy().astype(np.float32)
    window = (0.0, float(found.max()) or 1.0)
    return {
        "input": shown(seen[None], (low, high)),
        "reconstruction": shown(made[None], (low, high)),
        "residual": shown(np.abs(seen - made)[None], (0.0, (high - low) / 2)),
        "map" if truth is None else "map, truth outlined": heat(found[None], window, truth),
    }


def _seen(images: Tensor) -> np.ndarray:
    """What is drawn of them: three channels, or the first."""
    kept = images if images.shape[1] == 3 else images[:, :1]
    drawn: np.ndarray = kept.float().cpu().numpy()
    return drawn


def _imagined(real: np.ndarray, made: np.ndarray) -> dict[str, np.ndarray]:
    low, high = (float(value) for value in np.percentile(real, (0.5, 99.5)))
    middle = len(real) // 2
    across = min(ACROSS, len(made))
    tiles = {"real": shown(real[middle : middle + 1], (low, high))}
    for column in range(across):
        tiles[f"from noise {column + 1}"] = shown(made[column : column + 1], (low, high))
    return tiles
