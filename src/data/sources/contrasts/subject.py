"""One virtual subject: its head, what its tissues send to a scanner, and its scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganatomy.data.sources.brain import Person, rician
from ganatomy.data.sources.contrasts.head import Points, tissues
from ganatomy.data.sources.contrasts.signals import (
    CONTRASTS,
    HIGHEST_HU,
    HU,
    LOWEST_HU,
    RELAXATION,
    SEQUENCES,
    TISSUES,
    white,
)
from ganatomy.data.sources.lesions import Lesion

SKULL_KNOTS = 5
AMONG, WITHIN = 0.1, 0.15
"""Standard deviation of the logarithm of thickness among subjects (skull, scalp), and within one skull."""
MATTER, LESION = slice(2, 4), TISSUES.index("lesion")
"""Grey and white matter, and the lesion that may take their place, among `TISSUES`."""


@dataclass(frozen=True)
class Head:
    """A subject.

    Attributes:
        person: brain and coil.
        lesions: its lesions, in grey and white matter.
        skull: [k,k,k], logarithm of the skull's thickness relative to the mean, at knots.
        scalp: thickness of the scalp relative to the mean.
        relaxation: [9,4], T1, T2 and T2* (ms) and proton density of `TISSUES`.
        hu: [9], their CT numbers.
        gains: unit of the scanner for each of `CONTRASTS`.
    """

    person: Person
    lesions: Sequence[Lesion]
    skull: np.ndarray
    scalp: float
    relaxation: np.ndarray
    hu: np.ndarray
    gains: np.ndarray

    @classmethod
    def drawn(cls, person: Person, lesions: Sequence[Lesion], seed: Sequence[int], scatter: float) -> Head:
        """Draw all but the brain and its lesions.

        Args:
            person: the brain.
            lesions: its lesions.
            seed: seed of the subject.
            scatter: standard deviation of the logarithm of T1, T2 (T2* changes alike) and CT number of each
                tissue; half of it is that of the proton density.
        """
        rng = np.random.default_rng(seed)
        change = np.exp(scatter * rng.standard_normal((len(TISSUES), 4)) * (1, 1, 0.5, 1))
        change[0] = 1  # air is air
        gains = rng.uniform(300, 1500, len(CONTRASTS))
        skull = AMONG * rng.standard_normal() + WITHIN * rng.standard_normal(3 * (SKULL_KNOTS,))
        scalp = float(np.exp(AMONG * rng.standard_normal()))
        relaxation = RELAXATION * change[:, (0, 1, 1, 2)]
        return cls(person, lesions, skull, scalp, relaxation, HU * change[:, 3], gains)

    def tissues(self, points: Points, step: float, with_lesions: bool) -> np.ndarray:
        """Return the share of each of `TISSUES` in every voxel [9,H,W,D].

        Args:
            points: where the head is sampled.
            step: side of a voxel, mm.
            with_lesions: show the lesions, which replace grey and white matter.
        """
        skull = np.exp(points.smooth(self.skull[None])[0])
        shares = tissues(points.in_template(self.person), skull, self.scalp, step)
        for lesion in self.lesions if with_lesions else ():
            taken = lesion.profile_at(points.coordinates).astype(np.float32) * shares[MATTER]
            shares[MATTER] -= taken
            shares[LESION] += taken.sum(0)
        return shares

    def magnitude(
        self, contrast: str, shares: np.ndarray, coil: np.ndarray, noise: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Return an MR image [H,W,D] in the scanner's unit.

        Args:
            contrast: one of `SEQUENCES`.
            shares: shares of tissue [9,H,W,D].
            coil: logarithm of the coil's field [H,W,D].
            noise: sigma of the Rician noise, relative to the tabulated signal of white matter.
            rng: source of the noise.
        """
        signals = (SEQUENCES[contrast](self.relaxation) / white(contrast)).astype(np.float32)
        scan = rician(np.exp(coil) * np.tensordot(signals, shares, 1), noise, rng)
        found: np.ndarray = self.gains[CONTRASTS.index(contrast)] * scan
        return found

    def ct(self, shares: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
        """Return a CT [H,W,D] in whole HU.

        Args:
            shares: shares of tissue [9,H,W,D].
            noise: sigma of the Gaussian noise, HU.
            rng: source of the noise.
        """
        values = np.tensordot(self.hu.astype(np.float32), shares, 1)
        values += noise * rng.standard_normal(values.shape, np.float32)
        return np.clip(np.rint(values), LOWEST_HU, HIGHEST_HU)
