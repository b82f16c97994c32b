"""Post-processing chosen on validation: for each class, what raises its mean Dice over the cases most."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganatomy.metrics.case_metric import CaseMetric, first_places
from ganatomy.tasks.segmentation.postprocessing.steps import Steps, components_of, holes, kept_of

GAIN = 1e-4
"""Least gain in mean Dice for which a class is changed."""
MOST = 64
"""Smallest sizes that are tried for a class, spread over the sizes of the validation's components."""
WIDTH = 3
"""Numbers of a component: its size, and its voxels that count and that are of the class."""


class Chosen(NamedTuple):
    """What is done to a class, and what it was worth.

    Attributes:
        steps: what is done.
        before: mean Dice over the validation without it.
        after: mean Dice over the validation with it.
    """

    steps: Steps
    before: float
    after: float


@dataclass(frozen=True)
class CaseParts:
    """Components of one class in one case.

    Attributes:
        truth: voxels of the class in the truth that count.
        parts: [2, N, WIDTH] as lists: components of the class as predicted, and with its holes filled.
    """

    truth: float
    parts: tuple[np.ndarray, np.ndarray]

    def dice(self, steps: Steps) -> float:
        """Return the Dice after the steps; NaN where the class is in neither label map."""
        own = self.parts[int(steps.fill_holes)]
        _, inside, overlap = own[kept_of(own[:, 0], steps)].sum(0)
        whole = float(inside + self.truth)
        return 2 * float(overlap) / whole if whole else float("nan")


class ValidationParts(CaseMetric):
    """Components of the validation's label maps, from which the Dice after any steps follows exactly.

    A class is filled and its components dropped without regard to other classes (`postprocessed`), so that
    its Dice is a matter of sums over its own components. Cases whose truth is background alone, or that have
    no voxel that counts, are left out, as in `VolumeScores`.

    Args:
        classes: number of classes, background included.
    """

    counts: Any
    totals: Any
    parts: Any

    def __init__(self, classes: int) -> None:
        super().__init__("counts", "totals", "parts")
        self.numbers = range(1, classes)

    def update(
        self,
        case: str,
        prediction: np.ndarray,
        truth: np.ndarray,
        spacing: Sequence[float],
        valid: np.ndarray | None = None,
    ) -> None:
        """Add one case.

        Args:
            case: its name.
            prediction: class numbers [*spatial].
            truth: class numbers of the same shape.
            spacing: distance between voxels along each axis.
            valid: voxels that count, bool of the same shape; None for all.
        """
        counted = np.ones(truth.shape, bool) if valid is None else valid
        real = np.where(counted, truth, 0)
        counts: list[int] = []
        parts: list[np.ndarray] = []
        if real.any():
            voxel, owner = math.prod(float(each) for each in spacing), holes(prediction)
            for number in self.numbers:
                mask = prediction == number
                for whole in (mask, mask | (owner == number)):
                    found = _parts(whole, counted, real == number, voxel)
                    counts.append(len(found))
                    parts.append(found)
        totals = [float((real == number).sum()) for number in self.numbers]
        empty = np.zeros((0, WIDTH))
        self.keep(
            case,
            counts=counts or [0] * (2 * len(self.numbers)),
            totals=totals,
            parts=np.concatenate([empty, *parts]),
        )

    def compute(self) -> dict[str, Tensor]:
        """Return what is done to each class, by its number, see `to_row`. Every process gets the same."""
        cases = list(self._cases())
        rows = [to_row(chosen([case[place] for case in cases])) for place in range(len(self.numbers))]
        return {str(number): row for number, row in zip(self.numbers, rows, strict=True)}

    def _cases(self) -> Iterator[list[CaseParts]]:
        """Yield the components of every class of each case, cases sorted by name."""
        classes = len(self.numbers)
        counts = self.table("counts", 2 * classes).long()
        totals = self.table("totals", classes).double().numpy()
        parts = self.ragged("parts", (counts.sum(1) * WIDTH).tolist())
        for place in first_places(self.case_names()).values():
            if not totals[place].any():
                continue
            sizes = counts[place].tolist()
            rows = torch.split(parts[place].reshape(-1, WIDTH).double(), sizes)
            pairs = [(rows[2 * n].numpy(), rows[2 * n + 1].numpy()) for n in range(classes)]
            yield [CaseParts(float(totals[place, n]), pairs[n]) for n in range(classes)]


def _parts(mask: np.ndarray, counted: np.ndarray, real: np.ndarray, voxel: float) -> np.ndarray:
    """Return [N, WIDTH] of the components of a mask."""
    found = components_of(mask)
    if found is None:
        return np.zeros((0, WIDTH))
    many = len(found.voxels) + 1
    numbers = found.numbers.ravel()
    inside, overlap = (
        np.bincount(numbers, weights=where[found.box].ravel(), minlength=many)[1:]
        for where in (counted, real)
    )
    return np.stack([found.voxels * voxel, inside, overlap], 1)


def candidates(validated: Sequence[CaseParts]) -> list[Steps]:
    """Return the steps that are tried, the simplest first.

    Nothing, the largest component, and smallest sizes midway between those of neighbouring components of the
    validation, at most `MOST`; each without and with holes filled.
    """
    sizes = np.unique(
        np.concatenate([part[:, 0] for case in validated for part in case.parts] or [np.zeros(0)])
    )
    between = ((sizes[:-1] + sizes[1:]) / 2)[np.diff(sizes) > 1e-5 * sizes[1:]]  # the same but for rounding
    if len(between) > MOST:
        between = between[np.unique(np.linspace(0, len(between) - 1, MOST).round().astype(int))]
    plain = [Steps(), Steps(fill_holes=True), Steps(largest=True), Steps(fill_holes=True, largest=True)]
    return plain + [Steps(fill, False, float(size)) for size in between for fill in (False, True)]


def chosen(validated: Sequence[CaseParts]) -> Chosen:
    """Return the steps with the largest mean Dice of a class, if they raise it by `GAIN`; else none.

    Equal means: the simplest steps, see `candidates`. As no class is changed but for its own Dice, none gets
    worse on the validation.

    Args:
        validated: components of the class in each case.
    """
    before = _mean(validated, Steps())
    best = Chosen(Steps(), before, before)
    for steps in candidates(validated):
        after = _mean(validated, steps)
        if after > best.after + 1e-9:
            best = Chosen(steps, before, after)
    return best if best.after >= before + GAIN else Chosen(Steps(), before, before)


def _mean(validated: Sequence[CaseParts], steps: Steps) -> float:
    values = [value for case in validated if not math.isnan(value := case.dice(steps))]
    return math.fsum(values) / len(values) if values else float("nan")


def to_row(chosen: Chosen) -> Tensor:
    """Return a choice as numbers, float64 [5]."""
    steps, before, after = chosen
    return torch.tensor([steps.fill_holes, steps.largest, steps.minimum, before, after], dtype=torch.float64)


def from_row(row: Tensor) -> Chosen:
    """Return the choice of `to_row`."""
    fill, largest, minimum, before, after = row.tolist()
    return Chosen(Steps(bool(fill), bool(largest), float(minimum)), before, after)
