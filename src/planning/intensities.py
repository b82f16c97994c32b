"""Gather what a fingerprint says of intensities: the kind of each channel, and windows of their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ganatomy.data.records import Case

VALUES = 2000
"""Intensities that are kept of a case."""
HU_AIR = -500.0
"""An image with different values below this is a CT, unless it has none above 0: padding has one value."""
MOSTLY = 0.9
"""Share of the cases that decides what all are."""
GREY = 2.0
"""Mean difference of the first and the last channel, in grey levels of 255, that grey pictures may have."""


class Intensities:
    """Intensities of cases, one after the other.

    Args:
        known: What the data set says of each channel of its images, in DICOM's words; values tell the others.
        target: The same of its targets; empty if it says nothing.
    """

    def __init__(self, known: Sequence[str] = (), target: str = "") -> None:
        self.known, self.target = known, target
        self.signs: list[tuple[str, ...]] = []
        self.targets: list[str] = []
        self.coloured = 0
        self.values: dict[str, list[np.ndarray]] = {"labels": [], "boxes": [], "all": [], "target": []}

    def add(self, case: Case, boxes: np.ndarray, seed: int) -> None:
        """Add a case, whose image or target may be missing.

        Args:
            case: Its arrays.
            boxes: [N,2*dims], those that can be used.
            seed: Of the voxels that are kept.
        """
        rng = np.random.default_rng(seed)
        if "target" in case:
            self.targets.append(modality(case["target"], self.target))
            self._keep("target", case["target"][0].reshape(-1), rng)
        if "image" not in case:
            return
        image = case["image"]
        known = [*self.known, *[""] * (len(image) - len(self.known))]
        signs = tuple(modality(channel, word) for channel, word in zip(image, known, strict=True))
        self.signs.append(signs)
        self.coloured += _is_coloured(image)
        first = image[signs.index("ct") if "ct" in signs else 0]
        if "label" in case:
            self._keep("labels", first[case["label"][0] > 0], rng)
        if len(boxes):
            self._keep("boxes", first[_inside(boxes, first.shape)], rng)
        self._keep("all", first.reshape(-1), rng)

    def facts(self) -> dict[str, Any]:
        """Return fields of a fingerprint."""
        kinds = tuple(_usual(list(channel)) for channel in zip(*self.signs, strict=False))
        whole = kinds[0] if len(set(kinds)) == 1 else "other"
        place = next(name for name in ("labels", "boxes", "all", "target") if self.values[name])
        return {
            "modality": whole,
            "mixed": kinds if "ct" in kinds and whole != "ct" else (),
            "coloured": self.coloured > (1 - MOSTLY) * len(self.signs),
            "window": _window(self.values[place]),
            "window_of": place,
            "target_modality": _usual(self.targets) if self.targets else "",
            "target_window": _window(self.values["target"] or self.values[place]),
        }

    def _keep(self, name: str, values: np.ndarray, rng: np.random.Generator) -> None:
        if values.size:
            self.values[name].append(rng.choice(values, min(VALUES, values.size)).astype(np.float64))


def modality(image: np.ndarray, known: str = "") -> str:
    """Tell a CT by what is known of it, else by its air, and pictures by their 8 bits.

    Args:
        image: One channel or several.
        known: Its modality in DICOM's words, if that is known.

    Returns:
        `ct`, `picture` or `other`.
    """
    if known.upper() == "CT":
        return "ct"
    if image.dtype == np.uint8 or (image.min() >= 0 and image.max() <= 255 and (image % 1 == 0).all()):
        return "picture"
    air = image[image <= HU_AIR]
    has_air = air.size > 0 and air.min() < air.max()
    return "ct" if not known and has_air and image.max() > 0 else "other"


def _usual(signs: list[str]) -> str:
    return next((sign for sign in ("ct", "picture") if signs.count(sign) > MOSTLY * len(signs)), "other")


def _is_coloured(image: np.ndarray) -> bool:
    """Return True for three channels that are no grey which was saved as colours."""
    different = len(image) == 3 and np.abs(image[0] - image[2].astype(np.float64)).mean() > GREY
    return bool(different)


def _inside(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return which voxels lie in a box."""
    inside = np.zeros(shape, bool)
    for low, high in zip(*np.split(boxes, 2, 1), strict=True):
        inside[tuple(slice(int(a), int(np.ceil(b))) for a, b in zip(low, high, strict=True))] = True
    return inside


def _window(values: list[np.ndarray]) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") for value in np.percentile(np.concatenate(values), [0.5, 99.5]))
