"""Do answers belong to their images? Each is compared with its own truth and with those of other cases."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.adversarial.distributed.collectives import all_sum
from ganatomy.data.records import Batch

MOST = 128
"""Images that are kept of a validation, in each process."""
SIDE = 16
"""Images are averaged to this side before they are compared."""


def reduced(x: Tensor) -> Tensor:
    """Average images [n, C, *spatial] to 16 pixels a side; return [n, numbers] in float64."""
    sides = [min(SIDE, side) for side in x.shape[2:]]
    pool: Any = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}[len(sides)]
    small: Tensor = pool(x.float(), sides).flatten(1).double()
    return small


def distances(answers: Tensor, truths: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean squared distance of answers [n, numbers] to their own truths, and to all others."""
    squares = torch.cdist(answers, truths).square()
    own = squares.diagonal().sum()
    count = len(answers)
    return own / count, (squares.sum() - own) / (count * max(1, count - 1))


class Pairing:
    """Gathers the answers and truths of a validation: label maps, targets or reconstructed images."""

    def __init__(self) -> None:
        self.rows: list[tuple[Tensor, Tensor]] = []

    def add(self, batch: Batch, prediction: Any, classes: int) -> None:
        """Add a validation batch.

        Args:
            batch: The batch.
            prediction: The task's prediction; one without a truth of its shape is left out.
            classes: Classes of a label map.
        """
        pair = _pair(batch, prediction, classes)
        if pair is not None and sum(len(answers) for answers, _ in self.rows) < MOST:
            small = (reduced(pair[0]), reduced(pair[1]))
            if not self.rows or small[0].shape[1:] == self.rows[0][0].shape[1:]:
                self.rows.append(small)

    def match(self) -> float:
        """Return the distance to the own truth over that to others, and begin anew; NaN if there is none."""
        rows, self.rows = self.rows, []
        if not rows:
            return math.nan
        answers, truths = (torch.cat(column) for column in zip(*rows, strict=True))
        own, others = all_sum(torch.stack(distances(answers, truths))).tolist()
        return own / others if others > 0 else math.nan


def _pair(batch: Batch, prediction: Any, classes: int) -> tuple[Tensor, Tensor] | None:
    """Return answers and truths [n, C, *spatial], or None."""
    made = getattr(prediction, "reconstruction", None)
    if made is not None:
        return made, batch["image"]
    for name in ("label", "target"):
        truth = batch.get(name)
        if isinstance(prediction, Tensor) and truth is not None and truth.shape == prediction.shape:
            if name == "target":
                return prediction, truth
            return _one_hot(prediction, classes), _one_hot(truth, classes)
    return None


def _one_hot(labels: Tensor, classes: int) -> Tensor:
    """Return [n, classes - 1, *spatial] of labels [n, 1, *spatial], without the background."""
    return torch.cat([(labels == number).float() for number in range(1, max(2, classes))], 1)
