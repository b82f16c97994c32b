"""Pairs made from clean images: the image becomes the target, and its degraded version the image."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from src.data.records import Case, Record

Degrade = Callable[[np.ndarray, float, float, np.random.Generator], np.ndarray]
"""(image [C,*spatial], offset, scale, rng) to the degraded image; see `Preparation` for offset and scale."""


def degraded_item(degrade: Degrade, item: dict[str, Any], seed: int) -> dict[str, Any]:
    """A training item, its noise a function of the seed of its augmentation. A target of its own stays."""
    if "target" in item:
        return item
    rng = np.random.default_rng([seed, 1])  # not the numbers that cut the patch
    degraded = degrade(item["image"].numpy(), float(item["offset"]), float(item["scale"]), rng)
    return item | {"target": item["image"], "image": torch.from_numpy(degraded)}


def degraded_case(degrade: Degrade, record: Record, case: Case, stacked: bool, seed: int) -> Case:
    """A whole case for evaluation, its noise a function of (seed, case) alone; give the data's seed, so that
    runs that differ in theirs are judged on the same images.

    stacked: the image is a stack of slices [S,C,H,W], each degraded by itself.
    """
    if "target" in case:
        return case
    rng = np.random.default_rng([seed, zlib.crc32(record.case.encode())])
    offset, scale = float(case["offset"][0]), float(case["scale"][0])
    images = case["image"] if stacked else case["image"][None]
    degraded = np.stack([degrade(image, offset, scale, rng) for image in images])
    return case | {"target": case["image"], "image": degraded if stacked else degraded[0]}


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
