"""Digits stacked in channels: a thousand known modes, to count how many of them a generator covers."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np

from ganatomy.data.records import SPLITS, Case, Record
from ganatomy.errors import UserError

SHARES = (0, 4 / 6, 5 / 6, 1)
"""Fractions of the digits where train, val and test begin and end.

Digits are in the order of writing, so that neighbours may be by the same person.
"""


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return images [1797,8,8], 0 to 16, and their digits [1797]: scikit-learn's copy of the UCI test set."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UserError(
            "data=stacked_digits: the package scikit-learn, which holds the digits, is missing; install it"
        ) from error
    found = load_digits()
    return np.asarray(found.images, np.float32), np.asarray(found.target, np.int64)


class StackedDigits:
    """Images [3,8,8] of three handwritten digits; their 1000 combinations, the modes, are equally likely.

    After the stacked MNIST of Metz et al. (Unrolled GANs, arXiv 1611.02163). No digit is in two splits. An
    image depends on (digits_seed, split, its number) only.

    Args:
        train: number of training images.
        val: number of validation images.
        test: number of test images.
        size: shape that the images are brought to; None keeps 8x8.
        digits_seed: seed of the combinations.
    """

    channels = 3
    units = "px"
    spatial_dims: Literal[2] = 2
    classes: tuple[str, ...] = ()
    box_classes: tuple[str, ...] = ()
    image_classes = tuple(f"{mode:03d}" for mode in range(1000))
    symbols = 10
    """Number of different digits per channel."""

    def __init__(
        self,
        train: int = 4000,
        val: int = 200,
        test: int = 4000,
        size: int | None = None,
        digits_seed: int = 0,
    ) -> None:
        self.counts = {"train": train, "val": val, "test": test}
        for split, count in self.counts.items():
            if count < 1:
                raise UserError(f"data.{split}={count}: at least 1 image is needed")
        self.size, self.digits_seed = size, digits_seed

    def records(self) -> list[Record]:
        return [
            Record(f"{split}-{index:05d}", f"{split}-{index:05d}", split, {"part": part, "index": index})
            for part, split in enumerate(SPLITS)
            for index in range(self.counts[split])
        ]

    def fingerprint(self, record: Record) -> str:
        return f"stacked digits 1 {self.digits_seed} {record.case}"

    content = fingerprint

    def load(self, record: Record) -> Case:
        images, shown = digits()
        part = record.content["part"]
        rng = np.random.default_rng([self.digits_seed, part, record.content["index"]])
        first, end = (round(share * len(shown)) for share in SHARES[part : part + 2])
        wanted = rng.integers(0, self.symbols, self.channels)
        own = [rng.choice(np.flatnonzero(shown[first:end] == digit)) + first for digit in wanted]
        return {
            "image": images[own],
            "affine": np.eye(4),
            "spacing": np.ones(2),
            "class": np.asarray(wanted @ [100, 10, 1], np.int64),
        }
