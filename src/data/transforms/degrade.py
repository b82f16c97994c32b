"""Pairs made from clean images: the image becomes the target, its degraded version the image."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from ganatomy.data.records import Case, Record
from ganatomy.data.transforms.intensity import column

Number = float | np.ndarray


class Degrade(Protocol):
    """Degradation that makes a noisy image of a clean one; see `numbers` for offset and scale."""

    def __call__(
        self, image: np.ndarray, offset: Number, scale: Number, rng: np.random.Generator
    ) -> np.ndarray:
        """Degrade an image.

        Args:
            image: [C,*spatial], normalised.
            offset: units = image * scale + offset.
            scale: see offset.
            rng: source of the noise.
        """
        ...

    def shift(self, offset: Number, scale: Number) -> Number:
        """Return what is added to a normalised image to make it a signal."""
        ...

    def unbias(self, signal: np.ndarray) -> np.ndarray:
        """Return a filtered signal without what the noise added to its mean."""
        ...


def numbers(case: Mapping[str, Any], dims: int) -> tuple[Number, Number]:
    """Return offset and scale of a case: a number each, or [C, 1, ...] if each channel has its own."""
    offset, scale = (np.asarray(case[key], np.float64) for key in ("offset", "scale"))
    if offset.size == 1:
        return float(offset.reshape(())), float(scale.reshape(()))
    return column(offset, dims), column(scale, dims)


def degraded_item(degrade: Degrade, item: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return a degraded training item; one that has a target is returned as it is.

    Args:
        degrade: the degradation.
        item: tensors of one row.
        seed: seed of the item's augmentation.
    """
    if "target" in item:
        return item
    rng = np.random.default_rng([seed, 1])  # not the stream that cuts the patch
    degraded = degrade(item["image"].numpy(), *numbers(item, item["image"].ndim - 1), rng)
    return item | {"target": item["image"], "image": torch.from_numpy(degraded)} | of_target(item)


def degraded_case(degrade: Degrade, record: Record, case: Case, stacked: bool, seed: int) -> Case:
    """Return a degraded whole case for evaluation; one that has a target is returned as it is.

    The noise is a function of (seed, case), or of (seed, `Record.order`).

    Args:
        degrade: the degradation.
        record: the case's record.
        case: the prepared case.
        stacked: the image is a stack of slices [S,C,H,W], which are degraded one by one.
        seed: seed of the split, not of the run, so that all runs are evaluated on the same images.
    """
    if "target" in case:
        return case
    rng = np.random.default_rng([seed, zlib.crc32((record.order or record.case).encode())])
    images = case["image"] if stacked else case["image"][None]
    offset, scale = numbers(case, images.ndim - 2)
    degraded = np.stack([degrade(image, offset, scale, rng) for image in images])
    return case | {"target": case["image"], "image": degraded if stacked else degraded[0]} | of_target(case)


def of_target(case: Mapping[str, Any]) -> dict[str, Any]:
    """Return offset and scale of the target that a clean image becomes."""
    return {"target_offset": case["offset"], "target_scale": case["scale"]}


@dataclass(frozen=True)
class Evaluated:
    """Reader of whole cases for evaluation; small enough to be sent to worker processes.

    Attributes:
        read: returns a prepared case.
        degrade: the degradation, or None.
        stacked: images are stacks of slices.
        seed: see `degraded_case`.
        units: `target_offset` and `target_scale` of cases without a target, if targets have own units.
    """

    read: Callable[[Record, int | None], Case]
    degrade: Degrade | None
    stacked: bool
    seed: int
    units: Mapping[str, np.ndarray] | None = None

    def __call__(self, record: Record, z: int | None = None) -> Case:
        case = self.read(record, z)
        if self.units and "target" not in case:
            case = {**self.units, **case}
        return degraded_case(self.degrade, record, case, self.stacked, self.seed) if self.degrade else case
