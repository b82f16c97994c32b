"""Answer of anomaly detection for one case, and what it depends on besides the generator."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ganatomy.data.records import Batch
from ganatomy.tasks.anomaly.anomaly_map import Findings
from ganatomy.tasks.anomaly.files import boxes_on_file
from ganatomy.tasks.shared.answers import Answer, FoundBoxes

PREFIX = "discriminator."


def answer_of(
    array: Tensor | None, batch: Batch, found: Findings, rows: list[int], threshold: float
) -> Answer:
    """Return the map, the boxes above the threshold, and the score: the highest of a volume's slices.

    Args:
        array: Map [1, *spatial] of the whole case.
        batch: Batch with the case.
        found: Findings of the batch.
        rows: Rows of the case.
        threshold: Value above which a pixel is in a box.
    """
    each = [boxes_on_file(batch, row, found.map[row], threshold) for row in rows]
    boxes, peaks = (np.concatenate(parts) for parts in zip(*each, strict=True))
    values = {"score": float(found.score[rows].max()), "boxes": float(len(boxes))}
    return Answer(array, "map", FoundBoxes(boxes, peaks, ["anomaly"] * len(boxes), threshold), values)


def kept_state(threshold: float, discriminator: nn.Module | None) -> dict[str, Tensor]:
    """Return the threshold of boxes as a tensor, and the weights of a discriminator that scores need."""
    weights = {} if discriminator is None else discriminator.state_dict()
    kept = {f"{PREFIX}{name}": value for name, value in weights.items()}
    return {"threshold": torch.tensor(threshold, dtype=torch.float64), **kept}


def load_state(state: dict[str, Tensor], discriminator: nn.Module | None) -> float:
    """Load what `kept_state` returned into the discriminator; return the threshold."""
    weights = {name.removeprefix(PREFIX): v for name, v in state.items() if name.startswith(PREFIX)}
    if weights and discriminator is not None:
        discriminator.load_state_dict(weights)
    return float(state["threshold"])
