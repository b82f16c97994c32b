"""Do answers belong to their images? Each is compared with its own truth and with those of other cases."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.adversarial.distributed.collectives import all_sum
from ganatomy.data.records import Batch

MOST, FEWEST = 128, 8
"""Images that are kept of a validation, in each process; images that tell something."""
SIDE = 16
"""Images are averaged to this side before they are compared."""


def reduced(x: Tensor) -> Tensor:
    """Average images [n, C, *spatial] to 16 pixels a side; return [n, numbers] in float64."""
    sides = [min(SIDE, side) for side in x.shape[2:]]
    pool: Any = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}[len(sides)]
    small: Tensor = pool(x.float(), sides).flatten(1).double()
    return small


def ranks(answers: Tensor, truths: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many truths lie nearer to an answer than its own, and how many would by chance, in sum.

    By ranks, so that no case outweighs the others. Truths that are all alike, such as empty masks, tell
    nothing and count in neither.

    Args:
        answers: Answers [n, numbers].
        truths: Truths [n, numbers], row by row.
    """
    far = torch.cdist(answers, truths, compute_mode="donot_use_mm_for_euclid_dist")
    nearer = (far < far.diagonal()[:, None]).sum(1)
    pairs = far[:, :, None] < far[:, None, :]
    return nearer.sum().double(), pairs.double().mean((1, 2)).sum() * len(far)


class Pairing:
    """Gathers the answers and truths of a validation: label maps, targets or reconstructed images."""

    def __init__(self) -> None:
        self.rows: list[tuple[Tensor, Tensor]] = []
        self.device = torch.device("cpu")

    def add(self, batch: Batch, prediction: Any, classes: int) -> None:
        """Add a validation batch.

        Args:
            batch: The batch.
            prediction: The task's prediction; one without a truth of its shape is left out.
            classes: Classes of the label map that is predicted; 0 where it is an image.
        """
        self.device = batch["image"].device
        pair = _pair(batch, prediction, classes)
        if pair is not None and sum(len(answers) for answers, _ in self.rows) < MOST:
            small = (reduced(pair[0]), reduced(pair[1]))
            if not self.rows or small[0].shape[1:] == self.rows[0][0].shape[1:]:
                self.rows.append(small)

    def match(self) -> float:
        """Return 0 if each answer is nearest to its own truth, 1 if it tells nothing of it; begin anew.

        NaN with too few truths that differ.
        """
        rows, self.rows = self.rows, []
        counts = [torch.zeros((), dtype=torch.float64)] * 3
        if rows:
            answers, truths = (torch.cat(column)[:MOST].cpu() for column in zip(*rows, strict=True))
            counts = [*ranks(answers, truths), torch.tensor(len(answers)).double()]
        nearer, by_chance, count = all_sum(torch.stack(counts).to(self.device)).tolist()
        return nearer / by_chance if by_chance > 0 and count >= FEWEST else math.nan


def _pair(batch: Batch, prediction: Any, classes: int) -> tuple[Tensor, Tensor] | None:
    """Return answers and truths [n, C, *spatial], or None."""
    made = getattr(prediction, "reconstruction", None)
    if made is not None:
        return made, batch["image"]
    truth = batch.get("label" if classes else "target")
    if not isinstance(prediction, Tensor) or truth is None or truth.shape != prediction.shape:
        return None
    return (_one_hot(prediction, classes), _one_hot(truth, classes)) if classes else (prediction, truth)


def _one_hot(labels: Tensor, classes: int) -> Tensor:
    """Return [n, classes - 1, *spatial] of labels [n, 1, *spatial], without the background."""
    return torch.cat([(labels == number).float() for number in range(1, max(2, classes))], 1)
