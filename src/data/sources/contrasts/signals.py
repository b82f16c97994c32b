"""Signals of the tissues of a head: MR magnitudes by the equations of two sequences, and CT numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

TISSUES = ("air", "csf", "gm", "wm", "bone", "marrow", "fat", "skin", "lesion")
"""`bone` is the skull's two tables, `marrow` the spongy layer between them, `skin` skin and muscle."""
RELAXATION = np.array(
    [
        (1, 1, 1, 0),
        (2569, 329, 58, 1.0),
        (833, 83, 69, 0.86),
        (500, 70, 61, 0.77),
        (1, 1, 1, 0),
        (350, 70, 58, 0.5),
        (350, 70, 58, 1.0),
        (900, 47, 30, 1.0),
        (752, 237, 204, 0.76),
    ]
)
"""T1, T2 and T2* in ms and proton density of each tissue at 1.5 T, as BrainWeb tabulates them (Kwan, Evans,
Pike, IEEE TMI 18 (1999) 1085), its lesion being one of multiple sclerosis. Air and cortical bone give no
signal. Marrow is not in that table: it is taken as fat that fills half of the space, an assumption."""
HU = np.array([-1000, 10, 37, 28, 1400, 500, -90, 50, 20])
"""CT number of each tissue, within the ranges of textbooks (Buzug, Computed Tomography, Springer 2008); those
of the skull and of the lesion are assumptions."""
LOWEST_HU, HIGHEST_HU = -1024, 3071
"""Range of a CT with 12 bits."""


@dataclass(frozen=True)
class SpinEcho:
    """Spin echo, S = PD (1 - exp(-TR / T1)) exp(-TE / T2), for TE much shorter than TR.

    Haacke et al., Magnetic Resonance Imaging (1999), chapter 8.

    Attributes:
        tr: repetition time, ms.
        te: echo time, ms.
    """

    tr: float
    te: float

    def __call__(self, relaxation: np.ndarray) -> np.ndarray:
        """Return the signals [n] of tissues with T1, T2, T2* (ms) and PD [n,4]."""
        t1, t2, _, density = relaxation.T
        signal: np.ndarray = density * (1 - np.exp(-self.tr / t1)) * np.exp(-self.te / t2)
        return signal


@dataclass(frozen=True)
class SpoiledEcho:
    """Spoiled gradient echo, S = PD sin a (1 - E) / (1 - E cos a) exp(-TE / T2*) with E = exp(-TR / T1).

    Ernst, Anderson, Rev. Sci. Instrum. 37 (1966) 93; largest at the Ernst angle, cos a = E.

    Attributes:
        tr: repetition time, ms.
        te: echo time, ms.
        flip: flip angle a, degrees.
    """

    tr: float
    te: float
    flip: float

    def __call__(self, relaxation: np.ndarray) -> np.ndarray:
        """Return the signals [n] of tissues with T1, T2, T2* (ms) and PD [n,4]."""
        t1, _, t2_star, density = relaxation.T
        angle, rest = np.deg2rad(self.flip), np.exp(-self.tr / t1)
        steady = np.sin(angle) * (1 - rest) / (1 - rest * np.cos(angle))
        signal: np.ndarray = density * steady * np.exp(-self.te / t2_star)
        return signal


SEQUENCES: Mapping[str, SpinEcho | SpoiledEcho] = {
    "t1": SpoiledEcho(18, 10, 30),
    "t2": SpinEcho(3300, 120),
    "pd": SpinEcho(3300, 35),
}
"""The MR contrasts with the times and the angle of BrainWeb's simulated database."""
CONTRASTS = (*SEQUENCES, "ct")


def white(contrast: str) -> float:
    """Return the tabulated signal of white matter in an MR contrast."""
    return float(SEQUENCES[contrast](RELAXATION)[TISSUES.index("wm")])
