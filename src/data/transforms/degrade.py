"""Pairs made from clean images: the image becomes the target, and its degraded version the image."""

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
    """What makes a noisy image of a clean one; see `numbers` for offset and scale."""

    def __call__(
        self, image: np.ndarray, offset: Number, scale: Number, rng: np.random.Generator
    ) -> np.ndarray:
        """Degrade an image [C,*spatial]."""
        ...

    def shift(self, offset: Number, scale: Number) -> Number:
        """Return what is added to a normalised image to make it a signal."""
        ...

    def unbias(self, signal: np.ndarray) -> np.ndarray:
        """Return a filtered signal without what the noise added to its mean."""
        ...


def numbers(case: Mapping[str, Any], dims: int) -> tuple[Number, Number]:
    """Offset and scale of a case: a number each, or [C, 1, ...] where each channel has its own."""
    offset, scale = (np.asarray(case[key], np.float64) for key in ("offset", "scale"))
    if offset.size == 1:
        return float(offset.reshape(())), float(scale.reshape(()))
    return column(offset, dims), column(scale, dims)


def degraded_item(degrade: Degrade, item: dict[str, Any], seed: int) -> dict[str, Any]:
    """A training item, its noise a function of the seed of its augmentation. A target of its own stays."""
    if "target" in item:
        return item
    rng = np.random.default_rng([seed, 1])  # not the numbers that cut the patch
    degraded = degrade(item["image"].numpy(), *numbers(item, item["image"].ndim - 1), rng)
    return item | {"target": item["image"], "image": torch.from_numpy(degraded)} | of_target(item)


def degraded_case(degrade: Degrade, record: Record, case: Case, stacked: bool, seed: int) -> Case:
    """A whole case for evaluation, its noise a function of (seed, case) alone; give the data's seed, so that
    runs that differ in theirs are judged on the same images.

    stacked: the image is a stack of slices [S,C,H,W], each degraded by itself.
    """
    if "target" in case:
        return case
    rng = np.random.default_rng([seed, zlib.crc32(record.case.encode())])
    images = case["image"] if stacked else case["image"][None]
    offset, scale = numbers(case, images.ndim - 2)
    degraded = np.stack([degrade(image, offset, scale, rng) for image in images])
    return case | {"target": case["image"], "image": degraded if stacked else degraded[0]} | of_target(case)


def of_target(case: Mapping[str, Any]) -> dict[str, Any]:
    """Offset and scale of the target that a clean image becomes."""
    return {"target_offset": case["offset"], "target_scale": case["scale"]}


@dataclass(frozen=True)
class Evaluated:
    """Reads whole cases for evaluation, degraded where asked; small enough to be sent to any process."""

    read: Callable[[Record, int | None], Case]
    degrade: Degrade | None
    stacked: bool
    seed: int

    def __call__(self, record: Record, z: int | None = None) -> Case:
        case = self.read(record, z)
        return degraded_case(self.degrade, record, case, self.stacked, self.seed) if self.degrade else case
