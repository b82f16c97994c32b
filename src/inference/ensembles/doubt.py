"""Doubt about an answer: maps and numbers from what several members say, one member at a time."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ganatomy.metrics.calibration.label_maps import FAINT
from ganatomy.tasks.soft import SoftKind, parts_of, rebuilt

ENTROPY, INFORMATION, VARIANCE, DEVIATION = "entropy", "mutual_information", "variance", "deviation"
HIGHEST = {ENTROPY: math.log(2), INFORMATION: math.log(2), VARIANCE: 0.5}
"""Value that pictures draw brightest: two classes alike, or each sure to half of the members."""


class Moments:
    """Mean and variance over members that come one at a time (Welford, Technometrics 4 (1962) 419).

    Example:
        >>> moments = Moments()
        >>> for value in (1.0, 2.0, 6.0):
        ...     moments.add(torch.tensor(value))
        >>> float(moments.mean), round(float(moments.variance), 4)
        (3.0, 4.6667)
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.empty(0)
        self._squares = torch.empty(0)

    def add(self, values: Tensor) -> None:
        """Add the values of a member; those of all members have one shape."""
        self.count += 1
        if self.count == 1:
            self.mean, self._squares = values.clone(), torch.zeros_like(values)
            return
        gap = values - self.mean
        self.mean += gap / self.count
        self._squares += gap * (values - self.mean)

    @property
    def variance(self) -> Tensor:
        """Return the mean squared distance of the members from their mean; 0 for one member."""
        return self._squares / self.count


class Averaging:
    """Mean of soft predictions, and the doubt about it, in the memory of a few of them.

    Args:
        kind: Kind of the soft predictions, see `SoftHooks`.
        doubted: Number of the part whose doubt is meant.

    Example:
        Two members that are sure of opposite classes: all doubt is about the networks.

        >>> averaging = Averaging("classes")
        >>> for p in (0.0, 1.0):
        ...     averaging.add(torch.tensor([p, 1 - p]).reshape(1, 2, 1, 1))
        >>> {name: round(each.item(), 4) for name, each in averaging.maps().items()}
        {'entropy': 0.6931, 'mutual_information': 0.6931, 'variance': 0.5}
    """

    def __init__(self, kind: SoftKind, doubted: int = 0) -> None:
        self.kind, self.doubted = kind, doubted
        self.parts: list[Moments] = []
        self._entropies = Moments()
        self._like: Any = None

    def add(self, soft: Any) -> None:
        """Add the soft prediction of a member."""
        parts = parts_of(soft)
        self._like, self.parts = soft, self.parts or [Moments() for _ in parts]
        for moments, part in zip(self.parts, parts, strict=True):
            moments.add(part.float())
        if self.kind != "values":
            self._entropies.add(entropy(parts[self.doubted].float(), self.kind))

    def mean(self) -> Any:
        """Return the mean soft prediction; that of a single member bit by bit."""
        return rebuilt(self._like, [moments.mean for moments in self.parts])

    def maps(self, scale: Tensor | None = None) -> dict[str, Tensor]:
        """Return maps of doubt by name.

        Classes, [B, *spatial]: `entropy`, that of the mean probabilities, in nats (at most ln K); of several
        members also `mutual_information`, the part of it that they disagree about, in nats, and `variance`,
        summed over the classes. Presence, [B, *cells]: the same of a thing being there or not, of the K
        things the highest (at most ln 2, and 1/4). Values, of several members: `deviation`, the standard
        deviation over members, with the channels as they are.

        The entropy of the mean is the mean entropy of the members (doubt about the image) plus the mutual
        information (doubt of the networks): Smith and Gal, UAI 2018 (arXiv 1803.08533).

        Args:
            scale: Factor from the network's units to those of `deviation`; None for 1.
        """
        moments = self.parts[self.doubted]
        several = moments.count > 1
        if self.kind == "values":
            spread = moments.variance.sqrt()
            return {DEVIATION: spread if scale is None else spread * scale.to(spread)} if several else {}
        whole, found = entropy(moments.mean, self.kind), {}
        found[ENTROPY] = whole
        if several:
            found[INFORMATION] = (whole - self._entropies.mean).clamp_min(0)
            spread = moments.variance
            found[VARIANCE] = spread.sum(1) if self.kind == "classes" else spread
        return found if self.kind == "classes" else {name: each.amax(1) for name, each in found.items()}

    def in_question(self) -> Tensor:
        """Return where doubt counts: where the mean probability of something there is 0.01 or more.

        Elsewhere is background beyond doubt, most of a scan, which would only say how much of it there is.
        Of values everywhere counts.

        Returns:
            Booleans [B, *spatial], or [B, *cells].
        """
        mean = self.parts[self.doubted].mean
        if self.kind == "classes":
            return 1 - mean[:, 0] >= FAINT
        return mean.amax(1) >= FAINT if self.kind == "presence" else torch.ones_like(mean, dtype=torch.bool)


def entropy(probabilities: Tensor, kind: SoftKind = "classes") -> Tensor:
    """Return the entropy in nats: [B, *spatial] of classes, [B, K, *cells] of the presence of each thing.

    Args:
        probabilities: [B, K, *spatial].
        kind: "classes" or "presence".
    """
    own: Tensor = torch.special.entr(probabilities)
    if kind == "classes":
        return own.sum(1)
    absent: Tensor = torch.special.entr(1 - probabilities)
    return own + absent


def case_doubt(maps: dict[str, Tensor], counted: Tensor) -> dict[str, float]:
    """Return a number for each map of a case: its mean where it counts; 0 if it counts nowhere.

    Args:
        maps: Maps of the case's rows.
        counted: Where doubt counts, see `Averaging.in_question`.
    """
    some = bool(counted.any())
    return {name: float(each[counted].double().mean()) if some else 0.0 for name, each in maps.items()}
