"""How well training patients are told from others, by any attack."""

from __future__ import annotations

from math import isnan
from typing import NamedTuple

import numpy as np
import torch

from ganatomy.metrics.ranking import auroc, auroc_interval
from ganatomy.metrics.synthesis.memorisation import copied_share, expected_share

LEAST = 5
"""With fewer patients of either kind nothing is concluded, as in `compare`."""
NEAREST, LOGIT = "nearest", "logit"
ATTACKS = {NEAREST: "correlation with the nearest synthetic image", LOGIT: "logit of the discriminator"}


class Images(NamedTuple):
    """The audited images.

    Attributes:
        scores: Score of each image by the attack, higher for a training image.
        member: True for images that were trained on, [n].
        subjects: Patient of each image.
    """

    scores: dict[str, np.ndarray]
    member: np.ndarray
    subjects: list[str]

    @property
    def patients(self) -> tuple[int, int]:
        """Return how many patients were trained on, and how many were not."""
        names = np.array(self.subjects)
        return len(set(names[self.member])), len(set(names[~self.member]))


class Told(NamedTuple):
    """How well an attack tells training images from others.

    Attributes:
        auroc: Probability that a training image scores above another; 0.5 is chance.
        low: Lower end of its 95 % interval over patients.
        high: Upper end.
        beyond: Fraction of training images above 99 % of the others (Carlini et al., arXiv 2112.03570: the
            rate of true positives at 1 % of false ones).
        chance: `beyond` to expect if nothing can be told.
    """

    auroc: float
    low: float
    high: float
    beyond: float
    chance: float

    @classmethod
    def of(cls, scores: np.ndarray, images: Images) -> Told:
        """Return the result of an attack with these scores [n]."""
        ends = auroc_interval(scores, images.member, images.subjects)
        ours, others = (torch.from_numpy(scores[kind]) for kind in (images.member, ~images.member))
        beyond, chance = copied_share(ours, others), expected_share(len(others))
        return cls(auroc(scores, images.member), *ends, beyond, chance)

    def line(self, name: str, patients: tuple[int, int]) -> str:
        """Return what the result means, in one line."""
        ends = f"AUROC {self.auroc:.2f}, {self.low:.2f} to {self.high:.2f}"
        if min(patients) < LEAST or isnan(self.low):
            return f"membership: too few patients to tell by {ATTACKS[name]} ({ends})"
        if self.low > 0.5:
            return f"membership: training patients can be told from others by {ATTACKS[name]} ({ends})"
        return (
            f"membership: no sign that training patients can be told by {ATTACKS[name]} ({ends}); another "
            "attack may do better"
        )
